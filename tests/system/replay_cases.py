"""A suite of simulated Go1 logs in a folder of manifests that a test may edit."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

import engines_here
from surefoot.manifest import Manifest, validate
from surefoot.replay.floor import floor_targets, nominal
from surefoot.replay.simulated import simulated_logs
from surefoot.replay.trace_run import bucket_conditions, bucket_values, replay_manifest
from surefoot.traces import Trace, write_trace
from surefoot.traces.header import SignalInfo

TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
FRICTION = 0.8


def robot_log(task: Manifest, engine: str) -> Trace:
    """The nominal robot on friction 0.8, by an engine: default pose, then a trot on the spot; commands of zero."""
    plain = nominal(task).to_plain()
    plain["randomization"] |= {"factors": {"friction": {"edges": [FRICTION, FRICTION], "mode": "startup"}}}
    ready = replay_manifest(validate(plain, "a test"))
    values = bucket_values(ready)[1]
    build = engines_here.Builder(engine)
    env = build(ready, evaluation=True, single_steps=True, conditions=bucket_conditions(values, windows=1))
    try:
        return simulated_logs(env, floor_targets(ready, seconds=1.0), engine=engine)[0]
    finally:
        build.close()


def with_commands(log: Trace, **changes: NDArray[np.float64]) -> Trace:
    """The log with commands of zero, and other signals in place of its own."""
    signals = dict(log.signals) | {"command": np.zeros((len(log.stamp), 3))} | changes
    infos = {**log.header.signals, "command": SignalInfo(origin="commanded", source="test")}
    return Trace(log.header.model_copy(update={"signals": infos}), log.stamp, signals)


def drifting(log: Trace) -> Trace:
    """A failed run: targets run away at 2 rad/s, the robot tilts by half a radian and turns."""
    turned = np.tile([np.cos(0.25), np.sin(0.25), 0.0, 0.0], (len(log.stamp), 1))
    targets = log.signals["q_des"] + 2.0 * log.time[:, None]
    gyro = log.signals["gyro"] + 1.0
    return with_commands(log, base_quat_w=turned, q_des=targets, gyro=gyro)


def swapped(log: Trace) -> Trace:
    """Targets of the front calves exchanged: no simulator explains it."""
    names = list(log.header.joints)
    left, right = names.index("FL_calf_joint"), names.index("FR_calf_joint")
    targets = log.signals["q_des"].copy()
    targets[:, [left, right]] = targets[:, [right, left]]
    return with_commands(log, q_des=targets)


def add_trace(root: Path, data: Path, name: str, trace: Trace, **changes: Any) -> None:
    """Write a log and its card."""
    data.mkdir(parents=True, exist_ok=True)
    write_trace(data / f"{name}.parquet", trace)
    digest = hashlib.sha256((data / f"{name}.parquet").read_bytes()).hexdigest()
    card = {
        "schema_version": 1, "name": name, "title": "A simulated log", "robot": "unitree_go1",
        "source": {"repository": "a test"}, "licence": "MIT", "rates_hz": {"log": 200.0}, "torque": "simulated",
        "data": {"file": f"{name}.parquet", "sha256": digest, "profile": "trace"},
    }  # fmt: skip
    (root / "traces" / "cards" / f"{name}.yaml").write_text(yaml.safe_dump(card | changes))


def write_suite(root: Path, **changes: Any) -> None:
    """`tiny`, unless it is named otherwise: a log that the simulator explains, one that it does not, a failed run."""
    suite = {
        "schema_version": 1, "name": "tiny", "robot": "unitree_go1", "description": "Simulated logs", "horizon": 0.1,
        "buckets": {"friction": [FRICTION, FRICTION]},
        "traces": [
            {"card": "own", "modes": ["open_loop", "closed_loop"]},
            {"card": "swapped", "modes": ["actuator"]},
            {"card": "failed", "modes": ["closed_loop"]},
        ],
    }  # fmt: skip
    suite |= changes
    (root / "traces" / f"{suite['name']}.yaml").write_text(yaml.safe_dump(suite))


def write_all(root: Path, data: Path, task: Manifest, engine: str) -> None:
    """The suite with its logs, written by an engine."""
    log = robot_log(task, engine)
    add_trace(root, data, "own", with_commands(log))
    add_trace(root, data, "swapped", swapped(log))
    add_trace(root, data, "failed", drifting(log), outcome="failed")
    write_suite(root)


def without(log: Trace, *names: str) -> Trace:
    """A log that lacks signals."""
    infos = {name: info for name, info in log.header.signals.items() if name not in names}
    signals = {name: values for name, values in log.signals.items() if name not in names}
    return Trace(log.header.model_copy(update={"signals": infos}), log.stamp, signals)


def renamed(log: Trace, joint: str, name: str) -> Trace:
    """A log of a robot with another joint."""
    joints = tuple(name if known == joint else known for known in log.header.joints)
    return Trace(log.header.model_copy(update={"joints": joints}), log.stamp, log.signals)
