"""Velocity commands: drawn, held and resampled, the same on every engine."""

import torch
from torch import Tensor

from surefoot.manifest.task import Commands
from surefoot.randomization.conditions import Timetable
from surefoot.randomization.streams import Streams


class VelocityCommands:
    """Writes vx, vy (m/s) and yaw rate (rad/s) into the buffer that RobotState shows."""

    def __init__(self, commands: Commands, buffer: Tensor, streams: Streams) -> None:
        self._commands = commands
        self._streams = streams
        self.buffer = buffer
        """Shape (num_envs, 3)."""
        self.time_left = torch.zeros(len(buffer), device=buffer.device)
        """s until the next command. Shape (num_envs,)."""
        self._draws = torch.zeros(len(buffer), dtype=torch.int64, device=buffer.device)
        """Commands drawn in the running episode. Shape (num_envs,)."""
        self.held = False
        """True while commands come from outside (`hold`, `follow`)."""
        self._following: tuple[Timetable, Tensor] | None = None
        """While a timetable is followed: it, and s since each reset, float64, shape (num_envs,)."""

    def hold(self, command: Tensor) -> None:
        """Stop drawing: all environments follow `command`, shape (3,) or (num_envs, 3), until it is changed."""
        self.buffer.copy_(command.expand_as(self.buffer))
        self.held = True
        self._following = None

    def follow(self, timetable: Timetable) -> None:
        """Stop drawing: each environment follows its row of the timetable, from each of its resets on.

        A command is in force from the first control step that begins at its time or later.
        """
        self.held = True
        # In single precision a long sum of control steps misses its entry by more than `_look_up` allows.
        elapsed = torch.zeros(len(self.buffer), dtype=torch.float64, device=self.buffer.device)
        self._following = (timetable, elapsed)
        self._look_up()

    def reset(self, env_ids: Tensor) -> None:
        """Draw the first commands of new episodes."""
        # No draw of an episode depends on how many the one before had.
        self._draws[env_ids] = 0
        if self._following is not None:
            self._following[1][env_ids] = 0.0
            self._look_up()
        self.resample(env_ids)

    def resample(self, env_ids: Tensor) -> None:
        """Draw new commands for some environments."""
        if self.held or len(env_ids) == 0:
            return
        ranges = self._commands
        tick = self._draws[env_ids]
        self._draws[env_ids] = tick + 1
        # vx, vy, yaw rate, whether the command is to stand, and how long it holds.
        draws = self._streams.uniform("commands", env_ids, 5, tick=tick)
        for axis, (low, high) in enumerate((ranges.lin_vel_x, ranges.lin_vel_y, ranges.ang_vel_z)):
            self.buffer[env_ids, axis] = low + (high - low) * draws[:, axis]
        standing = draws[:, 3] < ranges.standing_fraction
        self.buffer[env_ids[standing]] = 0.0
        low, high = ranges.resampling_time
        self.time_left[env_ids] = low + (high - low) * draws[:, 4]

    def step(self, dt: float | Tensor) -> None:
        """Advance the countdowns by `dt`, s (a number or shape (num_envs,)), and draw where they have run out."""
        self.time_left -= dt
        if self._following is not None:
            self._following[1].add_(dt)
            self._look_up()
        self.resample((self.time_left <= 0).nonzero().flatten())

    def _look_up(self) -> None:
        """Write the timetable's commands of this moment."""
        assert self._following is not None
        timetable, elapsed = self._following
        now = (elapsed + 1e-6).unsqueeze(1)  # times are sums of control steps
        place = (timetable.times <= now).sum(dim=1) - 1
        rows = torch.arange(len(place), device=place.device)
        self.buffer.copy_(timetable.commands[rows, place])
