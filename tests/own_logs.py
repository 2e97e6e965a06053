"""A simulated Go1 that trots on the spot, and the logs that an engine writes of it."""

import numpy as np
import torch
from numpy.typing import NDArray

import engines_here
from surefoot.engines.base import load_engine
from surefoot.manifest import Manifest, compose_manifest
from surefoot.replay.simulated import simulated_logs
from surefoot.replay.trace_run import bucket_conditions, bucket_values, replay_manifest
from surefoot.traces import Trace
from surefoot_tasks import manifest_root

TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
STILL = [f"task.resets.{name}=[0,0]" for name in ("position_xy", "yaw", "lin_vel", "ang_vel", "joint_pos", "joint_vel")]


NOTHING = {"newton_mjwarp": 1e-3, "ovphysx": 0.4}
"""What is left of a gap score on an engine's own log: on Newton the solver is in single precision, and PhysX remembers
contacts, which a written state has none of (docs/replay.md)."""


def nothing(engine: str) -> float:
    """Largest gap score of an own log; elsewhere that of a file in single precision."""
    return NOTHING.get(engines_here.physics(engine), 1e-5)


def remembers_contacts(engine: str) -> bool:
    """Whether a physics step depends on more than the state that can be written."""
    return engines_here.physics(engine) == "ovphysx"


def task(factor: str, edges: str, contacts: str = "full") -> Manifest:
    """One factor, all its intervals as buckets, and starts that are all the same."""
    only = f"randomization.factors={{{factor}: {{edges: {edges}, mode: startup}}}}"
    overrides = [f"simulation={contacts}", *STILL, only, f"randomization.bucket_by=[{factor}]"]
    return compose_manifest(manifest_root(), TASK, overrides)


def trot(task: Manifest, seconds: float = 1.2, sway: float = 0.0) -> NDArray[np.float64]:
    """Joint targets at physics steps, new ones at control steps: a trot on the spot, or hips that sway sideways."""
    robot, decimation = task.robot, task.simulation.decimation
    count = round(seconds / task.simulation.timestep)
    step = np.arange(count) // decimation * decimation * task.simulation.timestep
    legs = np.repeat([0.0, 0.5, 0.5, 0.0], 3)
    size = np.tile([0.05, 0.25, 0.3] if sway == 0 else [sway, 0.1, 0.1], 4)
    phase = 2 * np.pi * (2.0 * step[:, None] + (legs if sway == 0 else np.tile([0.0, 0.25, 0.5], 4)))
    targets = np.array(robot.default_joint_pos) + size * np.sin(phase + np.tile([0, 0, 1.2], 4))
    return targets.astype(np.float32).astype(float)


def logs_of(
    task: Manifest, targets: NDArray[np.float64], engine: str = "mujoco", **planted: list[float]
) -> list[Trace]:
    """One log for each planted value of a factor."""
    ready = replay_manifest(task)
    _, values = bucket_values(ready)
    (count,) = {len(column) for column in planted.values()}
    each = {name: np.full(count, column[0]) for name, column in values.items()} | {
        name: np.array(column) for name, column in planted.items()
    }
    env = load_engine(engine).make_env(
        ready, device="cpu", evaluation=True, single_steps=True, conditions=bucket_conditions(each, windows=1)
    )
    try:
        return simulated_logs(env, targets, delay=torch.tensor(each["control_delay"]).long(), engine=engine)
    finally:
        env.close()
