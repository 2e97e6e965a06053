"""A log's commands for simulated robots that start from its own states, all buckets and windows in a batch.

Axis letters: N environments, B buckets, W windows, H control steps of a window, J joints.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from surefoot.engines.base import EngineEnv
from surefoot.errors import SurefootError
from surefoot.mdp.frames import gravity_direction, rotate_inverse
from surefoot.replay.base_motion import BaseMotion
from surefoot.replay.contact import contact_signal
from surefoot.replay.trace import FloatArray, Trace
from surefoot.replay.windows import Windows, held, sampled, sampled_quat

Mode = Literal["actuator", "open_loop", "torque"]
"""actuator: joint targets through the motors' law, the base held to its recorded motion. open_loop: joint targets, free
base. torque: recorded torques, free base."""

NEEDS: dict[Mode, tuple[str, ...]] = {
    "actuator": ("q", "dq", "q_des"),
    "open_loop": ("q", "dq", "q_des"),
    "torque": ("q", "dq", "tau"),
}
"""Signals without which a mode cannot run, beside an orientation of the base."""


@dataclass(frozen=True)
class Replayed:
    """What the log says and what the simulation did.

    Attributes:
        first: The log at each window's start, by signal. Shape (W, c).
        real: The log at the end of each control step. Shape (H, W, c).
        simulated: The same from the simulator. Shape (H, B, W, c).
        touching: Whether each foot touches the ground at the start of each physics step; only where the log says
            something about contact. Shape (K, B, W, F).
    """

    first: dict[str, FloatArray]
    real: dict[str, FloatArray]
    simulated: dict[str, FloatArray]
    touching: NDArray[np.bool_] | None = None


def recorded(
    trace: Trace, base: BaseMotion, windows: Windows, joints: tuple[str, ...], mode: Mode
) -> Iterator[tuple[str, FloatArray]]:
    """The log's signals that a mode compares, from each window's start on. Shape (H + 1, W, c) each."""

    def line(values: FloatArray) -> FloatArray:
        return sampled(trace, windows, values, dt=windows.step_dt, count=windows.num_steps + 1)

    yield "q", line(trace.get("q", joints))
    yield "dq", line(trace.get("dq", joints))
    if trace.has("tau") and mode != "torque":
        yield "tau", line(trace.get("tau", joints))
    if mode == "actuator":
        return
    quat = sampled_quat(trace, windows, base.quat_w, dt=windows.step_dt, count=windows.num_steps + 1)
    flat = torch.tensor(quat.reshape(-1, 4))
    yield "gravity", gravity_direction(flat).numpy().reshape(*quat.shape[:2], 3)
    yield "gyro", line(base.ang_vel_b)
    if trace.has("base_lin_vel_w"):
        lin_vel = line(base.lin_vel_w)
        yield "base_lin_vel", rotate_inverse(flat, torch.tensor(lin_vel.reshape(-1, 3))).numpy().reshape(lin_vel.shape)


_FIELDS = {
    "q": "joint_pos",
    "dq": "joint_vel",
    "tau": "joint_torque",
    "gravity": "projected_gravity_b",
    "gyro": "base_ang_vel_b",
    "base_lin_vel": "base_lin_vel_b",
}
TOUCHING = "touching"
"""Beside the compared signals: contact in every physics step."""


class Replay:
    """Replays windows of one trace, environment w * B + b being window w in bucket b.

    Args:
        env: With one environment for each bucket and window of a batch; its factors are imposed already.
        num_buckets: B.
        delay: Physics steps between a target and the motor. Shape (N,), int64.
    """

    def __init__(self, env: EngineEnv, num_buckets: int, delay: Tensor) -> None:
        if env.num_envs % num_buckets:
            raise SurefootError(f"Expected a multiple of {num_buckets} environments, one a bucket, got {env.num_envs}.")
        self._env, self._num_buckets = env, num_buckets
        self._delay = delay.to(env.device)
        self._longest = int(delay.max()) if len(delay) else 0
        simulation = env.manifest.simulation
        self._timestep, self._decimation = simulation.timestep, simulation.decimation
        self._everyone = torch.arange(env.num_envs, device=env.device)
        self._gains = self._motor_gains()

    @property
    def windows_at_once(self) -> int:
        """Windows in one batch."""
        return self._env.num_envs // self._num_buckets

    def run(self, trace: Trace, base: BaseMotion, windows: Windows, mode: Mode) -> Replayed:
        """Replay every window in every bucket."""
        joints = self._env.manifest.robot.joint_names
        whole = dict(recorded(trace, base, windows, joints, mode))
        names = (*whole, TOUCHING) if contact_signal(trace) else tuple(whole)
        parts: dict[str, list[FloatArray]] = {name: [] for name in names}
        size = self.windows_at_once
        for first in range(0, len(windows), size):
            chosen = np.minimum(np.arange(first, first + size), len(windows) - 1)  # the last batch is filled up
            batch = Windows(windows.start[chosen], windows.num_steps, windows.step_dt)
            got = self._run_batch(trace, base, batch, mode, names)
            for name, values in got.items():
                parts[name].append(values[:, :, : len(windows) - first])
        simulated = {name: np.concatenate(values, axis=2) for name, values in parts.items()}
        touching = simulated.pop(TOUCHING).astype(bool) if TOUCHING in names else None
        first_rows = {name: values[0] for name, values in whole.items()}
        return Replayed(first_rows, {name: values[1:] for name, values in whole.items()}, simulated, touching)

    @torch.no_grad()
    def _run_batch(
        self, trace: Trace, base: BaseMotion, windows: Windows, mode: Mode, names: tuple[str, ...]
    ) -> dict[str, FloatArray]:
        env, steps = self._env, windows.num_steps * self._decimation
        if abs(windows.step_dt - self._timestep * self._decimation) > 1e-9:
            raise SurefootError(f"Windows of {windows.step_dt:g} s steps do not fit this task's control step.")
        commands = self._table(trace, windows, mode, steps + 1)
        motion = _BaseTable(trace, base, windows, self._timestep, steps + 1 if mode == "actuator" else 1)
        self._start(trace, windows, motion)
        out = {name: [] for name in names}
        for step in range(steps + 1):
            if mode == "actuator":
                env.write_base(self._everyone, **self._spread_base(motion, step))
            env.command_joints(self._targets(commands, step, mode))
            if step and step % self._decimation == 0:
                self._look(out)
            if step < steps:
                env.physics_step()
                if TOUCHING in out:
                    env.robot_state.invalidate()
                    self._note(out, TOUCHING, "foot_in_contact")
        shape = (len(windows), self._num_buckets, -1)
        return {name: np.stack(rows).reshape(len(rows), *shape).swapaxes(1, 2) for name, rows in out.items()}

    def _table(self, trace: Trace, windows: Windows, mode: Mode, count: int) -> Tensor:
        """Targets (rad) or torques (N m) at physics steps, `longest` of them before the start. Shape (K, W, J)."""
        values = trace.get("tau" if mode == "torque" else "q_des", self._env.manifest.robot.joint_names)
        before = 0 if mode == "torque" else self._longest
        table = held(trace, windows, values, dt=self._timestep, count=count + before, first=-before)
        return self._tensor(table)

    def _targets(self, table: Tensor, step: int, mode: Mode) -> Tensor:
        """Joint targets in force in a physics step. Shape (N, J)."""
        window = self._everyone // self._num_buckets
        if mode == "torque":
            return self._targets_for_torque(table[step, window])
        return table[step + self._longest - self._delay, window]

    def _targets_for_torque(self, torque: Tensor) -> Tensor:
        """Targets for which the motors' law gives a torque: the motors' damping stays part of the integration."""
        state = self._env.robot_state
        state.invalidate()
        stiffness, damping = self._gains
        return state.read("joint_pos") + (torque + damping * state.read("joint_vel")) / stiffness

    def _motor_gains(self) -> tuple[Tensor, Tensor]:
        """Stiffness, N m/rad, and damping, N m s/rad, as each environment's bucket has them. Shape (N, J) each."""
        env, joints = self._env, self._env.manifest.robot.joints
        one = torch.ones(env.num_envs, device=env.device)

        def as_drawn(nominal: list[float], factor: str) -> Tensor:
            values = env.buckets.values
            scale = values.get(factor, one) * values.get("motor_strength", one)
            return scale.unsqueeze(1) * torch.tensor(nominal, device=env.device)

        return (
            as_drawn([joint.stiffness for joint in joints], "stiffness"),
            as_drawn([joint.damping for joint in joints], "damping"),
        )

    def _start(self, trace: Trace, windows: Windows, motion: "_BaseTable") -> None:
        env, joints = self._env, self._env.manifest.robot.joint_names
        env.reset()
        rows = windows.start.repeat(self._num_buckets)
        env.write_state(
            self._everyone,
            **self._spread_base(motion, 0),
            joint_pos=self._tensor(trace.get("q", joints)[rows]),
            joint_vel=self._tensor(trace.get("dq", joints)[rows]),
        )
        env.refresh(self._everyone)
        env.robot_state.invalidate()

    def _look(self, out: dict[str, list[NDArray[Any]]]) -> None:
        env = self._env
        env.refresh(self._everyone)
        env.robot_state.invalidate()
        for name in out:
            if name != TOUCHING:
                self._note(out, name, _FIELDS[name])

    def _note(self, out: dict[str, list[NDArray[Any]]], name: str, field: str) -> None:
        out[name].append(cast("Tensor", self._env.robot_state.read(field)).cpu().numpy().copy())

    def _spread_base(self, motion: "_BaseTable", step: int) -> dict[str, Tensor]:
        window = self._everyone.cpu().numpy() // self._num_buckets
        return {name: self._tensor(values[step][window]) for name, values in motion.parts.items()}

    def _tensor(self, values: FloatArray) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self._env.device)


class _BaseTable:
    """The base at physics steps of each window. Shape (K, W, 3 or 4) each."""

    def __init__(self, trace: Trace, base: BaseMotion, windows: Windows, dt: float, count: int) -> None:
        def line(values: FloatArray) -> FloatArray:
            return sampled(trace, windows, values, dt=dt, count=count)

        self.parts = {
            "pos_w": line(base.pos_w),
            "quat_w": sampled_quat(trace, windows, base.quat_w, dt=dt, count=count),
            "lin_vel_w": line(base.lin_vel_w),
            "ang_vel_b": line(base.ang_vel_b),
        }
