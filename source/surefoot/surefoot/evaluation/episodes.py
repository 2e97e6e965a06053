"""One measured episode in each environment: its means, its end, and what came before its end.

A control step counts for the means if the environment is in its first episode, did not end in this step, has no fault,
and the warm-up is over. Velocities, errors and causes are those before kicks and resets, with the command that was
followed in the step (`AuditStep`); the other quantities are read after the step.

Axis letters: N environments, J joints, C termination causes.
"""

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from surefoot.engines.base import EngineEnv
from surefoot.engines.step import StepResult
from surefoot.evaluation import metrics
from surefoot.evaluation.panel import Panel
from surefoot.mdp.prescribed_kicks import PrescribedKicks


@dataclass(frozen=True)
class Episodes:
    """One episode an entry; every tensor has the same shape. NaN: nothing to measure."""

    faulted: Tensor
    """The simulation or the policy's output broke: not a valid episode, counted in no metric."""
    failed: Tensor
    """Ended by a termination of kind failure."""
    truncated: Tensor
    """Ended by a termination of kind time_out before the measurement was over."""
    cause: Tensor
    """Index of the termination that a failure is put down to, -1 without one; int64."""
    kick_time: Tensor
    """s from the start to the last kick; NaN without one."""
    bucket: Tensor
    """Randomisation bucket, int64; 0 where a panel imposes everything."""
    survival_time: Tensor
    """s to the end, the step of the end included; the duration where nothing ended."""
    lin_vel_error: Tensor
    yaw_rate_error: Tensor
    cost_of_transport: Tensor
    foot_slip: Tensor
    action_rate: Tensor
    torque_saturation: Tensor
    recovery_time: Tensor

    @property
    def valid(self) -> Tensor:
        """Episodes that count."""
        return ~self.faulted

    @property
    def survived(self) -> Tensor:
        """Valid episodes that nothing ended."""
        return self.valid & ~self.failed & ~self.truncated

    def reshape(self, *shape: int) -> "Episodes":
        """The same episodes in another shape."""
        return Episodes(**{field.name: getattr(self, field.name).reshape(shape) for field in fields(self)})


class EpisodeRecorder:
    """Watches a panel's environments from their reset on.

    Args:
        env: Just reset.
        panel: Duration, warm-up and bounds.
    """

    def __init__(self, env: EngineEnv, panel: Panel) -> None:
        task, self._dt = env.manifest.task, env.manifest.simulation.step_dt
        self._env = env
        self._clip, self._scale = task.actions.clip, task.actions.scale
        self._warm_up = round(panel.warm_up / self._dt)
        num_envs, device = env.num_envs, env.device
        self._ends = Ends(num_envs, device)
        self._recovery = Recovery(num_envs, device, self._dt, panel.success.lin_vel_error)
        self._mass = env.total_mass().double()
        # A copy: where factors are drawn at resets, the next episode's buckets are written into the same tensor.
        self._bucket = env.buckets.ids.clone()
        self._limit = env.robot_state.read("effort_limit").expand(num_envs, -1)
        if (strength := env.buckets.values.get("motor_strength")) is not None:
            self._limit = self._limit * strength.unsqueeze(1)
        self._before = torch.zeros(num_envs, len(env.manifest.robot.joints), device=device)
        # Rows: linear error, yaw error, power, speed, commanded speed, action rate, saturation, slip, feet down.
        self._sums = torch.zeros(9, num_envs, dtype=torch.float64, device=device)
        self._count = torch.zeros(num_envs, dtype=torch.long, device=device)
        failures = [term.kind == "failure" for term in task.terminations.values()]
        self._is_failure = torch.tensor(failures, device=device)
        self._cause = torch.full((num_envs,), -1, dtype=torch.long, device=device)

    @property
    def running(self) -> Tensor:
        """Environments still in their first episode. Shape (N,)."""
        return self._ends.running

    def step(self, command: Tensor, result: StepResult, broken_action: Tensor) -> None:
        """Take in one control step, right after the environment's `step`.

        Args:
            command: That was followed in the step: vx, vy, m/s, yaw rate, rad/s. Shape (N, 3).
            result: What the step gave.
            broken_action: The policy's action was not finite. Shape (N,).
        """
        audit, read = result.audit, self._env.robot_state.read
        power = metrics.mechanical_power(read("joint_torque"), read("joint_vel"))
        action = audit.action.clamp(-self._clip, self._clip)
        rate = metrics.target_rate(action, self._before, self._scale, self._dt)
        self._before = action.clone()
        slip, feet = metrics.foot_slip(read("foot_in_contact"), read("foot_vel_w"))
        pushes = self._env.pushes
        kicked = pushes.kicked if isinstance(pushes, PrescribedKicks) else torch.zeros_like(broken_action)
        slip, feet = torch.where(kicked, 0.0, slip), torch.where(kicked, 0, feet)  # a kick is no slip
        saturation = metrics.torque_saturation(read("joint_torque"), self._limit)
        wanted = torch.hypot(command[:, 0], command[:, 1])
        rows = (audit.lin_vel_error, audit.yaw_rate_error, power, audit.lin_speed, wanted, rate, saturation, slip, feet)
        sample = torch.stack([row.double() for row in rows])

        ended = result.terminated | result.truncated
        # A robot whose episode has ended is not measured in this step: what is read of it is its next episode's.
        broken = result.faults.any(dim=1) | broken_action | (~ended & ~torch.isfinite(sample).all(dim=0))
        fell = self._ends.step(result.terminated, result.truncated, broken)
        # Several may hold at once; the first in the manifest's order is named.
        first = (audit.causes & self._is_failure).int().argmax(dim=1)
        self._cause = torch.where(fell, first, self._cause)
        self._recovery.step(self._ends, audit.lin_vel_error, kicked)
        if self._ends.steps > self._warm_up:
            self._sums += torch.where(self.running, sample, 0.0)
            self._count += self.running

    def finish(self, steps: int) -> Episodes:
        """Results; shape (N,), on the CPU.

        Args:
            steps: Control steps of the whole measurement; fewer are enough where every episode has ended.
        """
        count, ends = self._count.double(), self._ends
        lin, yaw, power, speed, wanted, rate, saturation, slip, feet = self._sums
        energy, path = power * self._dt, speed * self._dt
        results = {
            "faulted": ends.faulted,
            "failed": ends.failed,
            "truncated": ends.truncated,
            "cause": self._cause,
            "kick_time": self._recovery.kick_time,
            "bucket": self._bucket,
            "survival_time": ends.lived * self._dt,
            "lin_vel_error": lin / count,  # 0/0 is NaN: no step to average over
            "yaw_rate_error": yaw / count,
            "cost_of_transport": metrics.cost_of_transport(energy, self._mass, path, wanted / count),
            "foot_slip": slip / feet,
            "action_rate": rate / count,
            "torque_saturation": saturation / count,
            "recovery_time": self._recovery.time(steps, ends.failed),
        }
        return Episodes(**{name: value.cpu().clone() for name, value in results.items()})


class Ends:
    """Watches every environment from its reset to its first end; later episodes are not seen.

    Args:
        num_envs: Environments.
        device: Where they live.
    """

    def __init__(self, num_envs: int, device: torch.device | str) -> None:
        self.steps = 0
        """Control steps so far."""
        self.lived = torch.zeros(num_envs, dtype=torch.long, device=device)
        """Control steps of each episode, the one that ended it included. Shape (N,)."""
        self.running = torch.ones(num_envs, dtype=torch.bool, device=device)
        """Environments still in their first episode. Shape (N,)."""
        self.failed = torch.zeros_like(self.running)
        self.truncated = torch.zeros_like(self.running)
        self.faulted = torch.zeros_like(self.running)

    def step(self, terminated: Tensor, truncated: Tensor, broken: Tensor) -> Tensor:
        """Take in one control step; a fault wins over a failure, a failure over a time-out. Shapes (N,).

        Returns:
            Environments whose first episode failed in this step. Shape (N,).
        """
        broken = self.running & broken
        fell = self.running & terminated & ~broken
        self.lived += self.running
        self.steps += 1
        self.faulted |= broken
        self.failed |= fell
        self.truncated |= self.running & truncated & ~terminated & ~broken
        self.running &= ~(terminated | truncated | broken)
        return fell


class Recovery:
    """How long after its last kick a robot follows its command again.

    Recovered is the start of the first window after the kick whose mean linear velocity error is within the bound. A
    robot that falls, then or later, or does not recover, gets the time from its kick to the end of the measurement.
    """

    def __init__(self, num_envs: int, device: str, dt: float, bound: float) -> None:
        self._dt, self._bound = dt, bound
        window = max(1, round(metrics.RECOVERY_WINDOW / dt))
        self._errors = torch.zeros(window, num_envs, dtype=torch.float64, device=device)
        self._kick = torch.full((num_envs,), -1, dtype=torch.long, device=device)
        """Control step at whose end the last kick came. Shape (N,)."""
        self._steps = torch.full((num_envs,), math.nan, dtype=torch.float64, device=device)

    def step(self, ends: Ends, error: Tensor, kicked: Tensor) -> None:
        """Take in the error of a control step, m/s, and whether a kick came at its end. Shapes (N,)."""
        window = len(self._errors)
        self._errors[ends.steps % window] = error.double()
        since = ends.steps - self._kick
        whole = ends.running & (self._kick >= 0) & (since >= window) & self._steps.isnan()
        recovered = whole & (self._errors.mean(dim=0) <= self._bound)
        self._steps = torch.where(recovered, (since - window).double(), self._steps)
        # Last: the error of this step was measured before the kick at its end.
        new = ends.running & kicked
        self._kick = torch.where(new, ends.steps, self._kick)
        self._steps = torch.where(new, math.nan, self._steps)

    @property
    def kick_time(self) -> Tensor:
        """s from the start to the last kick, NaN without one. Shape (N,)."""
        return torch.where(self._kick >= 0, self._kick * self._dt, math.nan)

    def time(self, steps: int, failed: Tensor) -> Tensor:
        """s; NaN where no kick came. Shape (N,).

        Args:
            steps: Control steps of the whole measurement.
            failed: Whose episode ended by failure. Shape (N,).
        """
        censored = torch.where(self._steps.isnan() | failed, (steps - self._kick).double(), self._steps)
        return torch.where(self._kick >= 0, censored * self._dt, math.nan)
