"""Delays that each environment keeps for an episode: of commands to the motors and of the actor's sensors.

Axis letters: N environments, J joints, K slots of history.
"""

import torch
from torch import Tensor


class ControlDelay:
    """Joint targets reach the motors some physics steps late.

    A target given at control step t is in force from physics step t * decimation + delay on. Before an episode's first
    target arrives, the robot holds the default pose.

    Args:
        default: Default pose, rad. Shape (J,).
        delay: Physics steps, read in each step. Shape (N,), int64.
        longest: Largest delay there can be.
        decimation: Physics steps in a control step.
    """

    def __init__(self, default: Tensor, delay: Tensor, longest: int, decimation: int) -> None:
        self._default, self._delay, self._decimation = default, delay, decimation
        # Whole control steps that a target may be late, and the newest target itself.
        slots = -(-longest // decimation) + 1
        self._history = default.repeat(slots, len(delay), 1)
        self._rows = torch.arange(len(delay), device=default.device)
        self._pointer = 0  # slot of the newest target
        self._substep = 0

    def push(self, targets: Tensor) -> None:
        """A control step begins with these targets. Shape (N, J)."""
        self._pointer = (self._pointer + 1) % len(self._history)
        self._history[self._pointer] = targets
        self._substep = 0

    def pull(self) -> Tensor:
        """Targets in force in the next physics step. Shape (N, J)."""
        age = (self._delay - self._substep + self._decimation - 1).div(self._decimation, rounding_mode="floor")
        self._substep += 1
        return self._history[(self._pointer - age.clamp(min=0)) % len(self._history), self._rows]

    def reset(self, env_ids: Tensor | slice | None) -> None:
        """Nothing was commanded before the episode."""
        self._history[:, slice(None) if env_ids is None else env_ids] = self._default


class ObservationDelay:
    """One observation term, some control steps late; noise and all, as the sensor gave it.

    In the first steps of an episode, when nothing that old exists, the oldest reading is shown.

    Args:
        delay: Control steps, read in each step. Shape (N,), int64.
        longest: Largest delay there can be.
    """

    def __init__(self, delay: Tensor, longest: int) -> None:
        self._delay = delay
        self._slots = longest + 1
        self._history: Tensor | None = None
        self._born = torch.zeros_like(delay)
        """Control step of each environment's last reset. Shape (N,)."""
        self._rows = torch.arange(len(delay), device=delay.device)

    def __call__(self, value: Tensor, now: int) -> Tensor:
        """Keep what the sensor gives in control step `now`, show what it gave earlier. Shape (N, size)."""
        # The size of a term is known when it is first computed.
        if self._history is None:
            self._history = value.repeat(self._slots, *[1] * value.dim())
        self._history[now % self._slots] = value
        age = torch.minimum(self._delay, now - self._born).clamp_(min=0)
        return self._history[(now - age) % self._slots, self._rows]

    def reset(self, env_ids: Tensor | slice, now: int) -> None:
        """Episodes begin in control step `now`."""
        self._born[env_ids] = now


class RedrawnDelay(ObservationDelay):
    """A value some calls late, the lag redrawn with each: `delay_steps` of the manifest.

    Lags come from torch's global generator, as those of mjlab do.

    Args:
        lags: Smallest and largest lag.
        num_envs: Each has its own lag.
        device: Of the values.
    """

    def __init__(self, lags: tuple[int, int], num_envs: int, device: str) -> None:
        super().__init__(torch.zeros(num_envs, dtype=torch.int64, device=device), lags[1])
        self._lags = lags
        self._drawn_at = -1

    def __call__(self, value: Tensor, now: int) -> Tensor:
        """As `ObservationDelay`; a second call at the same time shows the same."""
        if now != self._drawn_at:
            self._drawn_at = now
            self._delay.random_(self._lags[0], self._lags[1] + 1)
        return super().__call__(value, now)
