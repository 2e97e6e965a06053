"""Real training with planted defects: each must be found, within the stated number of iterations, and nothing else."""

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import engines_here
from surefoot.audit.record.record import read_alerts
from surefoot.audit.record.record_file import FILE_NAME, read_record
from surefoot.engines.step import PhysicalState
from surefoot.errors import AlertStop, EngineError
from surefoot.manifest import Manifest, compose_manifest, write_manifest
from surefoot.rl.fault_replay import replay
from surefoot.rl.runner import TrainRunner
from surefoot.rl.vec_env import SurefootVecEnv
from surefoot_tasks import manifest_root

TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
Sabotage = Callable[[Any], None]


LONG = {"mujoco": 300, "isaaclab": 30}
"""Iterations without an alert; Isaac Lab's physics is not a thread pool here."""


@pytest.fixture(autouse=True)
def _own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # MuJoCo writes its warnings to a file in the working directory


def nothing(env: Any) -> None:
    """A clean run."""


class TrainedRun:
    def __init__(
        self, build: engines_here.Builder, folder: Path, sabotage: Sabotage, *overrides: str, num_envs: int = 64
    ) -> None:
        self.folder = folder
        self.manifest: Manifest = compose_manifest(
            manifest_root(), TASK, [f"training.num_envs={num_envs}", "training.save_interval=1000", *overrides]
        )
        write_manifest(self.manifest, folder)
        self.env = build(self.manifest)
        sabotage(self.env)
        self.runner = TrainRunner(SurefootVecEnv(self.env), self.manifest, folder)

    def train(self, iterations: int) -> list[dict[str, Any]]:
        self.runner.train(iterations)
        return read_alerts(self.folder)

    def train_to_stop(self, iterations: int) -> list[dict[str, Any]]:
        """Alerts up to the first one whose action is `stop`; there must be one."""
        with pytest.raises(AlertStop):
            self.runner.train(iterations)
        return read_alerts(self.folder)


def patch(term: Any, change: Callable[[Tensor, Any], Tensor]) -> None:
    """Replace what one term of a manager gives."""
    original = term.func
    term.func = lambda env, **params: change(original(env, **params), env)


def before_each_step(env: Any, action: Callable[[], None]) -> None:
    """Do something to the simulator whenever a control step begins."""
    step = env.step

    def sabotaged(actions: Tensor) -> Any:
        action()
        return step(actions)

    env.step = sabotaged


def write_joint_velocity(env: Any, rows: list[int], value: float) -> None:
    """Let the second joint of some robots have this velocity, rad/s."""
    read, env_ids = env.robot_state.read, torch.tensor(rows)
    base = {name: read(f"base_{name}")[env_ids].clone() for name in ("pos_w", "quat_w", "lin_vel_w", "ang_vel_b")}
    velocity = read("joint_vel")[env_ids].clone()
    velocity[:, 1] = value
    env.write_state(env_ids, PhysicalState(**base, joint_pos=read("joint_pos")[env_ids].clone(), joint_vel=velocity))
    env.robot_state.invalidate()


def kinds(alerts: list[dict[str, Any]]) -> set[str]:
    return {alert["kind"] for alert in alerts}


def test_a_clean_run_raises_no_alert(engine: str, make_env: engines_here.Builder, tmp_path: Path) -> None:
    run, iterations = TrainedRun(make_env, tmp_path, nothing), LONG[engine.partition(":")[0]]
    assert run.train(iterations) == []
    table = read_record(tmp_path / FILE_NAME)
    assert len(table.values["run/samples"]) == iterations
    assert table.values["run/samples"][-1] == iterations * 64 * 12
    assert table.values["fault/invalid_steps"].sum() == 0
    assert (table.values["reward/residual"] < 1e-5).all()


def test_one_poisoned_environment_in_256_does_not_stop_the_run(
    engine: str, make_env: engines_here.Builder, tmp_path: Path
) -> None:
    """A part of its state or its mass is not a number, so every step of it breaks, whatever is reset."""

    def poison(env: Any) -> None:
        if engine == "mujoco":
            env.sim.expanded_views["body_mass"][100] = math.nan
        else:
            before_each_step(env, lambda: write_joint_velocity(env, [100], math.nan))

    run = TrainedRun(make_env, tmp_path, poison, num_envs=256)
    alerts = run.train(4)
    assert kinds(alerts) - {"factor_value"} == {"fault"} and {alert["iteration"] for alert in alerts} == {1}
    table = read_record(tmp_path / FILE_NAME)
    assert table.values["fault/invalid_steps"].tolist() == [12.0] * 4  # one environment, all steps of it
    algorithm = run.runner.alg
    for network in (algorithm.actor, algorithm.critic):
        assert all(torch.isfinite(value).all() for value in network.state_dict().values())
    assert all(math.isfinite(value) for value in algorithm.diagnostics.values())
    assert algorithm.actor.obs_normalizer.count > 0


def test_too_many_faults_end_the_run_with_the_reason_and_a_dump_that_replays_them(
    engine: str, make_env: engines_here.Builder, tmp_path: Path
) -> None:
    def explode(env: Any) -> None:
        before_each_step(env, lambda: write_joint_velocity(env, [3, 9], 3.0e4))

    run = TrainedRun(make_env, tmp_path, explode)
    with pytest.raises(AlertStop, match=r"too_many_faults \(all\): 3\.12% of the steps are invalid, limit 2\.00%"):
        run.train(5)
    assert run.runner.iterations_done == 1
    assert (tmp_path / "model_1.pt").is_file()
    if engine != "mujoco":  # it does not keep what faults could be replayed from
        assert not list(tmp_path.glob("faults_*"))
        return
    faults = replay(tmp_path / "faults_1.pt")
    assert [fault.env_id for fault in faults[:4]] == [3, 9, 3, 9]
    assert all(fault.recorded and fault.replayed == fault.recorded for fault in faults)
    script = Path(__file__).parents[2] / "scripts" / "replay_faults.py"
    shown = subprocess.run([sys.executable, str(script), "faults_1.pt"], capture_output=True, text=True, check=True)
    assert f"{len(faults)} of {len(faults)} came again" in shown.stdout


def test_a_simulator_that_raises_leaves_a_checkpoint_and_the_faults(
    engine: str, make_env: engines_here.Builder, tmp_path: Path
) -> None:
    run = TrainedRun(make_env, tmp_path, nothing)
    physics, calls = run.env.advance_physics, iter(range(10**6))

    def advance() -> None:
        if next(calls) >= 2 * 12:  # from the third iteration on
            raise RuntimeError("planted")
        physics()

    run.env.advance_physics = advance
    dump = r".*faults_3\.pt" if engine == "mujoco" else ""
    with pytest.raises(EngineError, match=rf"(?s)Iteration 3 could not be finished.*planted{dump}.*model_2\.pt"):
        run.train(5)
    assert (tmp_path / "model_2.pt").is_file()
    assert (tmp_path / "faults_3.pt").is_file() == (engine == "mujoco")
    assert read_record(tmp_path).iteration.tolist() == [1, 2]


def test_a_nan_reward_is_found_in_the_first_iteration(make_env: engines_here.Builder, tmp_path: Path) -> None:
    def plant(env: Any) -> None:
        def sometimes(value: Tensor, _: Any) -> Tensor:
            return torch.where(torch.arange(len(value)) == int(env.common_step_counter) % 640, math.nan, value)

        patch(env.reward_manager.get_term_cfg("gait"), sometimes)

    alerts = TrainedRun(make_env, tmp_path, plant).train(2)
    assert [(alert["kind"], alert["subject"], alert["iteration"]) for alert in alerts] == [("fault", "reward", 1)]


def test_a_sign_error_is_found_in_the_first_iteration(make_env: engines_here.Builder, tmp_path: Path) -> None:
    alerts = TrainedRun(make_env, tmp_path, nothing, "task.rewards.torques.weight=0.0002").train(2)
    assert [(alert["kind"], alert["subject"], alert["iteration"]) for alert in alerts] == [
        ("reward_sign", "torques", 1)
    ]


def test_synchronised_resets_are_found_when_they_happen(make_env: engines_here.Builder, tmp_path: Path) -> None:
    """All episodes start together and last 0.5 s: 25 steps, so the third iteration of 12 has the first end."""
    alerts = TrainedRun(
        make_env, tmp_path, nothing, "task.resets.randomize_episode_start=false", "task.episode_length=0.5"
    ).train(4)
    assert ("synchronised_resets", 3) in [(alert["kind"], alert["iteration"]) for alert in alerts]


def test_a_term_shared_by_all_environments_is_found(make_env: engines_here.Builder, tmp_path: Path) -> None:
    """The classic `mean()` over the batch."""

    def plant(env: Any) -> None:
        patch(env.reward_manager.get_term_cfg("torques"), lambda value, _: value.mean().expand_as(value))

    alerts = TrainedRun(make_env, tmp_path, plant).train(12)
    found = [(alert["kind"], alert["subject"]) for alert in alerts]
    # It is neither a term of each environment nor what the manifest says.
    assert set(found) == {("constant_term", "torques"), ("reward_term", "torques")}


def test_a_term_that_pays_for_standing_still_is_found(make_env: engines_here.Builder, tmp_path: Path) -> None:
    """Tracking looks at the speed instead of its difference from the command."""

    def plant(env: Any) -> None:
        def speed(value: Tensor, _: Any) -> Tensor:
            return torch.exp(-env.robot_state.read("base_lin_vel_yaw")[:, :2].square().sum(dim=1) / 0.01)

        patch(env.reward_manager.get_term_cfg("track_lin_vel_xy"), speed)

    overrides = ("task.rewards.track_lin_vel_xy.weight=10", "audit.actions.standing_pays=stop")
    alerts = TrainedRun(make_env, tmp_path, plant, *overrides, num_envs=256).train_to_stop(40)
    assert ("standing_pays", "track_lin_vel_xy") in [(alert["kind"], alert["subject"]) for alert in alerts]


def test_a_leaked_observation_is_found_within_sixty_iterations(make_env: engines_here.Builder, tmp_path: Path) -> None:
    """An observation function that returns the base's linear velocity, which no robot measures."""

    def plant(env: Any) -> None:
        terms = env.observation_manager._group_obs_term_cfgs["actor"]
        names = env.observation_manager._group_obs_term_names["actor"]
        gravity = terms[names.index("projected_gravity")]
        patch(gravity, lambda value, _: 3.0 * env.robot_state.read("base_lin_vel_b") + 1.0)

    alerts = TrainedRun(make_env, tmp_path, plant).train(60)
    # A column that is not its own field any more is told by the second look too.
    assert kinds(alerts) == {"observation_leak", "observation_value", "observation_noise"}
    leaks = {alert["subject"] for alert in alerts if alert["kind"] == "observation_leak"}
    assert leaks == {f"projected_gravity[{axis}]" for axis in range(3)}
    assert all("projected_gravity" in alert["subject"] for alert in alerts)


def test_an_exploitable_bucket_is_found(make_env: engines_here.Builder, tmp_path: Path) -> None:
    """Robots on the slipperiest ground are paid twice what the others get, and all of them for nothing."""

    def plant(env: Any) -> None:
        slippery = env.buckets.values["friction"] < 0.6
        patch(env.reward_manager.get_term_cfg("gait"), lambda value, _: 10.0 + 10.0 * slippery)

    whole_episodes = (
        "task.episode_length=1.0",
        "task.terminations.tilted.params.limit_angle=3.14",
        "task.terminations.base_contact.func=bad_orientation",
        "+task.terminations.base_contact.params.limit_angle=3.14",
        "audit.actions.bucket_exploitation=stop",
    )
    alerts = TrainedRun(make_env, tmp_path, plant, *whole_episodes, num_envs=96).train_to_stop(40)
    found = [alert for alert in alerts if alert["kind"] == "bucket_exploitation"]
    assert found and "friction 0.4-0.6" in found[0]["subject"]


def test_pause_waits_for_somebody(make_env: engines_here.Builder, tmp_path: Path) -> None:
    """The file is deleted while the run waits; it then goes on to the end."""
    run = TrainedRun(
        make_env, tmp_path, nothing, "task.rewards.torques.weight=0.0002", "audit.actions.reward_sign=pause"
    )
    waited: list[str] = []

    def release(seconds: float) -> None:
        waited.append((tmp_path / "PAUSED").read_text())
        (tmp_path / "PAUSED").unlink()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("surefoot.jobs.reactions.time.sleep", release)
        run.train(3)
    assert len(waited) == 1 and "iteration 1: reward_sign (torques)" in waited[0]
    assert run.runner.iterations_done == 3
    assert (tmp_path / "model_1.pt").is_file() and (tmp_path / "model_3.pt").is_file()
