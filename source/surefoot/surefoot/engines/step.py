"""What one control step gave, and the state that can take the place of its physics."""

from dataclasses import dataclass

from torch import Tensor

from surefoot.audit.accounts.step import AuditStep


@dataclass(frozen=True)
class StepResult:
    """Result of `EngineEnv.step`. `observations` are those after the resets."""

    observations: dict[str, Tensor]
    reward: Tensor
    """Weighted sum of the terms times the control step. Shape (num_envs,)."""
    terminated: Tensor
    """Ended by failure. Shape (num_envs,), bool."""
    truncated: Tensor
    """Ended by time-out. Shape (num_envs,), bool."""
    faults: Tensor
    """Kinds of faults, as in `surefoot.audit.accounts.fault_kinds`; an environment with any was reset, and its
    transition is invalid whatever else is said of it. Shape (num_envs, num_kinds), bool."""
    invalid_obs: Tensor
    """Observations that are not finite all the same; the next transition is invalid too. Shape (num_envs,), bool."""
    audit: AuditStep
    """What the accounts read. Valid until the next step."""


@dataclass(frozen=True)
class PhysicalState:
    """The complete state of some robots: where they are and how they move. n robots, J joints."""

    pos_w: Tensor
    """Base, m, world frame. Shape (n, 3)."""
    quat_w: Tensor
    """Base (w, x, y, z), base to world. Shape (n, 4)."""
    lin_vel_w: Tensor
    """Origin of the base frame, m/s, world frame. Shape (n, 3)."""
    ang_vel_b: Tensor
    """rad/s, base frame. Shape (n, 3)."""
    joint_pos: Tensor
    """rad, canonical joint order. Shape (n, J)."""
    joint_vel: Tensor
    """rad/s. Shape (n, J)."""
