"""A log's commands for simulated robots that start from its own states, all buckets and windows in a batch.

Axis letters: N environments, B buckets, W windows, H control steps of a window, J joints.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from surefoot.engines.base import EngineEnv
from surefoot.engines.step import PhysicalState
from surefoot.errors import SurefootError
from surefoot.mdp.frames import gravity_direction, rotate_inverse
from surefoot.replay.base_motion import BaseMotion, BaseTable
from surefoot.replay.contact_timing import contact_signal
from surefoot.replay.motors import MotorTable, SampleGains
from surefoot.replay.replay_modes import Mode
from surefoot.replay.windows import Windows, interpolated, interpolated_quat
from surefoot.traces.trace import FloatArray, Trace


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
    trace: Trace, base: BaseMotion, windows: Windows, joints: tuple[str, ...], mode: Mode, imu: bool
) -> Iterator[tuple[str, FloatArray]]:
    """The log's signals that a mode compares, from each window's start on; what the IMU feels if the simulated robot
    has one, and not of a base that is held. Shape (H + 1, W, c) each.
    """

    def line(values: FloatArray) -> FloatArray:
        return interpolated(trace, windows, values, dt=windows.step_dt, count=windows.num_steps + 1)

    yield "q", line(trace.get("q", joints))
    yield "dq", line(trace.get("dq", joints))
    if trace.has("tau") and mode != "torque":
        yield "tau", line(trace.get("tau", joints))
    if mode == "actuator" or not base.oriented:
        return
    quat = interpolated_quat(trace, windows, base.quat_w, dt=windows.step_dt, count=windows.num_steps + 1)
    flat = torch.tensor(quat.reshape(-1, 4))
    yield "gravity", gravity_direction(flat).numpy().reshape(*quat.shape[:2], 3)
    yield "gyro", line(base.ang_vel_b)
    if trace.has("base_lin_vel_w"):
        lin_vel = line(base.lin_vel_w)
        yield "base_lin_vel", rotate_inverse(flat, torch.tensor(lin_vel.reshape(-1, 3))).numpy().reshape(lin_vel.shape)
    if imu and trace.has("acc"):
        felt = line(trace.signals["acc"])
        if np.isfinite(felt).all():  # it has no weight in the score: no window is left out for it
            yield "acc", felt


_FIELDS = {
    "q": "joint_pos",
    "dq": "joint_vel",
    "tau": "joint_torque",
    "gravity": "projected_gravity_b",
    "gyro": "base_ang_vel_b",
    "base_lin_vel": "base_lin_vel_b",
    "acc": "imu_lin_acc_b",
}
TOUCHING = "touching"
"""Beside the compared signals: contact in every physics step."""


class Replay:
    """Replays windows of one trace, environment w * B + b being window w in bucket b.

    Args:
        env: With one environment for each bucket and window of a batch; its factors are imposed already.
        num_buckets: B.
        delay: Physics steps between a target and the motor. Shape (N,), int64.
        on_step: Called after each control step, when derived quantities follow.
        lead: s that the log's commands were given before their stamps.
    """

    def __init__(
        self,
        env: EngineEnv,
        num_buckets: int,
        delay: Tensor,
        on_step: Callable[[], None] | None = None,
        lead: float = 0.0,
    ) -> None:
        if env.num_envs % num_buckets:
            raise SurefootError(f"Expected a multiple of {num_buckets} environments, one a bucket, got {env.num_envs}.")
        self._env, self._num_buckets, self._on_step, self._lead = env, num_buckets, on_step, lead
        self._delay = delay.to(env.device)
        self._longest = int(delay.max()) if len(delay) else 0
        simulation = env.manifest.simulation
        self._timestep, self._decimation = simulation.timestep, simulation.decimation
        self._everyone = torch.arange(env.num_envs, device=env.device)
        self._window = self._everyone // num_buckets
        self._factors = self._gain_factors()
        robot, strength = env.manifest.robot, self._factor("motor_strength")
        self._stiffness = torch.tensor([joint.stiffness for joint in robot.joints], device=env.device)
        self._damping = torch.tensor([joint.damping for joint in robot.joints], device=env.device)
        self._limit = strength * torch.tensor([joint.effort_limit for joint in robot.joints], device=env.device)
        # What the motors have now: equal gains are not written again in every physics step.
        self._written: tuple[Tensor, Tensor] | None = None

    @property
    def windows_at_once(self) -> int:
        """Windows in one batch."""
        return self._env.num_envs // self._num_buckets

    def run(
        self, trace: Trace, base: BaseMotion, windows: Windows, mode: Mode, gains: SampleGains | None = None
    ) -> Replayed:
        """Replay every window in every bucket.

        Args:
            trace: The log.
            base: Its base's motion.
            windows: Where to start.
            mode: What is given.
            gains: Of every sample; None leaves those of the robot as it is simulated.
        """
        joints, imu = self._env.manifest.robot.joint_names, self._env.robot_state.imu_offset is not None
        whole = dict(recorded(trace, base, windows, joints, mode, imu))
        names = (*whole, TOUCHING) if contact_signal(trace) else tuple(whole)
        parts: dict[str, list[FloatArray]] = {name: [] for name in names}
        size = self.windows_at_once
        for first in range(0, len(windows), size):
            chosen = np.minimum(np.arange(first, first + size), len(windows) - 1)  # the last batch is filled up
            batch = Windows(windows.start[chosen], windows.num_steps, windows.step_dt)
            got = self._run_batch(trace, base, batch, mode, gains, names)
            for name, values in got.items():
                parts[name].append(values[:, :, : len(windows) - first])
        simulated = {name: np.concatenate(values, axis=2) for name, values in parts.items()}
        touching = simulated.pop(TOUCHING).astype(bool) if TOUCHING in names else None
        first_rows = {name: values[0] for name, values in whole.items()}
        return Replayed(first_rows, {name: values[1:] for name, values in whole.items()}, simulated, touching)

    @torch.no_grad()
    def _run_batch(
        self,
        trace: Trace,
        base: BaseMotion,
        windows: Windows,
        mode: Mode,
        gains: SampleGains | None,
        names: tuple[str, ...],
    ) -> dict[str, FloatArray]:
        env, steps = self._env, windows.num_steps * self._decimation
        if abs(windows.step_dt - self._timestep * self._decimation) > 1e-9:
            raise SurefootError(f"Windows of {windows.step_dt:g} s steps do not fit this task's control step.")
        torque = mode == "torque"
        commands = MotorTable(
            trace,
            windows,
            env.manifest.robot.joint_names,
            "tau" if torque else "q_des",
            gains,
            dt=self._timestep,
            count=steps + 1,
            before=0 if torque else self._longest,
            device=env.device,
            lead=self._lead,
        )
        motion = BaseTable(trace, base, windows, self._timestep, steps + 1 if mode == "actuator" else 1)
        self._start(trace, windows, motion)
        # Faults of the resets and of the batch before are no faults of this one.
        env.faults.start(torch.zeros(env.num_envs, len(env.manifest.robot.joints), device=env.device))
        out = {name: [] for name in names}
        # One more than physics steps: the state after the last one is looked at with its targets in force.
        for step in range(steps + 1):
            if mode == "actuator":
                env.write_base(self._everyone, **self._spread_base(motion, step))
            env.command_joints(self._targets(commands, step, mode))
            if step and step % self._decimation == 0:
                self._look(out)
            if step == steps:
                continue
            if TOUCHING in out:
                out[TOUCHING].append(step_and_touching(env).cpu().numpy())
            else:
                env.physics_step()
        broken = env.faults.reported().cpu().numpy()  # MuJoCo resets a broken state by itself and goes on
        for rows in (rows for name, rows in out.items() if name != TOUCHING):
            for values in rows:
                values[broken] = np.nan
        each = (len(windows), self._num_buckets, -1)
        return {name: np.stack(rows).reshape(len(rows), *each).swapaxes(1, 2) for name, rows in out.items()}

    def _targets(self, table: MotorTable, step: int, mode: Mode) -> Tensor:
        """Joint targets in force in a physics step; gains that come with them are written. Shape (N, J)."""
        # Targets begin `_longest` steps before the window, for the latest bucket; torques are never late.
        row = torch.full_like(self._window, step) if mode == "torque" else step + self._longest - self._delay
        value = table.value[row, self._window]
        if not table.has_gains:
            return self._for_torque(value, self._stiffness, self._damping) if mode == "torque" else value
        stiffness, damping, added = table.gains(row, self._window)
        free = stiffness <= 0.0  # no target gives such a motor a torque: it gets one by a gain of 1
        stiffness = torch.where(free, 1.0, stiffness)
        self._write_gains(stiffness, damping)
        if mode == "torque":
            return self._for_torque(value, stiffness, damping)
        # Only where needed: reading it drops all that was cached, in every physics step.
        position = self._read("joint_pos") if bool(free.any()) else value
        return torch.where(free, position + added, value + added / stiffness)

    def _for_torque(self, torque: Tensor, stiffness: Tensor, damping: Tensor) -> Tensor:
        """Targets for which the motors' law gives a torque: the motors' damping stays part of the integration.

        A torque at the motor's limit is asked for from beyond it: the integration of a motor that is held back by its
        limit is another one.

        Args:
            torque: N m. Shape (N, J).
            stiffness: N m/rad, without the factors of the bucket. Shape (N, J) or (J,).
            damping: N m s/rad, without the factors.
        """
        torque = torch.where(torque.abs() >= self._limit * (1 - 1e-6), 1.01 * torque, torque)
        on_stiffness, on_damping = self._factors
        # What the motor's damping will take off again.
        push = torque + on_damping * damping * self._read("joint_vel")
        return self._read("joint_pos") + push / (on_stiffness * stiffness)

    def _read(self, name: str) -> Tensor:
        self._env.robot_state.invalidate()
        return cast("Tensor", self._env.robot_state.read(name))

    def _factor(self, name: str) -> Tensor:
        """Value of a factor in each environment; 1 where the task has none. Shape (N, 1)."""
        one = torch.ones(self._env.num_envs, device=self._env.device)
        return self._env.buckets.values.get(name, one).unsqueeze(1)

    def _gain_factors(self) -> tuple[Tensor, Tensor]:
        """What each environment's bucket makes of stiffness and damping. Shape (N, 1) each."""
        strength = self._factor("motor_strength")
        return strength * self._factor("stiffness"), strength * self._factor("damping")

    def _write_gains(self, stiffness: Tensor, damping: Tensor) -> None:
        """Gains of the log times the factors of each environment, where they have changed."""
        before = self._written
        if before is not None and torch.equal(before[0], stiffness) and torch.equal(before[1], damping):
            return
        self._written = stiffness, damping
        on_stiffness, on_damping = self._factors
        self._env.write_gains(stiffness * on_stiffness, damping * on_damping)

    def _start(self, trace: Trace, windows: Windows, motion: BaseTable) -> None:
        env, joints = self._env, self._env.manifest.robot.joint_names
        env.reset()
        self._written = None  # a reset may write the factors anew
        # Window by window, as the environments are numbered.
        rows = windows.start.repeat(self._num_buckets)
        env.write_state(
            self._everyone,
            PhysicalState(
                **self._spread_base(motion, 0),
                joint_pos=self._tensor(trace.get("q", joints)[rows]),
                joint_vel=self._tensor(trace.get("dq", joints)[rows]),
            ),
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
        if self._on_step is not None:
            self._on_step()

    def _note(self, out: dict[str, list[NDArray[Any]]], name: str, field: str) -> None:
        out[name].append(cast("Tensor", self._env.robot_state.read(field)).cpu().numpy().copy())

    def _spread_base(self, motion: BaseTable, step: int) -> dict[str, Tensor]:
        window = self._everyone.cpu().numpy() // self._num_buckets
        return {name: self._tensor(values[step][window]) for name, values in motion.parts.items()}

    def _tensor(self, values: FloatArray) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self._env.device)


def step_and_touching(env: EngineEnv) -> Tensor:
    """A physics step, and whether each foot touched the ground as it began. Shape (num_envs, num_feet), bool.

    Flags of the present state are read before the step, after derived quantities follow from what was written; flags
    of the last physics step after it.
    """
    state = env.robot_state
    if env.contact_of_present_state:
        env.refresh(torch.arange(env.num_envs, device=env.device))
    else:
        env.physics_step()
    state.invalidate()
    touching = cast("Tensor", state.read("foot_in_contact")).clone()
    if env.contact_of_present_state:
        env.physics_step()
    return touching
