"""Training that was interrupted and resumed equals training that ran through, bit for bit.

Isaac Lab's physics does not show its whole state: there a resumed run has the same learner, and new episodes.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import engines_here
from surefoot.audit.alerts import learning
from surefoot.audit.record.record_file import read_record
from surefoot.errors import CheckpointError
from surefoot.manifest import Manifest, compose_manifest
from surefoot.rl.runner import TrainRunner
from surefoot.rl.vec_env import SurefootVecEnv
from surefoot.runs import checkpoint
from surefoot_tasks import manifest_root

TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
SMALL = [
    "training.num_envs=64",
    "ppo.num_steps_per_env=16",
    "randomization.push.interval=[0.2,0.5]",
    "task.commands.resampling_time=[0.2,0.5]",
    "task.episode_length=1.0",
    "task.curriculum.penalty_ramp_samples=5000",
]
EVERYTHING = [
    "task.actions.delay_steps=[1,3]",
    "+task.observations.actor.terms.joint_pos.history=3",
    "+task.observations.actor.terms.base_ang_vel.delay_steps=[0,2]",
]


def manifest(overrides: list[str]) -> Manifest:
    return compose_manifest(manifest_root(), TASK, SMALL + overrides)


SAYS = {"mujoco": "continue where they stopped", "isaaclab": "All environments were reset"}
NEW_EPISODES = "All environments were reset: the run folder holds no env_state_"


def keeps_state(engine: str) -> bool:
    """Whether environments go on where they stopped."""
    return engine == "mujoco"


class Runners:
    """Builds runners, each in place of the last one."""

    def __init__(self, engine: str) -> None:
        self.engine, self._build = engine, engines_here.Builder(engine)

    def __call__(self, config: Manifest, folder: Path, num_envs: int | None = None, resumed_at: int = 0) -> TrainRunner:
        folder.mkdir(exist_ok=True)
        env = SurefootVecEnv(self._build(config, num_envs=num_envs))
        return TrainRunner(env, config, folder, resumed_at=resumed_at)

    def close(self) -> None:
        self._build.close()


@pytest.fixture
def runner(engine: str) -> Iterator[Runners]:
    built = Runners(engine)
    yield built
    built.close()


def assert_same_learner(first: Path, second: Path) -> None:
    """Weights, normalisers, optimiser moments and the torch generator are equal in both checkpoints."""
    contents = [checkpoint.load(path).content for path in (first, second)]
    flat = [dict(_leaves(content)) for content in contents]
    assert flat[0].keys() == flat[1].keys()
    different = [key for key in flat[0] if not torch.equal(flat[0][key], flat[1][key])]
    assert not different
    assert len(flat[0]) > 30


def assert_same_accounts(first: Path, second: Path) -> None:
    """Every number of every iteration, but wall-clock and memory; sums over episodes go on across the interruption."""
    one, other = read_record(first), read_record(second)
    assert one.iteration.tolist() == other.iteration.tolist() == list(range(1, 7))
    names = [name for name in one.values if not name.startswith("memory/") and not name.endswith("_seconds")]
    names.remove(learning.SECONDS)
    assert len(names) > 60 and other.values.keys() == one.values.keys()
    different = [name for name in names if not np.array_equal(one.values[name], other.values[name], equal_nan=True)]
    assert not different


def _leaves(value: object, path: str = ""):
    if isinstance(value, torch.Tensor):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{path}/{key}")
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}/{index}")


@pytest.mark.parametrize("overrides", [[], EVERYTHING], ids=["plain", "history and delays"])
def test_resumed_training_equals_uninterrupted_training(
    engine: str, runner: Runners, tmp_path: Path, overrides: list[str]
):
    config = manifest(overrides)
    if not keeps_state(engine):
        return goes_on_with_new_episodes(runner, config, tmp_path)
    runner(config, tmp_path / "through").train(6)
    runner(config, tmp_path / "resumed").train(3)

    torch.rand(17)  # whatever else happens in the process
    second = runner(config, tmp_path / "resumed", resumed_at=3)
    sentence = second.resume(checkpoint.load(tmp_path / "resumed" / "model_3.pt"))
    assert "continue where they stopped" in sentence
    second.train(6)
    assert_same_learner(tmp_path / "through" / "model_6.pt", tmp_path / "resumed" / "model_6.pt")
    return assert_same_accounts(tmp_path / "through", tmp_path / "resumed")


def goes_on_with_new_episodes(runner: Runners, config: Manifest, folder: Path) -> None:
    """The learner is the one that was saved; episodes are new ones, and the record has every iteration."""
    runner(config, folder).train(3)
    loaded = checkpoint.load(folder / "model_3.pt")
    second = runner(config, folder, resumed_at=3)
    assert second.resume(loaded).startswith(NEW_EPISODES)
    now = dict(_leaves(second.alg.save()))
    saved = {key: value for key, value in _leaves(loaded.content) if key in now}
    assert len(saved) > 30 and all(torch.equal(value, now[key]) for key, value in saved.items())
    assert (second.env.env.streams.episode == loaded.content["infos"]["episodes"] + 1).all()
    assert second.env.env.samples == 3 * 64 * 16
    second.train(6)
    assert read_record(folder).iteration.tolist() == list(range(1, 7))
    assert checkpoint.load(folder / "model_6.pt").content["infos"]["samples"] == 6 * 64 * 16


RESUME = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[3:]
import surefoot, test_resume
from surefoot.runs import checkpoint
folder = Path(sys.argv[1])
second = test_resume.Runners(sys.argv[2])(test_resume.manifest([]), folder)
print(second.resume(checkpoint.load(folder / "model_2.pt")))
second.train(4)
"""


def test_resume_in_another_process(engine: str, runner: Runners, tmp_path: Path):
    config = manifest([])
    if keeps_state(engine):
        runner(config, tmp_path / "through").train(4)
    runner(config, tmp_path / "resumed").train(2)
    path = [str(Path(__file__).parent), *sys.path]
    command = [sys.executable, "-c", RESUME, str(tmp_path / "resumed"), engine, *path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    if not keeps_state(engine):
        assert NEW_EPISODES in done.stdout and (tmp_path / "resumed" / "model_4.pt").is_file()
        return
    assert_same_learner(tmp_path / "through" / "model_4.pt", tmp_path / "resumed" / "model_4.pt")


def test_without_the_environment_state_all_environments_are_reset_and_the_run_says_so(
    engine: str, runner: Runners, tmp_path: Path
):
    config = manifest([])
    runner(config, tmp_path).train(1)
    loaded = checkpoint.load(tmp_path / "model_1.pt")
    env_state = checkpoint.env_state_path(tmp_path, 1)

    other_size = runner(config, tmp_path, num_envs=32)
    assert "All environments were reset" in other_size.resume(loaded)
    assert other_size.env.env.samples == 64 * 16  # the curriculum goes on from where it was
    had = loaded.content["infos"]["episodes"]
    assert (other_size.env.env.streams.episode == had.max() + 1).all()  # nobody's draws are repeated
    refusal = "does not fit" if keeps_state(engine) else "engine 'isaaclab' cannot restore"
    with pytest.raises(CheckpointError, match=refusal):
        other_size.env.env.load_state_dict(checkpoint.read(env_state)["env"] if keeps_state(engine) else {})

    env_state.write_bytes(b"broken")
    same_size = runner(config, tmp_path)
    assert "All environments were reset" in same_size.resume(loaded)
    assert torch.equal(same_size.env.env.streams.episode, had + 1)
    env_state.unlink()
    assert "All environments were reset" in runner(config, tmp_path).resume(loaded)

    checkpoint.save({"iter": 1}, env_state)  # an environment state in name only
    assert "All environments were reset: " in runner(config, tmp_path).resume(loaded)


def test_killed_between_environment_state_and_checkpoint_the_run_continues_from_the_checkpoint_before(
    engine: str, runner: Runners, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = manifest(["training.save_interval=1"])
    replace = os.replace

    def killed(temporary: str, path: Path) -> None:
        if path.name == "model_2.pt":
            raise KeyboardInterrupt
        replace(temporary, path)

    with monkeypatch.context() as patch:
        patch.setattr("surefoot.files.os.replace", killed)
        with pytest.raises(KeyboardInterrupt):
            runner(config, tmp_path).train(2)
    states = {path.name for path in tmp_path.glob("env_state*")}
    assert states == ({"env_state_1.pt", "env_state_2.pt"} if keeps_state(engine) else set())

    second = runner(config, tmp_path, resumed_at=1)
    assert SAYS[engine.partition(":")[0]] in second.resume(checkpoint.load(tmp_path / "model_1.pt"))
    second.train(3)
    assert [path.name for path in tmp_path.glob("env_state*")] == ["env_state_3.pt"] * keeps_state(engine)


def test_what_is_watched_may_change_and_the_environments_go_on(engine: str, runner: Runners, tmp_path: Path):
    """The command that a run prints when an alert stops it."""
    runner(manifest([]), tmp_path).train(1)
    second = runner(manifest(["audit.actions.too_many_faults=log"]), tmp_path, resumed_at=1)
    assert SAYS[engine.partition(":")[0]] in second.resume(checkpoint.load(tmp_path / "model_1.pt"))


def test_a_checkpoint_knows_every_manifest_that_it_was_trained_with(runner: Runners, tmp_path: Path):
    """What a policy saw before its manifest was changed is not held out from it."""
    wide = manifest(["randomization.factors.friction.edges=[0.1,1.2]"])
    runner(wide, tmp_path).train(1)
    for iteration, config in ((1, manifest([])), (2, manifest([])), (3, wide)):
        again = runner(config, tmp_path, resumed_at=iteration)
        again.resume(checkpoint.load(tmp_path / f"model_{iteration}.pt"))
        again.train(iteration + 1)
    assert checkpoint.load(tmp_path / "model_1.pt").earlier == ()
    for iteration, now, before in ((2, manifest([]), wide), (3, manifest([]), wide), (4, wide, manifest([]))):
        loaded = checkpoint.load(tmp_path / f"model_{iteration}.pt")
        assert [known.sha256 for known in loaded.trained_on] == [before.sha256, now.sha256]


@pytest.mark.parametrize("earlier", ["not a list", ["{}"], [7]])
def test_a_damaged_list_of_earlier_manifests_is_refused(runner: Runners, tmp_path: Path, earlier: object):
    runner(manifest([]), tmp_path).train(1)
    content = checkpoint.read(tmp_path / "model_1.pt")
    content["infos"]["earlier_manifests"] = earlier
    checkpoint.save(content, tmp_path / "model_1.pt")
    with pytest.raises(CheckpointError, match=r"earlier_manifests|manifest inside"):
        checkpoint.load(tmp_path / "model_1.pt")


@pytest.mark.parametrize(("overrides", "expected"), [([], 5e-4), (["ppo.learning_rate=1e-4"], 1e-4)])
def test_a_changed_learning_rate_is_taken_and_an_unchanged_one_goes_on(
    runner: Runners, tmp_path: Path, overrides: list[str], expected: float
):
    first = runner(manifest([]), tmp_path)
    first.train(1)
    loaded = checkpoint.load(tmp_path / "model_1.pt")
    for group in loaded.content["optimizer_state_dict"]["param_groups"]:
        group["lr"] = 5e-4  # where the schedule had led
    second = runner(manifest(overrides), tmp_path, resumed_at=1)
    second.resume(loaded)
    assert second.alg.learning_rate == expected
    assert {group["lr"] for group in second.alg.optimizer.param_groups} == {expected}
