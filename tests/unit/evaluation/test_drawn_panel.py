"""Panels whose conditions are drawn as in training: the shipped grid of commands, what is refused, what is reported."""

import math
from dataclasses import replace

import pytest
import torch

from scripted_env import go1
from scripted_panel import WHY, PanelMoment, drawn_panel, play, still
from surefoot.errors import PanelError
from surefoot.evaluation.drawn import drawn_manifest, drawn_memberships, in_order, what_is_drawn
from surefoot.evaluation.evaluate import COMMAND_GRID, choose_panel, fit_panel
from surefoot.evaluation.panel import Panel
from surefoot.evaluation.provenance import changes_that_count, setting_sha256
from surefoot.evaluation.report import PanelReport, panel_report
from surefoot.evaluation.report_text import report_text
from surefoot.manifest import Manifest, compose_manifest, override_manifest
from surefoot_tasks import manifest_root
from test_panel_report import PROVENANCE

TWO = [(0.0, 0.3, 0.5), (0.5, 0.3, 0.5)]


def grid(**changes) -> Panel:
    return choose_panel(COMMAND_GRID, manifest_root(), changes)


def commands(panel: Panel) -> torch.Tensor:
    """Of each environment. Shape (N, 3)."""
    rows = torch.tensor([cell.commands[0][1:] for cell in panel.cells.values()])
    return rows.repeat_interleave(panel.replicates, dim=0)


def report_of(script: list[PanelMoment], panel: Panel) -> PanelReport:
    about = dict(PROVENANCE) | {"drawn": what_is_drawn(go1()), "replicates": panel.replicates, "warm_up": panel.warm_up}
    return panel_report(play(script, panel), drawn_memberships(panel, [go1()], go1()), about)


def test_the_shipped_grid_is_36_held_commands():
    panel = grid()
    assert (len(panel.cells), panel.replicates, panel.num_envs, panel.duration, panel.warm_up) == (
        36,
        8,
        288,
        10.0,
        0.0,
    )
    assert all(len(cell.commands) == 1 and cell.control for cell in panel.cells.values())
    of_axis = [sorted(set(column)) for column in zip(*commands(panel).tolist(), strict=True)]
    assert of_axis == [[-0.5, 0.0, 0.5, 1.0], pytest.approx([-0.3, 0.0, 0.3]), [-0.5, 0.0, 0.5]]
    assert len({cell.commands for cell in panel.cells.values()}) == 36
    assert commands(panel)[:, :2].norm(dim=1).mean().item() == pytest.approx(0.585, abs=5e-4)
    assert commands(panel)[:, 2].abs().mean().item() == pytest.approx(1 / 3)


def test_cells_run_in_the_order_of_their_commands_whatever_the_file_says():
    """What an environment draws goes by its number: a panel written backwards must not be another experiment."""
    panel = drawn_panel(TWO[::-1], replicates=2)
    assert commands(in_order(panel))[:, 0].tolist() == [0.0, 0.0, 0.5, 0.5]
    assert in_order(panel).sha256 == panel.sha256
    names = [name for name in grid().cells if name in ("stand", "forward", "fast", "backward")]
    assert names == ["backward", "stand", "forward", "fast"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"robots": ["unitree_go1"]}, "robots: of a drawn panel they are the task's"),
        ({"start": {key: [0, 0] for key in ("position_xy", "yaw", "lin_vel", "ang_vel", "joint_pos", "joint_vel")}},
         "start: of a drawn panel"),
        ({"drawn": False}, "robots: missing key"),
        ({"cells": {"a": {"why": WHY, "friction": 0.3, "commands": [[0, 1, 0, 0]]}}},
         r"cells\.a\.friction: imposed, but the panel is drawn"),
        ({"cells": {"a": {"why": WHY, "kicks": [{"at": 0.1, "lin_vel": 1.0}], "commands": [[0, 1, 0, 0]]}}},
         r"cells\.a\.kicks: imposed"),
    ],
)  # fmt: skip
def test_a_drawn_panel_commands_and_nothing_else(changes: dict, message: str):
    with pytest.raises(PanelError, match=message):
        drawn_panel(TWO, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"replicates": 0}, "replicates: input should be greater than 0"),
        ({"replicates": 10**9}, "replicates: input should be less than or equal to 1000000"),
        ({"duration": math.nan}, "duration: input should be a finite number"),
        ({"duration": -1.0}, "duration"),
        ({"warm_up": 10.0}, "warm_up: expected less than the duration"),
        ({"seed": -1}, "seed"),
    ],
)
def test_changes_that_do_not_fit_are_one_line(changes: dict, message: str):
    with pytest.raises(PanelError, match=f"panel command_grid_v3: {message}") as refused:
        grid(**changes)
    assert "\n" not in str(refused.value)


def test_a_changed_panel_has_another_hash_and_an_absent_change_none():
    assert grid(replicates=1).sha256 != grid().sha256 == grid(replicates=None, seed=None).sha256


def test_less_than_a_control_step_is_refused():
    with pytest.raises(PanelError, match=r"0\.005 s is less than a control step of 0\.02 s"):
        fit_panel(grid(duration=0.005), go1(), None, "none")


def test_the_task_stays_as_it_is_but_for_seed_and_time_out():
    other = override_manifest(go1(), ["task.resets.yaw=[0,1]", "randomization.factors.friction.edges=[0.3,0.5]"])
    manifest = drawn_manifest(other, grid(seed=5))
    assert (manifest.seed, manifest.task.episode_length) == (5, 11.0)
    assert manifest.randomization == other.randomization and manifest.task.resets == other.task.resets
    said = {key for key, _, _ in changes_that_count(go1(), manifest, drawn=True)}
    assert said == {"randomization.factors.friction.edges", "task.resets.yaw"}


def test_pairs_need_the_same_draws():
    """Robots that met other friction are no pairs; a panel that imposes it does not care."""
    other = override_manifest(go1(), ["randomization.factors.friction.edges=[0.3,0.5]"])
    assert setting_sha256(go1(), drawn=True) != setting_sha256(other, drawn=True)
    assert setting_sha256(go1()) == setting_sha256(other)


def members(task: Manifest, *trained_on: Manifest) -> dict[str, tuple[bool, tuple[str, ...]]]:
    panel = drawn_panel([(0.5, 0.0, 0.0), (3.0, 0.0, 0.0)])
    found = drawn_memberships(panel, trained_on, task)
    return {name: (member.held_out, member.reasons) for name, member in found.items()}


def test_held_out_is_a_command_or_a_range_that_training_never_had():
    fast = ("command.lin_vel_x: 3 m/s; trained on -0.9 to 1.35 m/s",)
    assert members(go1(), go1()) == {"c0": (False, ()), "c1": (True, fast)}
    wider, ice = (override_manifest(go1(), [f"randomization.factors.friction.edges=[{low},{high}]"])
                  for low, high in ((0.1, 1.2), (0.1, 0.3)))  # fmt: skip
    assert members(wider, go1())["c0"] == (False, ())  # a part lies inside
    assert members(ice, go1())["c0"] == (True, ("friction: 0.1 to 0.3; trained on 0.4 to 1.2",))
    assert members(ice, ice, go1())["c0"] == (False, ())  # an earlier training had it
    go2 = compose_manifest(manifest_root(), "Surefoot-Velocity-Flat-Unitree-Go2-v0")
    assert members(go2, go1())["c0"][0]
    rough = compose_manifest(manifest_root(), "Surefoot-Velocity-Rough-Unitree-Go1-v0")
    only_stairs = override_manifest(rough, ["~task.terrain.generator.classes.flat"])
    assert members(rough, rough)["c0"] == (False, ())
    assert any(reason.startswith("terrain: ") for reason in members(only_stairs, go1())["c0"][1])


def test_over_all_cells_every_command_weighs_the_same():
    """Three robots of c0 fall at once; the one that is left and the four of c1 stand, at 0.3 and 0.583 m/s of error."""
    panel = drawn_panel(TWO, replicates=4)
    script = still(10, panel)
    for env in (0, 1, 2):
        script[0].fall(env)
    plain = report_of(script, panel).plain
    expected = (0.3 + math.hypot(0.5, 0.3)) / 2
    assert plain["all_cells"]["lin_vel_error"]["value"] == pytest.approx(expected)
    assert plain["all_cells"]["fall_rate"]["value"] == 3 / 8
    assert (plain["valid"], plain["score"], plain["reasons"]) == (True, None, [])
    assert plain["cells"][0]["name"] == "c0" and plain["cells"][0]["conditions"] == {"commands": [[0, 0.0, 0.3, 0.5]]}


def test_a_command_outside_of_training_is_said_and_makes_no_score():
    panel = drawn_panel([(0.5, 0.0, 0.0), (3.0, 0.0, 0.0)])
    report = report_of(still(10, panel), panel)
    assert (report.score, report.valid, report.plain["controls_held_out"]) == (None, True, ["c1"])
    assert report.plain["held_out"]["lin_vel_error"]["cells"] == 1
    text = report_text(report)
    assert "meant as controls, and outside the training distribution: c1" in text and "score" not in text


def test_a_command_without_any_error_is_counted_and_said():
    panel = drawn_panel(TWO)
    script = still(10, panel)
    script[0].fall(0)
    report = report_of(script, panel)
    assert report.plain["all_cells"]["lin_vel_error"]["cells"] == 1
    assert "WARNING: 1 commands have no error: every robot ended at once" in report_text(report)


def test_every_episode_carries_the_bucket_that_it_ran_in():
    panel = drawn_panel(TWO, steps=3, replicates=7)
    script = still(3, panel)
    script[1].fall(13)
    report = report_of(script, panel)
    assert report.result.episodes.bucket.flatten().tolist() == [*range(12), 0, 1]  # the shipped task has 12 buckets
    rows = report.plain["buckets"]
    assert rows[0]["label"] == "friction 0.4-0.6 | payload_mass -0.5 to 0.3333 kg"
    assert [row["episodes"] for row in rows] == [2, 2] + [1] * 10
    assert [row["metrics"]["fall_rate"]["value"] for row in rows] == [0.0, 0.5] + [0.0] * 10


def test_the_table_has_a_line_for_each_command_in_their_order():
    panel = replace_names(drawn_panel(TWO, steps=100, replicates=2))
    script = still(100, panel)
    for moment in script:
        moment.lin_vel_yaw[2:, 0], moment.lin_vel_yaw[2:, 1] = 0.5, 0.3
        moment.yaw_rate[2:] = 0.5
    script[49].fall(0)
    text = report_text(report_of(script, panel))
    lines = text.splitlines()
    first = next(index for index, line in enumerate(lines) if line.strip().startswith("0.00   0.30"))
    assert lines[first].split("|")[1].split() == ["0.300", "0.500"]
    assert lines[first].split("|")[2].split()[0] == "1/2" and lines[first].split("|")[3].strip() == "1.50"
    assert lines[first + 1].split("|")[1].split() == ["0.000", "0.000"]
    assert "as in training: friction 0.4 to 1.2, payload_mass -0.5 to 2 kg" in text
    assert "counted from the start" in text and "every cell lies inside the training distribution" in text


def replace_names(panel: Panel) -> Panel:
    """The worst command last by name: the table goes by commands."""
    cells = {name: panel.cells[old] for name, old in (("z", "c0"), ("a", "c1"))}
    return panel.model_copy(update={"cells": cells})


def test_the_console_has_the_worst_command_and_the_file_all() -> None:
    """Standing still misses a command of 0.5 m/s by more than one of 0, and nobody falls."""
    panel = drawn_panel(TWO, steps=100, replicates=2)
    report = report_of(still(100, panel), panel)
    text = report_text(report, most_cells=1)
    assert "the worst 1 of 2 commands:" in text and "  0.50   0.30   0.50 |" in text
    assert "  0.00   0.30   0.50 |" not in text and "  0.00   0.30   0.50 |" in report_text(report)
    assert "interquartile means" in text


def test_an_episode_does_not_depend_on_the_batch_that_it_ran_in():
    """Motions that a generator made up; robots 1 and 6 of eight, alone and among the others."""
    large, small = drawn_panel(TWO, steps=30, replicates=4), drawn_panel(TWO, steps=30)
    generator = torch.Generator().manual_seed(0)
    script = still(30, large)
    for moment in script:
        moment.lin_vel_yaw = torch.rand(8, 3, generator=generator)
        for env in (torch.rand(8, generator=generator) < 0.02).nonzero().flatten().tolist():
            moment.fall(env)
    chosen = torch.tensor([1, 6])
    part = [replace(moment, **{name: value[chosen] for name, value in vars(moment).items()}) for moment in script]
    together, alone = play(script, large).episodes, play(part, small).episodes
    assert together.failed.any() and not together.failed.all()
    for name in ("lin_vel_error", "yaw_rate_error", "survival_time"):
        assert torch.equal(getattr(alone, name)[:, 0], getattr(together, name).flatten()[chosen]), name


def test_the_first_observation_shows_the_command_and_torch_keeps_its_threads():
    panel, seen, threads = drawn_panel(TWO, steps=2), [], torch.get_num_threads()

    def watch(obs: torch.Tensor) -> torch.Tensor:
        seen.append(obs.clone())
        return torch.zeros(2, 12)

    play(still(2, panel), panel, watch)
    assert [obs.tolist() for obs in seen] == [commands(panel).tolist()] * 2
    assert torch.get_num_threads() == threads


def test_nothing_valid_gives_no_numbers():
    panel = drawn_panel(TWO, steps=3)
    report = panel_report(
        play(still(3, panel), panel, lambda obs: torch.full((2, 12), math.nan)),
        drawn_memberships(panel, [go1()], go1()),
        dict(PROVENANCE) | {"drawn": what_is_drawn(go1())},
    )
    assert not report.valid
    assert all(entry["value"] is None for entry in report.plain["all_cells"].values())
    assert "WARNING: 2 of 2 episodes are not valid" in report_text(report)
