"""Logs written by a simulator, for checking replay: replayed in the engine that wrote them, their gap is zero.

Axis letters: K physics steps, N environments, J joints.
"""

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor

from surefoot.engines.base import EngineEnv, physics_name
from surefoot.replay.window_rollout import step_and_touching
from surefoot.traces.header import SignalInfo, TraceHeader
from surefoot.traces.trace import FloatArray, Trace

_FIELDS = {
    "q": "joint_pos",
    "dq": "joint_vel",
    "base_pos_w": "base_pos_w",
    "base_quat_w": "base_quat_w",
    "base_lin_vel_w": "base_lin_vel_w",
    "gyro": "base_ang_vel_b",
    "tau": "joint_torque",
    "acc": "imu_lin_acc_b",
}


@dataclass(frozen=True)
class LoggedGains:
    """Gains that go with the targets of a log. Shape (K, J) each.

    Attributes:
        stiffness: N m/rad.
        damping: N m s/rad.
        torque: N m, added to the motors'; reached by the target, so it needs a stiffness.
    """

    stiffness: FloatArray
    damping: FloatArray
    torque: FloatArray


@torch.no_grad()
def simulated_logs(
    env: EngineEnv,
    targets: FloatArray,
    name: str = "simulated",
    delay: Tensor | None = None,
    engine: str = "mujoco",
    gains: LoggedGains | None = None,
) -> list[Trace]:
    """Drive every robot with the same joint targets from its reset on, and log each at every physics step.

    Args:
        env: As built for a replay: the physics steps are not run in one call.
        targets: rad, canonical joint order. Shape (K, J).
        name: Of the traces.
        delay: Physics steps until a target is in force; before the first one, that one is. Shape (N,), int64.
        engine: Name of the engine; the header has it with its backend.
        gains: In place of the robot's and of the factors on them; logged as kp, kd and tau_ff.

    Returns:
        One trace for each environment. Row k holds the state before physics step k, the target given at that time, and
        torque, contact and what the IMU feels as the step begins; without an IMU in the robot's model, no `acc`.
    """
    state = env.robot_state
    env.reset()
    given = {"q_des": targets}
    if gains is not None:
        given |= {"kp": gains.stiffness, "kd": gains.damping, "tau_ff": gains.torque}
    tables = {key: torch.tensor(values, dtype=torch.float32, device=env.device) for key, values in given.items()}
    late = torch.zeros(env.num_envs, dtype=torch.long) if delay is None else delay
    late = late.to(env.device)
    everyone = torch.arange(env.num_envs, device=env.device)
    fields = {name: field for name, field in _FIELDS.items() if name != "acc" or state.imu_offset is not None}
    rows: dict[str, list[np.ndarray]] = {name: [] for name in (*fields, "foot_contact")}
    for step in range(len(targets)):
        # Before the log begins the first target is taken to have been in force.
        now = {key: table[(step - late).clamp(min=0)] for key, table in tables.items()}
        if gains is not None:
            env.write_gains(now["kp"], now["kd"])
        env.command_joints(now["q_des"] if gains is None else now["q_des"] + now["tau_ff"] / now["kp"])
        env.refresh(everyone)  # the torque is that of these targets, before the step
        state.invalidate()
        for signal, field in fields.items():
            rows[signal].append(cast("Tensor", state.read(field)).cpu().numpy().copy())
        rows["foot_contact"].append(step_and_touching(env).cpu().numpy())
    stamp = np.round(np.arange(len(targets)) * env.manifest.simulation.timestep * 1e9).astype(np.int64)
    robot = env.manifest.robot
    infos = {field: SignalInfo(origin="simulated", source=env.manifest.name) for field in (*rows, *given)}
    header = TraceHeader(
        name=name,
        robot=robot.name,
        joints=robot.joint_names,
        feet=tuple(foot.name for foot in robot.feet),
        signals=infos,
        clock="simulated time",
        engine=physics_name(engine),
        num_samples=len(targets),
        rate_hz=1.0 / env.manifest.simulation.timestep,
    )
    values = {field: np.stack(column).astype(float) for field, column in rows.items()}
    return [
        Trace(header, stamp, {field: column[:, index] for field, column in values.items()} | given)
        for index in range(env.num_envs)
    ]
