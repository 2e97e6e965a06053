"""Levels of difficulty that follow how far a robot walks.

Source: the terrain curriculum of legged_gym, Isaac Lab and mjlab (Rudin et al. 2022, "Learning to Walk in Minutes"),
with two differences: how far a robot has walked is measured along its commands, not from its origin, because commands
turn and change within an episode; and whoever falls does not go up.
Axis letters: N environments, n of them.
"""

import torch
from torch import Tensor

from surefoot.manifest.terrain import TerrainGenerator
from surefoot.randomization.streams import Streams
from surefoot.terrain.ground import Ground


class TerrainLevels:
    """The level of each environment's episodes; its column never changes.

    Args:
        generator: Levels and their curriculum.
        ground: Where the environments stand; moved when a level changes.
        streams: Keyed random numbers.
        episode_length: s.
        frozen: Draw the level of each episode, as without a curriculum.
    """

    def __init__(
        self, generator: TerrainGenerator, ground: Ground, streams: Streams, episode_length: float, frozen: bool
    ) -> None:
        self._generator, self._ground, self._streams = generator, ground, streams
        self._curriculum = None if frozen else generator.curriculum
        self._episode_length = episode_length
        num_envs, device = streams.num_envs, streams.device
        # Tiles are numbered row after row.
        self._column = ground.tiles % generator.columns
        self.walked = torch.zeros(num_envs, device=device)
        """m in the running episode, along the commands. Shape (N,)."""
        self.commanded = torch.zeros(num_envs, device=device)
        """m in the running episode. Shape (N,)."""
        self.time = torch.zeros(num_envs, device=device)
        """s, of the running episode, as simulated. Shape (N,)."""
        start = 0 if self._curriculum is None else self._curriculum.start_level
        draws = streams.uniform("terrain/start", None, 1, 0, start + 1, per_episode=False)
        self.level = draws.squeeze(1).long().clamp_(max=start)
        """Shape (N,), int64."""
        self._place(torch.arange(num_envs, device=device))

    def step(self, command: Tensor, base_lin_vel_yaw: Tensor, dt: float) -> None:
        """Take in one control step.

        Args:
            command: vx, vy (m/s), yaw rate (rad/s). Shape (N, 3).
            base_lin_vel_yaw: m/s, base yaw frame. Shape (N, 3).
            dt: s.
        """
        speed = command[:, :2].square().sum(dim=1).sqrt()
        # A command to stand has no direction: its product is 0, and stays 0 over the smallest divisor.
        along = (command[:, :2] * base_lin_vel_yaw[:, :2]).sum(dim=1) / speed.clamp(min=1e-6)
        self.walked.add_(torch.nan_to_num(along), alpha=dt)  # a broken state is a fault, counted elsewhere
        self.commanded.add_(speed, alpha=dt)
        self.time.add_(dt)

    def begin(self, env_ids: Tensor, failed: Tensor, valid: Tensor) -> None:
        """Choose the levels of the episodes that some environments have just begun.

        Args:
            env_ids: Shape (n,).
            failed: Whether the last episode ended by failure. Shape (n,), bool.
            valid: Whether it counts: no fault. Shape (n,), bool.
        """
        top = self._generator.levels
        drawn = self._streams.uniform("terrain/levels", env_ids, 1, 0, top).squeeze(1).long().clamp_(max=top - 1)
        if self._curriculum is None:
            self.level[env_ids] = drawn
        else:
            # An episode without a step, as at the first reset, proves nothing.
            change = self._change(env_ids, failed) * (valid & (self.time[env_ids] > 0))
            level = (self.level[env_ids] + change).clamp_(min=0)
            self.level[env_ids] = torch.where(level < top, level, drawn)  # whoever has passed the last goes anywhere
        for column in (self.walked, self.commanded, self.time):
            column[env_ids] = 0.0
        self._place(env_ids)

    def forget(self) -> None:
        """The running episodes are broken off: the next ones have the same levels."""
        for column in (self.walked, self.commanded, self.time):
            column.zero_()

    def _change(self, env_ids: Tensor, failed: Tensor) -> Tensor:
        """1, 0 or -1 for each environment. Shape (n,)."""
        curriculum = self._curriculum
        assert curriculum is not None
        walked, commanded, time = self.walked[env_ids], self.commanded[env_ids], self.time[env_ids]
        # Who failed is held to what the commands would have been until the end of the episode.
        whole = commanded * torch.where(failed, self._episode_length / time.clamp(min=1e-6), 1.0).clamp(min=1.0)
        up = (walked > curriculum.promote * self._ground.half_tile) & ~failed
        down = (walked < curriculum.demote * whole) & ~up
        return up.long() - down.long()

    def _place(self, env_ids: Tensor) -> None:
        self._ground.place(env_ids, self.level[env_ids] * self._generator.columns + self._column[env_ids])
