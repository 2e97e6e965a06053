"""What a success is, in training."""

from torch import Tensor

from surefoot.audit.accounts.episodes import Episodes


def successes(episodes: Episodes, max_error: float) -> Tensor:
    """Whole episodes that a time-out ended and whose mean velocity error, m/s, is at most `max_error`. Shape (E,)."""
    error = episodes.lin_vel_error / episodes.steps.clamp(min=1)
    return episodes.whole & episodes.timed_out & (error <= max_error)
