"""Kicks: sudden changes of the base velocity at random times."""

import torch
from torch import Tensor

from surefoot.manifest.learning import Push
from surefoot.randomization.streams import Streams


class Pushes:
    """A countdown per environment."""

    def __init__(self, push: Push, num_envs: int, streams: Streams) -> None:
        self._push = push
        self._streams = streams
        self.enabled = push.lin_vel_xy > 0 or push.ang_vel_z > 0
        self.time_left = streams.uniform("pushes", (num_envs,), *push.interval)
        """s until the next kick. Shape (num_envs,)."""

    def step(self, dt: float) -> tuple[Tensor, Tensor]:
        """Advance the countdowns by `dt`, s.

        Returns:
            Environments that are kicked now, shape (n,), and the change of vx, vy (m/s, world) and of the yaw rate
            (rad/s), shape (n, 3).
        """
        self.time_left -= dt
        env_ids = (self.time_left <= 0).nonzero().flatten()
        count = len(env_ids)
        if count == 0:
            return env_ids, torch.zeros(0, 3, device=self.time_left.device)
        self.time_left[env_ids] = self._streams.uniform("pushes", (count,), *self._push.interval)
        size = torch.tensor([self._push.lin_vel_xy] * 2 + [self._push.ang_vel_z], device=self.time_left.device)
        return env_ids, self._streams.uniform("pushes", (count, 3), -1.0, 1.0) * size
