"""Kicks: sudden changes of the base velocity at random times."""

import torch
from torch import Tensor

from surefoot.manifest.randomization import Push
from surefoot.randomization.streams import Streams


class Pushes:
    """A countdown per environment, started anew with each episode."""

    def __init__(self, push: Push, num_envs: int, streams: Streams) -> None:
        self._interval = push.interval
        self._streams = streams
        self.enabled = push.lin_vel_xy > 0 or push.ang_vel_z > 0
        device = streams.device
        self._size = torch.tensor([push.lin_vel_xy, push.lin_vel_xy, push.ang_vel_z], device=device)
        self._draws = torch.zeros(num_envs, dtype=torch.int64, device=device)
        """Draws in the running episode. Shape (num_envs,)."""
        self.time_left = torch.zeros(num_envs, device=device)
        """s until the next kick. Shape (num_envs,)."""
        self.reset(torch.arange(num_envs, device=device))

    def reset(self, env_ids: Tensor) -> None:
        """Start the countdowns of new episodes."""
        self._draws[env_ids] = 0
        self._draw(env_ids)

    def step(self, dt: float) -> tuple[Tensor, Tensor]:
        """Advance the countdowns by `dt`, s.

        Returns:
            Environments that are kicked now, shape (n,), and the change of vx, vy (m/s, world) and of the yaw rate
            (rad/s), shape (n, 3).
        """
        self.time_left -= dt
        env_ids = (self.time_left <= 0).nonzero().flatten()
        if len(env_ids) == 0:
            return env_ids, torch.zeros(0, 3, device=self.time_left.device)
        return env_ids, self._draw(env_ids)

    def _draw(self, env_ids: Tensor) -> Tensor:
        """Draw the time to the next kick and the size of one now."""
        tick = self._draws[env_ids]
        self._draws[env_ids] = tick + 1
        draws = self._streams.uniform("pushes", env_ids, 4, tick=tick)
        low, high = self._interval
        self.time_left[env_ids] = low + (high - low) * draws[:, 0]
        return (2.0 * draws[:, 1:] - 1.0) * self._size
