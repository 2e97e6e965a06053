"""What the accounts read of one control step, whatever the engine.

Axis letters: N environments, T reward terms, C termination causes, F fault kinds, B buckets.
"""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class AuditLayout:
    """Names of the axes, fixed for a run."""

    reward_terms: tuple[str, ...]
    causes: tuple[str, ...]
    """Manifest order: the first one that holds is primary."""
    cause_is_time_out: tuple[bool, ...]
    fault_kinds: tuple[str, ...]
    bucket_labels: tuple[str, ...]
    """One readable label for each bucket id; a single `all` where nothing is bucketed."""
    num_envs: int
    step_dt: float
    """s, control step."""
    max_episode_steps: int
    num_actions: int
    action_clip: float | None
    """Actions are clipped to plus and minus this; None where they are not."""
    fixed_buckets: bool = False
    """An environment never changes its bucket."""
    scattered_starts: bool = False
    """The first episodes begin at different ages, so that time-outs do not come together."""
    factors: tuple[str, ...] = ()
    """Randomised factors, in the order of their values."""
    terrain_classes: tuple[str, ...] = ()
    """Of generated ground."""
    follows_velocity: bool = True
    """There is a velocity command and a robot whose velocity is known; without them no velocity error exists."""


@dataclass(frozen=True)
class AuditStep:
    """One control step of all environments, taken before the environments that ended are reset.

    Tensors may be views that the next step overwrites: an account copies what it keeps.
    """

    rates: Tensor
    """weight * term, per second. Shape (N, T)."""
    reward: Tensor
    """What PPO receives: the sum of `rates` times the control step. Shape (N,)."""
    causes: Tensor
    """Termination causes that hold now. Shape (N, C), bool."""
    terminated: Tensor
    """Ended by failure. Shape (N,), bool."""
    truncated: Tensor
    """Ended by time-out. Shape (N,), bool."""
    fault: Tensor
    """Fault kinds that hold now; a row with any of them is invalid, whatever else it says. Shape (N, F), bool."""
    bucket: Tensor
    """Bucket id in force during this step. Shape (N,), int64."""
    episode_steps: Tensor
    """Control steps of the running episode, this one included. Shape (N,), int64."""
    lin_vel_error: Tensor
    """|commanded - actual| horizontal velocity, base yaw frame, m/s; NaN where it does not exist. Shape (N,)."""
    yaw_rate_error: Tensor
    """|commanded - actual| yaw rate, rad/s; NaN where it does not exist. Shape (N,)."""
    is_moving: Tensor
    """The command asks for motion. Shape (N,), bool."""
    lin_speed: Tensor
    """Actual horizontal speed of the base, m/s; NaN where no robot is known. Shape (N,)."""
    action: Tensor
    """As the policy gave it, before clipping. Shape (N, num_actions)."""
