"""Gains that a log has of its own, sample by sample."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from own_logs import task, trot
from surefoot.engines.base import load_engine
from surefoot.manifest import Manifest
from surefoot.replay.replay_modes import Mode
from surefoot.replay.simulated import LoggedGains, simulated_logs
from surefoot.replay.trace_run import bucket_conditions, bucket_values, replay_manifest, run_replay
from surefoot.traces import Trace, TraceCard

FRICTION = ("friction", "[0.8,0.8]")


def gains_of(plain: Manifest, count: int, kp: tuple[float, float], kd: tuple[float, float]) -> LoggedGains:
    """Factors on the robot's gains, another one from the middle of the log on, and a torque of 1 N m on each hip."""
    half = np.arange(count)[:, None] >= count // 2
    stiffness, damping = (
        np.array([getattr(joint, name) for joint in plain.robot.joints]) * np.where(half, after, before)
        for name, (before, after) in (("stiffness", kp), ("damping", kd))
    )
    torque = np.zeros((count, 12))
    torque[count // 4 :, ::3] = 1.0
    return LoggedGains(*(part.astype(np.float32).astype(float) for part in (stiffness, damping, torque)))


def log_of(plain: Manifest, gains: LoggedGains, targets: NDArray[np.float64], **planted: float) -> Trace:
    ready = replay_manifest(plain)
    values = bucket_values(ready)[1]
    each = {name: np.full(1, planted.get(name, column[0])) for name, column in values.items()}
    env = load_engine("mujoco").make_env(
        ready, device="cpu", evaluation=True, single_steps=True, conditions=bucket_conditions(each, windows=1)
    )
    try:
        delay = torch.tensor(each["control_delay"]).long()
        return simulated_logs(env, targets, delay=delay, gains=gains)[0]
    finally:
        env.close()


def without(trace: Trace, *names: str) -> Trace:
    """The log of somebody who did not record these."""
    return Trace(trace.header, trace.stamp, {k: v for k, v in trace.signals.items() if k not in names}, trace.path)


@pytest.mark.parametrize("mode", ["open_loop", "actuator", "torque"])
def test_gains_that_change_halfway_leave_no_gap(mode: Mode) -> None:
    """Softer, then stiffer than the robot's; without the record of it the gap is a hundred thousand times that."""
    plain = task(*FRICTION)
    targets = trot(plain)
    log = log_of(plain, gains_of(plain, len(targets), kp=(0.7, 1.5), kd=(1.5, 0.6)), targets)
    result = run_replay(log, plain, mode=mode, horizon=0.2)
    assert len(result.windows) == 5 and result.gap.scores[0] < 1e-5
    if mode != "torque":
        assert run_replay(without(log, "kp", "kd"), plain, mode=mode, horizon=0.2).gap.scores[0] > 0.05
        assert run_replay(without(log, "tau_ff"), plain, mode=mode, horizon=0.2).gap.scores[0] > 0.01


def test_gains_and_targets_are_late_together() -> None:
    delayed = task("control_delay", "[0,1,2,3]")
    targets = trot(delayed)
    log = log_of(delayed, gains_of(delayed, len(targets), (0.7, 1.5), (1.5, 0.6)), targets, control_delay=2.0)
    scores = run_replay(log, delayed, mode="open_loop", horizon=0.2).gap.scores
    assert scores[2] < 1e-5 and scores[:2].min() > 0.005


def test_factors_act_on_the_gains_of_the_log() -> None:
    """A log whose motors were stiffer than the gains that it records: the bucket says by how much."""
    stiff = task("stiffness", "[0.7,0.9,1.1,1.3]")
    targets = trot(stiff)
    gains = gains_of(stiff, len(targets), (0.8, 1.3), (1.0, 1.0))
    stiffer = LoggedGains((gains.stiffness * 1.2).astype(np.float32).astype(float), gains.damping, gains.torque * 1.2)
    log = log_of(stiff, stiffer, targets)
    said = dict(log.signals) | {"kp": gains.stiffness, "tau_ff": gains.torque}
    result = run_replay(Trace(log.header, log.stamp, said), stiff, mode="open_loop", horizon=0.2)
    assert result.evidence.best == 2 and result.gap.scores[2] < 1e-4 and result.gap.scores[1] > 0.05


def test_a_motor_without_stiffness_gets_its_torque_all_the_same() -> None:
    """Damping, and torques that the host computed from the law: the same motion as by stiffness."""
    plain = task(*FRICTION)
    targets = trot(plain)
    robot = plain.robot
    log = log_of(plain, gains_of(plain, len(targets), (1.0, 1.0), (1.0, 1.0)), targets)
    kd = np.broadcast_to([joint.damping for joint in robot.joints], targets.shape)
    law = log.signals["tau"] + kd * log.signals["dq"]
    said = dict(log.signals) | {"kp": np.zeros_like(targets), "kd": kd, "tau_ff": law, "q_des": np.zeros_like(targets)}
    result = run_replay(Trace(log.header, log.stamp, said), plain, mode="open_loop", horizon=0.2)
    assert result.gap.scores[0] < 1e-4


def test_samples_without_gains_are_left_out() -> None:
    plain = task(*FRICTION)
    targets = trot(plain)
    log = log_of(plain, gains_of(plain, len(targets), (0.7, 1.5), (1.0, 1.0)), targets)
    log.signals["kp"][100] = np.nan
    result = run_replay(log, plain, mode="open_loop", horizon=0.2)
    assert result.windows.dropped == {"missing samples": 1} and result.gap.scores[0] < 1e-5


def card_of(log: Trace, plain: Manifest, segments: list[dict[str, Any]]) -> TraceCard:
    return TraceCard.model_validate_json(
        TraceCard.model_construct(
            schema_version=1,
            name="case",
            title="A case",
            robot=plain.robot.name,
            source={"repository": "a test"},
            licence="MIT",
            data={"file": "case.csv", "sha256": "0" * 64, "profile": "go2_columns"},
            rates_hz={"log": 200.0},
            torque="simulated",
            segments=segments,
        ).model_dump_json(warnings=False)
    )


def test_segments_with_gains_of_their_own_are_replayed_with_them() -> None:
    """The same gains in a card: damping is replayed where its gains are known, and left out where not."""
    plain = task(*FRICTION)
    targets = trot(plain)
    joint = plain.robot.joints[0]
    halves = np.where(np.arange(len(targets))[:, None] < len(targets) // 2, joint.stiffness, 0.0)
    gains = LoggedGains(np.maximum(halves, 1e-6), np.full_like(targets, joint.damping), np.zeros_like(targets))
    log = without(log_of(plain, gains, targets), "kp", "kd", "tau_ff")
    half = float(log.time[-1]) / 2 + 0.5 * log.step

    def stated(stiffness: float) -> dict[str, Any]:
        kp = {"value": stiffness, "unit": "N m/rad", "known_by": "stated"}
        return {"stiffness": kp, "damping": {"value": joint.damping, "unit": "N m s/rad", "known_by": "stated"}}

    policy = {"mode": "policy", "start": 0.0, "end": half}
    damping = {"mode": "damping", "start": half, "end": 10.0}
    unknown = run_replay(log, plain, mode="open_loop", horizon=0.2, card=card_of(log, plain, [policy, damping]))
    known = run_replay(
        log, plain, mode="open_loop", horizon=0.2,
        card=card_of(log, plain, [policy | {"gains": stated(joint.stiffness)}, damping | {"gains": stated(0.0)}]),
    )  # fmt: skip
    assert len(unknown.windows) == 3 and unknown.windows.dropped == {"segment": 2}
    assert len(known.windows) == 5 and known.gap.scores[0] < 1e-4
