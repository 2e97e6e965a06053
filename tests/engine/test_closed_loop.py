"""A policy under a log's commands: who does better is known beforehand."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cases import manifest
from own_logs import STILL
from surefoot.engines.base import load_engine
from surefoot.errors import CheckpointError, TraceError
from surefoot.manifest import Manifest
from surefoot.replay.closed_loop import METRICS, run_closed_loop, text, to_plain
from surefoot.replay.simulated import simulated_logs
from surefoot.replay.trace_run import bucket_conditions, bucket_values, replay_manifest
from surefoot.traces import Trace, TraceCard
from surefoot.traces.card import Perturbation, Segment
from surefoot.traces.header import SignalInfo
from trained import checkpoint_content

FRICTION = "randomization.factors={friction: {edges: [0.6,0.8,1.0], mode: startup}}"


@pytest.fixture(scope="module")
def task() -> Manifest:
    return manifest(*STILL, FRICTION, "randomization.bucket_by=[friction]")


@pytest.fixture(scope="module")
def standing(task: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint whose actor has no weights: it holds the default pose."""
    content = checkpoint_content(task)
    for name, value in content["actor_state_dict"].items():
        if name.endswith(("weight", "bias")):
            value.zero_()
    path = tmp_path_factory.mktemp("standing") / "model_3.pt"
    torch.save(content, path)
    return path


def stand_log(task: Manifest, command: tuple[float, float, float] = (0.0, 0.0, 0.0), seconds: float = 1.2) -> Trace:
    """A simulated robot that holds its pose, and the commands that it is said to have had."""
    ready = replay_manifest(task)
    env = load_engine("mujoco").make_env(
        ready,
        device="cpu",
        evaluation=True,
        single_steps=True,
        conditions=bucket_conditions(bucket_values(ready)[1], windows=1),
    )
    count = round(seconds / task.simulation.timestep)
    targets = np.tile(np.array(task.robot.default_joint_pos, dtype=np.float32).astype(float), (count, 1))
    log = simulated_logs(env, targets)[0]
    env.close()
    infos = {**log.header.signals, "command": SignalInfo(origin="commanded", source="test")}
    signals = {**log.signals, "command": np.tile(np.array(command), (count, 1))}
    return Trace(log.header.model_copy(update={"signals": infos}), log.stamp, signals, log.path)


def test_a_policy_that_stands_beside_a_log_that_stands(task: Manifest, standing: Path) -> None:
    """The same controller, from the same state: the same errors to a few percent, and nobody falls."""
    result = run_closed_loop(stand_log(task), standing)
    assert result.seconds == pytest.approx(1.2, abs=0.05) and result.survived.tolist() == [1, 1]
    assert len(result.labels) == 2
    for name in METRICS:
        assert np.median(result.policy[name]) == pytest.approx(result.log[name], rel=0.15, abs=0.01), name


def test_a_log_whose_joints_do_not_follow_is_beaten(task: Manifest, standing: Path) -> None:
    """Targets that drift away by 1 rad/s: 0.6 rad on average over 1.2 s."""
    log = stand_log(task)
    log.signals["q_des"][:] += log.time[:, None]
    log.signals["gyro"][:] += 1.0
    log.signals["base_lin_vel_w"][:, 0] += 1.0
    log.signals["base_quat_w"][:] = [np.cos(0.25), np.sin(0.25), 0.0, 0.0]
    result = run_closed_loop(log, standing)
    drifted = np.abs(log.signals["q_des"] - log.signals["q"]).mean()
    assert drifted > 0.6 and result.log["following"] == pytest.approx(drifted, rel=0.03)
    assert result.log["tilt"] == pytest.approx(0.5)
    assert result.passed == (result.survived == 1).all()
    assert result.better["following"] and result.better["lin_vel_error"]


def test_a_policy_that_stands_does_not_beat_a_log_that_walks(task: Manifest, standing: Path) -> None:
    """Commanded 0.5 m/s; the log has it exactly, the policy errs by 0.5."""
    log = stand_log(task, command=(0.5, 0.0, 0.0))
    log.signals["base_lin_vel_w"][:] = [0.5, 0.0, 0.0]
    result = run_closed_loop(log, standing, seconds=0.8)
    assert result.seconds == pytest.approx(0.8)
    assert result.log["lin_vel_error"] < 0.01 and not result.passed and result.better["lin_vel_error"] is False
    assert "does NOT do better" in text(result) and to_plain(result)["passed"] is False


def test_of_a_failed_run_the_commands_count_all_through_and_lying_still_is_no_merit(
    task: Manifest, standing: Path
) -> None:
    """Its card says where it failed: after 0.4 s. It does not turn at all; the policy does, by less than the margin."""
    log = stand_log(task)
    log.signals["q_des"][:] += 2.0 * log.time[:, None]
    log.signals["gyro"][:] = 0.0
    segments = (Segment(mode="policy", start=0.0, end=0.4), Segment(mode="fault", start=0.4, end=9.0, valid=False))
    completed = TraceCard.model_construct(segments=segments, outcome="completed")
    assert run_closed_loop(log, standing, card=completed).seconds == pytest.approx(0.4, abs=0.05)
    result = run_closed_loop(log, standing, card=completed.model_copy(update={"outcome": "failed"}))
    assert result.seconds == pytest.approx(1.2, abs=0.05)
    assert result.better["yaw_rate_error"] is False and result.better["following"] and result.passed


def test_a_shove_of_the_log_reaches_the_policy(task: Manifest, standing: Path) -> None:
    """1 m/s to the side after 0.4 of 1.2 s; a shove after the end is none."""
    log = stand_log(task)

    def errors(at: float) -> np.ndarray:
        shoves = (Perturbation(at=at, lin_vel=(0.0, 1.0)),)
        card = TraceCard.model_construct(outcome="failed", perturbations=shoves)
        return run_closed_loop(log, standing, card=card).policy["lin_vel_error"]

    calm = run_closed_loop(log, standing).policy["lin_vel_error"]
    assert errors(5.0).tolist() == calm.tolist()
    assert (errors(0.4) > calm + 0.1).all()


def test_what_the_log_lacks_is_not_compared(task: Manifest, standing: Path) -> None:
    log = stand_log(task)
    for name in ("base_lin_vel_w", "base_pos_w", "q_des"):
        del log.signals[name]  # pyright: ignore[reportIndexIssue]
    result = run_closed_loop(log, standing, seconds=0.4)
    assert result.better["lin_vel_error"] is None and result.better["following"] is None
    assert result.better["tilt"] is not None


def test_refusals(task: Manifest, standing: Path, tmp_path: Path) -> None:
    log = stand_log(task, seconds=0.3)
    other = Trace(log.header.model_copy(update={"robot": "unitree_go2"}), log.stamp, log.signals, log.path)
    with pytest.raises(TraceError, match="a trace of robot 'unitree_go2'"):
        run_closed_loop(other, standing)
    del log.signals["command"]  # pyright: ignore[reportIndexIssue]
    with pytest.raises(TraceError, match="mode closed_loop needs q, dq, command; missing: command"):
        run_closed_loop(log, standing)
    broken = tmp_path / "model_1.pt"
    broken.write_bytes(b"no checkpoint")
    with pytest.raises(CheckpointError):
        run_closed_loop(log, broken)
