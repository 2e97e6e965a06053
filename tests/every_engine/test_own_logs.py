"""A log that an engine wrote itself, replayed on it: nothing is left of the gap, in any mode."""

from pathlib import Path

import numpy as np
import pytest
import torch

import engines_here
import own_logs
from own_logs import logs_of, task, trot
from surefoot.machine import Machine
from surefoot.manifest import Manifest, override_manifest
from surefoot.replay.closed_loop import METRICS, run_closed_loop
from surefoot.replay.gap_report import text, to_plain
from surefoot.replay.replay_modes import Mode
from surefoot.replay.trace_run import run_replay
from surefoot.traces import Trace
from surefoot.traces.header import SignalInfo
from trained import checkpoint_content


@pytest.fixture(scope="module")
def contacts(engine: str) -> str:
    return engines_here.contacts(engine)


@pytest.fixture(scope="module")
def nothing(engine: str) -> float:
    return own_logs.nothing(engine)


@pytest.fixture(scope="module")
def loaded(contacts: str) -> Manifest:
    return task("payload_mass", "[-1,1,3]", contacts)


@pytest.fixture(scope="module")
def log(engine: str, loaded: Manifest) -> Trace:
    return logs_of(loaded, trot(loaded), engine, payload_mass=[2.0])[0]


@pytest.mark.parametrize("mode", ["open_loop", "actuator", "torque"])
def test_a_log_has_gap_zero_in_its_own_bucket(
    engine: str, mode: Mode, loaded: Manifest, log: Trace, nothing: float
) -> None:
    """The other bucket is far from it."""
    result = run_replay(log, loaded, mode=mode, machine=Machine(engine), horizon=0.2)
    assert len(result.windows) == 5 and result.evidence.best == 1
    other = 0.005 if mode == "actuator" else 0.05
    # Logged torques lead away from the log by themselves: they do not correct what the first steps lacked.
    assert result.gap.scores[1] < (0.7 if mode == "torque" and own_logs.remembers_contacts(engine) else nothing)
    assert result.gap.scores[0] > (1.2 * result.gap.scores[1] if own_logs.remembers_contacts(engine) else other)
    assert result.broken == 0 and result.persistence > 0.5
    if mode == "actuator":  # the base is held: what its IMU feels is not known
        assert "acc" in result.gap.absent
    else:
        exact = not own_logs.remembers_contacts(engine)
        assert not exact or result.gap.nrmse["acc"][1].max() < 100 * nothing
        assert not exact or result.gap.nrmse["acc"][0].min() > 0.02


@pytest.mark.parametrize("mode", ["open_loop", "actuator"])
def test_feet_land_and_lift_off_when_the_log_says(engine: str, mode: Mode, contacts: str, nothing: float) -> None:
    """Contact that the log has 20 ms late is late by that much in the report, the rest of it unchanged."""
    payload = task("payload_mass", "[1,3]", contacts)
    (log,) = logs_of(payload, trot(payload, seconds=2.2), engine, payload_mass=[2.0])
    steps = round(0.02 / payload.simulation.timestep)
    shifted = dict(log.signals) | {"foot_contact": np.roll(log.signals["foot_contact"], steps, axis=0)}
    for told, late in ((log, 0.0), (Trace(log.header, log.stamp, shifted, log.path), 0.02)):
        result = run_replay(told, payload, mode=mode, machine=Machine(engine), horizon=0.5)
        assert result.gap.scores[0] < nothing and result.contact.source == "foot_contact"
        if own_logs.remembers_contacts(engine):
            assert np.median(result.contact.errors) == pytest.approx(-late, abs=1.01 * payload.simulation.timestep)
            continue
        assert result.contact.errors == pytest.approx(-late, abs=1e-9)
        assert len(result.contact.errors) >= 10 and result.contact.unmatched == 0
        assert f"events {round(-1e3 * late):+d} ms after the log's" in text(to_plain(result))


def test_a_delay_is_found_to_the_physics_step(engine: str, contacts: str, nothing: float) -> None:
    delayed = task("control_delay", "[0,1,2,3,4]", contacts)
    (late,) = logs_of(delayed, trot(delayed), engine, control_delay=[2.0])
    scores = run_replay(late, delayed, mode="open_loop", machine=Machine(engine), horizon=0.2).gap.scores
    assert scores[2] < nothing and np.delete(scores, 2).min() > max(0.01, scores[2])


def test_a_log_of_dc_motors_has_gap_zero_with_dc_motors(engine: str, contacts: str, nothing: float) -> None:
    """Joints at up to the no-load speed of 8 rad/s; motors without the curve are another machine."""
    plain = task("motor_strength", "[0.6,0.8,1.0,1.2]", contacts)
    slow = [f"robot.joints.{index}.velocity_limit=8" for index in range(12)]
    driven = override_manifest(plain, ["robot.motors=dc_motor", *slow])
    (log,) = logs_of(driven, trot(driven), engine, motor_strength=[1.1])
    for mode in ("open_loop", "torque"):
        scores = run_replay(log, driven, mode=mode, machine=Machine(engine), horizon=0.2).gap.scores
        assert scores[2] < nothing and scores[:2].min() > max(0.05, scores[2])
    assert run_replay(log, plain, mode="open_loop", machine=Machine(engine), horizon=0.2).gap.scores[2] > 0.05


def test_a_policy_under_its_own_commands_does_what_its_log_says(engine: str, contacts: str, tmp_path: Path) -> None:
    """An actor without weights holds the default pose, and so did the robot of the log: equal in every number."""
    standing = task("friction", "[0.7,0.9]", contacts)
    content = checkpoint_content(standing)
    for name, value in content["actor_state_dict"].items():
        if name.endswith(("weight", "bias")):
            value.zero_()
    torch.save(content, tmp_path / "model_3.pt")
    targets = np.tile(np.array(standing.robot.default_joint_pos, dtype=np.float32).astype(float), (130, 1))
    (stood,) = logs_of(standing, targets, engine, friction=[0.8])
    infos = {**stood.header.signals, "command": SignalInfo(origin="commanded", source="test")}
    commanded = dict(stood.signals) | {"command": np.zeros((130, 3))}
    told = Trace(stood.header.model_copy(update={"signals": infos}), stood.stamp, commanded, stood.path)
    result = run_closed_loop(told, tmp_path / "model_3.pt", machine=Machine(engine), seconds=0.6)
    assert result.survived.tolist() == [1]
    for name in METRICS:
        assert result.policy[name][0] == pytest.approx(result.log[name], abs=1e-4), name
        assert result.log[name] > 0.001, name  # it settles: nothing is equal because nothing moves
