"""Held-out means held out: leaks planted in the training manifest, one for each condition, must be found."""

import pytest

from scripted_env import go1
from scripted_panel import panel_of
from surefoot.evaluation.held_out import compare_cell, memberships
from surefoot.evaluation.panel import Cell
from surefoot.manifest import override_manifest
from surefoot.manifest.factors import FACTORS

DISTURBED = {
    # Cell, training that contains it, training that just does not.
    "friction": ({"friction": 0.3}, ["randomization.factors.friction.edges=[0.3,1.2]"],
                 ["randomization.factors.friction.edges=[0.301,1.2]"]),
    "payload_mass": ({"payload_mass": 4.0}, ["randomization.factors.payload_mass.edges=[0,4]"],
                     ["randomization.factors.payload_mass.edges=[0,3.9]"]),
    "motor_strength": ({"motor_strength": 0.7},
                       ["+randomization.factors.motor_strength={edges: [0.7, 1.0], mode: reset}"],
                       ["+randomization.factors.motor_strength={edges: [0.8, 1.2], mode: reset}"]),
    "control_delay": ({"control_delay": 0.02}, ["+randomization.factors.control_delay={edges: [0, 2], mode: reset}"],
                      ["+randomization.factors.control_delay={edges: [0, 1], mode: reset}"]),
    "control_delay of mjlab": ({"control_delay": 0.02}, ["task.actions.delay_steps=[0,2]"],
                               ["task.actions.delay_steps=[0,1]"]),
    "observation_delay": ({"observation_delay": 0.04},
                          ["+randomization.factors.observation_delay={edges: [0, 2], mode: reset}"],
                          ["+randomization.factors.observation_delay={edges: [0, 1], mode: reset}"]),
    "noise_level": ({"noise_level": 2.0}, ["+randomization.factors.noise_level={edges: [1, 2], mode: reset}"],
                    ["+randomization.factors.noise_level={edges: [0, 1.9], mode: reset}"]),
    "sensor_bias": ({"sensor_bias": 1.0}, ["+randomization.factors.sensor_bias={edges: [0, 1], mode: reset}"],
                    ["+randomization.factors.sensor_bias={edges: [0, 0.5], mode: reset}"]),
    "kick": ({"kicks": [{"at": 0.1, "lin_vel": 1.0}]}, ["randomization.push.lin_vel_xy=0.8"],
             ["randomization.push.lin_vel_xy=0.7"]),
    "kick by push_strength": ({"kicks": [{"at": 0.1, "lin_vel": 1.0}]},
                              ["+randomization.factors.push_strength={edges: [1, 2], mode: reset}"],
                              ["+randomization.factors.push_strength={edges: [0, 1.4], mode: reset}"]),
    "kick turn": ({"kicks": [{"at": 0.1, "ang_vel_z": -0.6}]}, ["randomization.push.ang_vel_z=0.6"],
                  ["randomization.push.ang_vel_z=0.5"]),
    "kick interval": ({"kicks": [{"at": 0.1, "lin_vel": 0.3}, {"at": 0.15, "lin_vel": 0.3}]},
                      ["randomization.push.interval=[0.05,1]"], ["randomization.push.interval=[0.06,1]"]),
    "command": ({"commands": [[0, 1.6, 0, 0]]}, ["task.commands.lin_vel_x=[-0.9,1.6]"],
                ["task.commands.lin_vel_x=[-0.9,1.59]"]),
    "command to the side": ({"commands": [[0, 0.5, -0.8, 0]]}, ["task.commands.lin_vel_y=[-0.8,0.6]"],
                            ["task.commands.lin_vel_y=[-0.7,0.8]"]),
    "command to turn": ({"commands": [[0, 0.5, 0, 1.2]]}, ["task.commands.ang_vel_z=[0,1.2]"],
                        ["task.commands.ang_vel_z=[-1.2,1.1]"]),
    "command interval": ({"commands": [[0, 0.5, 0, 0], [0.1, 0, 0, 0]]}, ["task.commands.resampling_time=[0.1,8]"],
                         ["task.commands.resampling_time=[0.12,8]"]),
}  # fmt: skip


def is_held_out(cell: dict, *overrides: str) -> bool:
    panel = panel_of({"cell": cell})
    return memberships(panel, [override_manifest(go1(), list(overrides))])["cell"].held_out


def is_outside(cell: dict, *overrides: str) -> bool:
    """At all: by its edge, or by more."""
    panel = panel_of({"cell": cell})
    return memberships(panel, [override_manifest(go1(), list(overrides))])["cell"].group != "in_distribution"


@pytest.mark.parametrize("name", DISTURBED)
def test_a_widened_training_range_is_a_leak(name: str):
    cell, inside, outside = DISTURBED[name]
    assert is_outside(cell, *outside)
    assert not is_outside(cell, *inside)


def test_the_reason_names_the_condition_and_both_values():
    panel = panel_of({"ice": {"friction": 0.3, "payload_mass": 1.0}, "fine": {}})
    found = memberships(panel, [go1()])
    assert found["ice"].reasons == ("friction: 0.3; trained on 0.4 to 1.2",)
    assert found["fine"].reasons == () and not found["fine"].held_out


def test_a_cell_that_was_meant_as_held_out_and_is_not_is_refused_as_such():
    panel = panel_of({"meant": {}, "control": {"control": True, "friction": 0.9}, "ice": {"friction": 0.1}})
    refused = {name: member.refused for name, member in memberships(panel, [go1()]).items()}
    assert refused == {"meant": True, "control": False, "ice": False}


def test_what_any_earlier_training_had_is_not_held_out():
    """Trained on ice first, then resumed without it: the checkpoint's own manifest knows nothing of ice."""
    icy = override_manifest(go1(), ["randomization.factors.friction.edges=[0.1,1.2]"])
    panel = panel_of({"ice": {"friction": 0.1}, "icier": {"friction": 0.04}})
    assert memberships(panel, [go1()])["ice"].held_out
    for order in ([icy, go1()], [go1(), icy]):
        found = memberships(panel, order)
        assert not found["ice"].held_out and found["ice"].refused
        assert found["icier"].held_out


def test_conditions_that_two_trainings_had_apart_were_never_had_together():
    icy = override_manifest(go1(), ["randomization.factors.friction.edges=[0.1,1.2]"])
    loaded = override_manifest(go1(), ["randomization.factors.payload_mass.edges=[-1,6]"])
    panel = panel_of({"both": {"friction": 0.1, "payload_mass": 6.0}})
    found = memberships(panel, [icy, loaded])["both"]
    assert found.held_out
    assert found.reasons == (
        "combination: friction 0.1; trained on each of its conditions, in no manifest all of them",
    )


def test_a_reason_is_a_condition_that_no_training_had():
    """Ice was trained on first: the resumed run's manifest does not know it, and the report must not say that."""
    icy = override_manifest(go1(), ["randomization.factors.friction.edges=[0.1,1.2]"])
    panel = panel_of({"both": {"friction": 0.1, "payload_mass": 6.0}})
    for order in ([icy, go1()], [go1(), icy]):
        assert memberships(panel, order)["both"].reasons == ("payload_mass: 6 kg; trained on -0.5 to 2 kg",)


def test_another_robot_is_held_out_whatever_the_cell():
    panel = panel_of({"control": {"control": True}})
    other = go1().model_copy(update={"robot": go1().robot.model_copy(update={"name": "unitree_go2"})})
    assert not memberships(panel, [go1()], go1())["control"].held_out
    found = memberships(panel, [go1()], other)["control"]
    assert found.held_out and not found.refused
    assert found.reasons == ("robot: unitree_go2; trained on unitree_go1",)


def test_edges_of_a_range_are_inside():
    for friction in (0.4, 1.2):
        assert not is_outside({"friction": friction})
    for friction in (0.399, 1.201):
        assert is_outside({"friction": friction}) and not is_held_out({"friction": friction})


@pytest.mark.parametrize(
    ("cell", "overrides", "beyond"),
    [
        # Friction is trained on from 0.4 to 1.2: its width is 0.8, its edge 0.04.
        ({"friction": 0.361}, (), 0.039 / 0.8),
        ({"friction": 0.359}, (), 0.041 / 0.8),
        ({"friction": 1.241}, (), 0.041 / 0.8),
        ({"payload_mass": 2.1}, (), 0.1 / 2.5),
        # Without the factor there was one value: its size is the width, and 1 kg where it is 0.
        ({"payload_mass": 0.001}, ("~randomization.factors.payload_mass", "randomization.bucket_by=[friction]"), 0.001),
        ({"payload_mass": 0.06}, ("~randomization.factors.payload_mass", "randomization.bucket_by=[friction]"), 0.06),
        ({"motor_strength": 0.96}, (), 0.04),
        ({"motor_strength": 0.9}, (), 0.1),
        ({"com_shift_x": 0.02}, (), 0.2),
        # Of two conditions the farther one counts.
        ({"friction": 0.399, "motor_strength": 0.9}, (), 0.1),
        ({"commands": [[0, 1.6, 0, 0]]}, ("task.commands.lin_vel_x=[-0.4,1.59]",), 0.01 / 1.99),
        ({"friction": 0.5}, (), 0.0),
    ],
)
def test_a_cell_is_graded_by_its_distance_over_the_width_of_training(
    cell: dict, overrides: tuple[str, ...], beyond: float
):
    panel = panel_of({"cell": cell})
    found = memberships(panel, [override_manifest(go1(), list(overrides))])["cell"]
    assert found.beyond == pytest.approx(beyond)
    assert found.group == ("in_distribution" if beyond == 0 else "edge" if beyond < 0.05 else "held_out")
    assert found.refused == (beyond == 0)


def test_the_nearest_training_gives_the_distance():
    icy = override_manifest(go1(), ["randomization.factors.friction.edges=[0.1,1.1]"])
    panel = panel_of({"ice": {"friction": 0.09}})
    assert memberships(panel, [go1()])["ice"].group == "held_out"
    for order in ([icy, go1()], [go1(), icy]):
        found = memberships(panel, order)["ice"]
        assert found.group == "edge" and found.beyond == pytest.approx(0.01)


def test_starts_and_durations_that_training_had_not_are_outside():
    panel, manifest = panel_of({"control": {"control": True}}), go1()
    assert memberships(panel, [manifest])["control"].group == "in_distribution"
    longer = panel.model_copy(update={"duration": 2 * manifest.task.episode_length})
    found = memberships(longer, [manifest])["control"]
    assert found.group == "held_out" and found.reasons[0].startswith("duration: ")
    assert panel.start is not None
    start = panel.start.model_copy(update={"lin_vel": (-2.0, 2.0)})
    found = memberships(panel.model_copy(update={"start": start}), [manifest])["control"]
    assert found.group == "held_out" and found.reasons[0].startswith("start.lin_vel: -2 to 2 m/s; trained on")


def test_without_the_factor_only_the_nominal_value_is_inside():
    gone = "~randomization.factors.friction", "randomization.bucket_by=[payload_mass]"
    nominal = go1().robot.contact_models["lean"].foot_friction[0]
    assert not is_held_out({"friction": nominal}, *gone)
    assert is_outside({"friction": nominal + 0.01}, *gone)
    assert not is_held_out({"friction": None}, *gone)


def test_a_payload_out_of_place_is_held_out_unless_training_had_places():
    cell = {"payload_mass": 1.0, "payload_x": 0.1}
    assert is_held_out(cell)
    assert not is_held_out(cell, "+randomization.factors.payload_x={edges: [-0.1, 0.1], mode: reset}")
    assert is_held_out(cell, "+randomization.factors.payload_x={edges: [-0.1, 0.05], mode: reset}")


def test_a_level_of_no_noise_is_no_noise():
    """A policy that was trained without noise is measured without: no cell of its own manifest disturbs its sensors."""
    quiet = override_manifest(go1(), ["task.observations.actor.noise=false"])
    panel = panel_of({"nominal": {}, "loud": {"noise_level": 3.0}, "bias": {"sensor_bias": 2.0}})
    assert not any(member.held_out for member in memberships(panel, [quiet]).values())
    there = memberships(panel, [quiet], go1())  # on the task that has noise
    assert all(member.held_out for member in there.values())
    assert there["nominal"].reasons == ("noise_level: 1 of noise up to inf times training's; trained on no noise",)


def test_noise_is_compared_as_an_amplitude():
    """Level 1 of three times the amplitude is what level 3 of training's would be."""
    loud = override_manifest(go1(), ["task.observations.actor.terms.base_ang_vel.noise=0.6"])
    wide = override_manifest(go1(), ["+randomization.factors.noise_level={edges: [1, 3], mode: reset}"])
    panel = panel_of({"nominal": {}})
    assert memberships(panel, [go1()], loud)["nominal"].held_out
    assert not memberships(panel, [wide], loud)["nominal"].held_out
    assert not memberships(panel, [loud], go1())["nominal"].held_out


def test_less_noise_than_in_training_is_inside():
    """Readings without noise are among those with it: leaving the noise out disturbs nobody."""
    quiet = override_manifest(go1(), ["task.observations.actor.noise=false"])
    panel = panel_of({"nominal": {}})
    assert not is_held_out({"noise_level": 0.0})
    assert not is_held_out({"noise_level": 0.0}, "+randomization.factors.noise_level={edges: [1, 2], mode: reset}")
    assert not memberships(panel, [go1()], quiet)["nominal"].held_out


def test_a_timetable_that_repeats_a_command_changes_nothing():
    """Twenty entries a second of one command are no faster than training's."""
    same = [[0.01 * k, 0.5, 0, 0] for k in range(10)]
    assert not is_held_out({"commands": same})
    assert is_held_out({"commands": [*same, [0.1, 0.4, 0, 0]]})


def test_a_kick_that_waits_for_its_phase_may_come_later_than_it_is_due():
    """0.05 s apart on paper; at 2 Hz the second one may wait for 0.5 s."""
    kicks = [{"at": 0.1, "lin_vel": 0.3}, {"at": 0.15, "lin_vel": 0.3, "phase": 0.5}]
    every = "randomization.push.interval=[0.3,1]"
    cycle = 1 / go1().task.gait.frequency
    assert 0.25 < cycle < 0.6 and not is_held_out({"kicks": kicks}, every)
    assert is_held_out({"kicks": [kick | {"phase": None} for kick in kicks]}, every)


def test_kicks_where_training_never_kicked():
    off = "randomization.push.lin_vel_xy=0", "randomization.push.ang_vel_z=0"
    assert is_held_out({"kicks": [{"at": 0.1, "lin_vel": 0.1}]}, *off)
    assert not is_held_out({"kicks": [{"at": 0.1, "lin_vel": 0.1}]})


def test_standing_commands_are_inside_where_training_stands():
    away = "task.commands.lin_vel_x=[0.2,1]"
    assert not is_held_out({"commands": [[0, 0, 0, 0]]}, away)
    assert is_held_out({"commands": [[0, 0, 0, 0]]}, away, "task.commands.standing_fraction=0")


def imposing(name: str) -> dict:
    """A cell that has a factor's example, and what the factor needs."""
    kind = FACTORS[name]
    cell = {name: kind.example if kind.step is None else kind.example * kind.step(go1())}
    cell |= {kind.needs: FACTORS[kind.needs].example} if kind.needs else {}
    return cell | ({"kicks": [{"at": 0.1, "lin_vel": 0.68}]} if kind.compared == "kicks" else {})


def drawing(name: str, share: float = 1.0) -> str:
    """An override: training draws a factor from neutral up to a share of the example."""
    kind = FACTORS[name]
    neutral = kind.neutral if kind.neutral is not None else 0.0 if kind.own is None else kind.own(go1())[0]
    low, high = sorted((neutral, neutral + share * (kind.example - neutral)))
    new = "" if name in go1().randomization.factors else "+"
    return f"{new}randomization.factors.{name}={{edges: [{low}, {high}], mode: reset}}"


@pytest.mark.parametrize("name", FACTORS)
def test_a_factor_is_held_out_unless_training_drew_it_that_far(name: str):
    cell, needed = imposing(name), [drawing(FACTORS[name].needs)] if FACTORS[name].needs else []
    assert is_held_out(cell, *needed, drawing(name, 0.0 if FACTORS[name].whole else 0.4))
    assert not is_held_out(cell, *needed, drawing(name))
    without = [*needed, f"~randomization.factors.{name}"] if name in go1().randomization.factors else needed
    assert is_held_out(cell, *without, "randomization.bucket_by=[]")
    assert not is_held_out({key: value for key, value in cell.items() if key != name}, *needed)


def test_joints_that_differ_are_like_no_single_friction():
    joints = [joint.model_copy(update={"friction": 0.1 + 0.1 * (i % 2)}) for i, joint in enumerate(go1().robot.joints)]
    uneven = go1().model_copy(update={"robot": go1().robot.model_copy(update={"joints": tuple(joints)})})
    panel = panel_of({"alike": {"joint_friction": 0.15}, "as_it_is": {}})
    found = memberships(panel, [uneven])
    assert found["alike"].reasons == ("joint_friction: 0.15 N m; trained on 0.1 to 0.2 N m",)
    assert not found["as_it_is"].held_out
    drawn = override_manifest(uneven, ["+randomization.factors.joint_friction={edges: [0.12, 0.3], mode: reset}"])
    assert not memberships(panel, [drawn])["alike"].held_out
    assert memberships(panel, [drawn])["as_it_is"].reasons == (
        "joint_friction: 0.1 to 0.2 N m; trained on 0.12 to 0.3 N m",
    )


def test_every_condition_of_a_cell_is_compared():
    """A new key of `Cell` that nobody compares would be a hole; `push_strength` is compared with its kicks."""
    cell = {
        "payload_mass": 1.0,
        "payload_x": 0.1,
        "payload_y": 0.1,
        "payload_z": 0.1,
        "kicks": [{"at": 0.1, "lin_vel": 1}],
    }
    compared = {finding.factor.split(".")[0] for finding in compare_cell(panel_of({"a": cell}).cells["a"], go1())}
    known = set(Cell.model_fields) - {"why", "control", "kicks", "commands", "push_strength"} | {"kick", "command"}
    assert compared == known


ROUGH = {
    "seed": 7, "classes": {"random_rough": {"proportion": 1}, "stairs_up": {"proportion": 1}}, "difficulty": [0.0, 0.5],
    "levels": 3, "columns": 4, "tile_size": 8.0, "platform": 2.0, "resolution": 0.1, "border": 1.0,
}  # fmt: skip


def rough(**changes) -> list[str]:
    import json

    text = json.dumps(ROUGH | changes).replace('"', "")
    return ["task.terrain.kind=generator", f"+task.terrain.generator={text}"]


def ground(kind: str, difficulty: float, seed: int = 99) -> dict:
    return {"terrain": {"kind": kind, "difficulty": difficulty, "seed": seed}}


def test_terrain_is_held_out_from_a_plane():
    assert is_held_out(ground("random_rough", 0.2))
    assert is_held_out(ground("stairs_up", 0.2))
    assert not is_held_out(ground("flat", 0.0))


def has_generator() -> bool:
    return "generator" in type(go1().task.terrain).model_fields


@pytest.mark.skipif(not has_generator(), reason="manifests have no generated terrain yet")
class TestTrainedOnTerrain:
    def test_the_same_seed_is_a_leak(self):
        assert is_held_out(ground("random_rough", 0.2, seed=99), *rough())
        assert not is_held_out(ground("random_rough", 0.2, seed=7), *rough())
        assert not is_held_out(ground("random_rough", 0.2, seed=99), *rough(seed=99))

    def test_a_class_without_chance_is_the_same_ground_for_every_seed(self):
        assert not is_held_out(ground("stairs_up", 0.2, seed=99), *rough())

    def test_a_class_that_training_lacks(self):
        assert is_held_out(ground("waves", 0.1, seed=7), *rough())

    def test_difficulty_beyond_trainings(self):
        assert is_held_out(ground("stairs_up", 0.6), *rough())
        assert not is_held_out(ground("stairs_up", 0.6), *rough(difficulty=[0.0, 0.6]))
        assert is_held_out(ground("random_rough", 0.6, seed=7), *rough())

    def test_measures_count_not_the_name_of_the_difficulty(self):
        """Training's stairs go up to 0.20 m at its difficulty 0.5; a cell of 0.5 has 0.115 m by default."""
        high = {"stairs_up": {"proportion": 1, "params": {"step_height": [0.16, 0.24]}}}
        assert is_held_out(ground("stairs_up", 0.5), *rough(classes=high))
        assert not is_held_out(ground("stairs_up", 0.9), *rough(classes=high))

    def test_a_plane_is_inside(self):
        assert not is_held_out({}, *rough())
