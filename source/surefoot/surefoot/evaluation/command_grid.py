"""The fixed grid of velocity commands that policies are measured on."""

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from surefoot.errors import SurefootError
from surefoot.manifest.manifest import MAX_ENVS

GRID_VERSION = 2
"""Counts changes of the commands, the duration or the assignment of buckets; two versions are not comparable."""


@dataclass(frozen=True)
class CommandGrid:
    """Every combination of the values, each held for `duration` by `replicates` robots, all in one batch."""

    lin_vel_x: tuple[float, ...] = (-0.5, 0.0, 0.5, 1.0)
    """m/s, forward, base yaw frame."""
    lin_vel_y: tuple[float, ...] = (-0.3, 0.0, 0.3)
    """m/s, left, base yaw frame."""
    ang_vel_z: tuple[float, ...] = (-0.5, 0.0, 0.5)
    """rad/s, counter-clockwise."""
    duration: float = 10.0
    """s."""
    replicates: int = 8
    """Episodes per command; they differ in start, friction, mass and sensor noise."""
    warm_up: float = 1.0
    """s left out of the errors that are named `_after_warm_up`; the plain errors leave nothing out."""

    def __post_init__(self) -> None:
        values = (*self.lin_vel_x, *self.lin_vel_y, *self.ang_vel_z, self.duration, self.warm_up)
        if not all(math.isfinite(value) for value in values):
            raise SurefootError(f"Command grid: expected finite numbers, got {values}.")
        if self.duration <= 0 or self.warm_up < 0:
            raise SurefootError(
                f"Command grid: expected duration > 0 s and warm-up >= 0 s, got {self.duration} and {self.warm_up}."
            )
        if self.num_commands == 0:
            raise SurefootError("Command grid: expected at least one value for each of vx, vy and yaw rate.")
        if not 1 <= self.num_envs <= MAX_ENVS:
            raise SurefootError(
                f"Command grid: expected 1 to {MAX_ENVS // self.num_commands} replicates of {self.num_commands} "
                f"commands, got {self.replicates}."
            )

    @property
    def num_commands(self) -> int:
        """Cells of the grid."""
        return len(self.lin_vel_x) * len(self.lin_vel_y) * len(self.ang_vel_z)

    @property
    def num_envs(self) -> int:
        """One environment for each command and replicate."""
        return self.num_commands * self.replicates

    def cells(self) -> list[tuple[float, float, float]]:
        """vx, vy (m/s), yaw rate (rad/s) of each command, the last varying fastest."""
        return list(itertools.product(self.lin_vel_x, self.lin_vel_y, self.ang_vel_z))

    def commands(self) -> Tensor:
        """The cells as a tensor. Shape (num_commands, 3)."""
        return torch.tensor(self.cells())

    def env_commands(self) -> Tensor:
        """The command of each environment; replicates of one command are neighbours. Shape (num_envs, 3)."""
        return self.commands().repeat_interleave(self.replicates, dim=0)

    def steps(self, step_dt: float) -> int:
        """Control steps of an episode.

        Args:
            step_dt: s.
        """
        steps = round(self.duration / step_dt)
        if steps < 1:
            raise SurefootError(f"Command grid: {self.duration} s is shorter than one control step of {step_dt} s.")
        return steps
