"""One measured episode in each environment: sums over its steps, its end, and what came of it.

A control step counts for the averages if the environment is in its first episode, did not end in this step and has no
fault. The step in which an episode ends has no sample: the environment was reset before it could be read.
"""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from surefoot.evaluation import metrics
from surefoot.evaluation.first_episodes import Ends
from surefoot.mdp import tracking
from surefoot.mdp.robot_state import RobotState


@dataclass(frozen=True)
class Episodes:
    """One episode an entry; every tensor has the same shape."""

    faulted: Tensor
    """The simulation or the policy's output broke: not a valid episode, counted in no metric."""
    failed: Tensor
    """Ended by a termination of kind failure before or at the last step."""
    truncated: Tensor
    """Ended by a termination of kind time_out before or at the last step; valid, not a failure."""
    survival_time: Tensor
    """s from start to end, the step of the end included; the duration where nothing ended."""
    lin_vel_error: Tensor
    """m/s, mean over the counted steps; NaN without any."""
    yaw_rate_error: Tensor
    """rad/s, likewise."""
    lin_vel_error_after_warm_up: Tensor
    """m/s, without the steps of the warm-up."""
    yaw_rate_error_after_warm_up: Tensor
    """rad/s, without the steps of the warm-up."""
    energy: Tensor
    """J, absolute mechanical work of the motors."""
    path: Tensor
    """m, horizontal length of the base origin's path."""
    mass: Tensor
    """kg."""
    bucket: Tensor
    """Randomisation bucket, int64."""

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
    """Watches every environment from its reset to its first end; later episodes are not seen.

    Args:
        mass: kg of each robot. Shape (num_envs,).
        bucket: Bucket of each robot in the episode that begins. Shape (num_envs,).
        step_dt: s.
        warm_up: s.
    """

    def __init__(self, mass: Tensor, bucket: Tensor, step_dt: float, warm_up: float) -> None:
        num_envs, device = len(mass), mass.device
        self._mass = mass.double()
        self._bucket = bucket.clone()
        self._dt = step_dt
        self._warm_up_steps = round(warm_up / step_dt)
        # Rows: linear error, yaw error; the same after the warm-up; power; speed.
        self._sums = torch.zeros(6, num_envs, dtype=torch.float64, device=device)
        self._counts = torch.zeros(2, num_envs, dtype=torch.long, device=device)
        self._ends = Ends(num_envs, device)

    @property
    def running(self) -> Tensor:
        """Environments still in their first episode. Shape (num_envs,)."""
        return self._ends.running

    def step(self, state: RobotState, terminated: Tensor, truncated: Tensor, faulted: Tensor) -> None:
        """Take in one control step, right after the environment's `step`.

        Args:
            state: State at the end of the step; of no use where the environment ended, which is reset by now.
            terminated: Ended by failure in this step. Shape (num_envs,).
            truncated: Ended by time-out in this step. Shape (num_envs,).
            faulted: The simulation or the action was broken in this step. Shape (num_envs,).
        """
        command, velocity = state.read("command"), state.read("base_lin_vel_yaw")
        lin = tracking.lin_vel_error(command, velocity)
        yaw = tracking.yaw_rate_error(command, state.read("base_ang_vel_w"))
        power = metrics.mechanical_power(state.read("joint_torque"), state.read("joint_vel"))
        speed = tracking.horizontal_speed(velocity)

        ended = terminated | truncated
        self._ends.step(terminated, truncated, faulted | ~ended & ~torch.isfinite(lin + yaw + power + speed))

        late = float(self._ends.steps > self._warm_up_steps)
        sample = torch.stack((lin, yaw, lin * late, yaw * late, power, speed)).double()
        self._sums += torch.where(self.running, sample, 0.0)
        self._counts += torch.stack((self.running, self.running * bool(late)))

    def finish(self) -> Episodes:
        """Results so far; shape (num_envs,), on the CPU."""
        counts = self._counts.double()
        lin, yaw, late_lin, late_yaw, power, speed = self._sums
        results = {
            "faulted": self._ends.faulted,
            "failed": self._ends.failed,
            "truncated": self._ends.truncated,
            "survival_time": self._ends.lived * self._dt,
            "lin_vel_error": lin / counts[0],  # 0/0 is NaN: no step to average over
            "yaw_rate_error": yaw / counts[0],
            "lin_vel_error_after_warm_up": late_lin / counts[1],
            "yaw_rate_error_after_warm_up": late_yaw / counts[1],
            "energy": power * self._dt,
            "path": speed * self._dt,
            "mass": self._mass,
            "bucket": self._bucket,
        }
        return Episodes(**{name: value.cpu().clone() for name, value in results.items()})
