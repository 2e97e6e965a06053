"""What the command line may and may not say."""

import pytest

from surefoot.errors import ManifestError, UnknownName
from surefoot.manifest import Manifest, compose_manifest, override_manifest
from surefoot.manifest.origin import Source
from surefoot_tasks import manifest_root

GO1_FLAT = "Surefoot-Velocity-Flat-Unitree-Go1-v0"

REFUSED = [
    # unknown keys, with the nearest one
    ("ppo.gama=0.9", ["ppo.gama", "Did you mean 'gamma'?"]),
    ("task.rewards.torqes.weight=-1", ["task.rewards", "'torqes'", "Did you mean 'torques'?", "write +task.rewards"]),
    ("+task.rewards.torques.wieght=-1", ["task.rewards.torques.wieght", "unknown key", "Did you mean 'weight'?"]),
    ("robot.joints.0.stifness=1", ["robot.joints.0", "'stifness'", "Did you mean 'stiffness'?"]),
    ("+robot.contact_models.lean.colide=[feet]", ["robot.contact_models.lean.colide", "Did you mean 'collide'?"]),
    (
        "+randomization.factors.terain.edges=[0,1]",
        ["no key 'terain'", "To add an entry write +randomization.factors.terain={KEY: VALUE, ...}"],
    ),
    ("randomization.factors.grip=1", ["To add an entry write +randomization.factors.grip=..."]),
    ("audit.length_bins=1001", ["audit.length_bins", "less than or equal to 1000", "got 1001"]),
    ("hydra.run.dir=/tmp", ["no key 'hydra'"]),
    # indices
    ("robot.joints.12.stiffness=1", ["a list of 12", "0 to 11", "'12'"]),
    ("robot.joints.FR.stiffness=1", ["a list of 12", "'FR'"]),
    ("seed.x=1", ["seed is the value 1 and has no keys"]),
    # values
    ("training.num_envs=0", ["training.num_envs", "greater than 0", "got 0"]),
    ("training.num_envs=-4", ["greater than 0", "got -4"]),
    ("training.num_envs=1000001", ["at most 1000000", "got 1000001"]),
    ("training.num_envs=12.5", ["valid integer", "got 12.5"]),
    ("training.num_envs=true", ["valid integer", "got True"]),
    ("ppo.gamma='0.9'", ["valid number", "got '0.9'"]),
    ("ppo.gamma=2", ["less than or equal to 1", "got 2"]),
    ("ppo.gamma=nan", ["ppo.gamma", "finite", "got nan"]),
    ("ppo.gamma=inf", ["ppo.gamma", "finite", "got inf"]),
    ("task.commands.lin_vel_x=[nan,1.0]", ["task.commands.lin_vel_x.0", "finite"]),
    ("task.commands.lin_vel_x=[1,-1]", ["low <= high", "[1.0, -1.0]"]),
    ("task.commands.resampling_time=[0,1]", ["low > 0"]),
    ("task.actions.delay_steps=[2,1]", ["low <= high"]),
    ("task.actions.delay_steps=[-1,1]", ["min >= 0"]),
    ("training.logger=tensorbord", ["'tensorboard', 'wandb' or 'none'", "got 'tensorbord'"]),
    ("seed=-1", ["seed", "greater than or equal to 0"]),
    ("name=../outside", ["name", "pattern"]),
    ("~ppo.gamma", ["ppo.gamma", "missing key"]),
    # grammar
    ("ppo.gamma", ["not an override", "key=value"]),
    ("ppo.gamma=0.9,0.8", ["several values"]),
    # between sections
    ("simulation.contact_model=leen", ["simulation.contact_model", "'leen'", "Did you mean 'lean'?"]),
    ("task.gait.foot_phase=[0.0,0.5]", ["task.gait.foot_phase", "4 feet", "got 2"]),
    ("task.episode_length=0.001", ["task.episode_length", "one control step of 0.02 s"]),
    ("ppo.learning_rate=1.0", ["ppo.learning_rate", "at most ppo.max_learning_rate"]),
    ("ppo.critic.hidden_dims=[64,33]", ["ppo.critic.hidden_dims", "even numbers"]),
    ("robot.joints.0.default_pos=0.2", ["robot.joints.0.default_pos", "mirror image of 'FL_hip_joint'"]),
    ("robot.joints.0.saturation_effort=23.6", ["robot.joints.0.saturation_effort", "at least effort_limit, 23.7 N m"]),
    ("robot.motors=dcmotor", ["robot.motors", "'implicit_pd' or 'dc_motor'", "got 'dcmotor'"]),
    ("robot.joints.0.mirror=FR_hipp", ["robot.joints.0.mirror", "does not exist"]),
    ("robot.contact_models.lean.collide=[base]", ["robot.contact_models.lean.collide", "expected feet"]),
]


@pytest.mark.parametrize(("override", "expected"), REFUSED, ids=[override for override, _ in REFUSED])
def test_bad_override_is_refused_with_the_command_line_and_the_key(
    go1_manifest: Manifest, override: str, expected: list[str]
) -> None:
    with pytest.raises(ManifestError) as caught:
        override_manifest(go1_manifest, [override], Source(root=manifest_root(), task=GO1_FLAT, overrides=(override,)))
    message = str(caught.value)
    assert message.startswith("command line: ")
    for part in expected:
        assert part in message


def test_two_problems_give_two_lines(go1_manifest: Manifest) -> None:
    with pytest.raises(ManifestError) as caught:
        override_manifest(go1_manifest, ["ppo.gamma=2", "training.num_envs=0"])
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("simulation=ful", "command line: simulation=ful: simulation option 'ful' not found. Did you mean 'full'?"),
        ("name=Other", f"command line: name: expected '{GO1_FLAT}', as the task's file is called, got 'Other'"),
        ("ppo.gama=1", "command line: ppo.gama: ppo has no key 'gama'. Did you mean 'gamma'?"),
    ],
)
def test_a_task_is_refused_a_bad_override(override: str, expected: str) -> None:
    with pytest.raises(ManifestError) as caught:
        compose_manifest(manifest_root(), GO1_FLAT, [override])
    assert str(caught.value) == expected


def test_unknown_task_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match=f"Did you mean '{GO1_FLAT}'"):
        compose_manifest(manifest_root(), "Surefoot-Velocty-Flat-Unitree-Go1-v0")


def test_overrides_change_what_they_name(go1_manifest: Manifest) -> None:
    changed = compose_manifest(
        manifest_root(),
        GO1_FLAT,
        ["seed=7", "robot.joints.2.damping=0.75", "task.observations.actor.terms.joint_pos.scale=2.0"],
    )
    assert changed.seed == 7
    assert changed.robot.joints[2].damping == 0.75
    assert changed.task.observations.actor.terms["joint_pos"].scale == 2.0  # the files leave it at its default of 1
    assert changed.ppo == go1_manifest.ppo


def test_group_option_replaces_the_file_and_later_values_apply_to_it() -> None:
    changed = compose_manifest(manifest_root(), GO1_FLAT, ["simulation.impratio=3.0", "simulation=full"])
    assert changed.simulation.contact_model == "full"
    assert changed.simulation.impratio == 3.0


def test_entries_can_be_added_and_dropped() -> None:
    changed = compose_manifest(
        manifest_root(), GO1_FLAT, ["+task.rewards.alive={func: is_alive, weight: 0.5}", "~task.rewards.upright"]
    )
    assert changed.task.rewards["alive"].weight == 0.5
    assert "upright" not in changed.task.rewards


def test_a_runs_manifest_takes_values_but_no_groups(go1_manifest: Manifest) -> None:
    assert override_manifest(go1_manifest, ["training.max_iterations=3"]).training.max_iterations == 3
    with pytest.raises(ManifestError, match="command line: simulation"):
        override_manifest(go1_manifest, ["simulation=full"])  # the files are not consulted
    with pytest.raises(ManifestError, match="Did you mean 'max_iterations'"):
        override_manifest(go1_manifest, ["training.max_iteration=3"])


def test_a_manifest_is_frozen(go1_manifest: Manifest) -> None:
    with pytest.raises(ValueError, match="frozen"):
        go1_manifest.seed = 2  # pyright: ignore[reportAttributeAccessIssue]
