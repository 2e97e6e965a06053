"""What an evaluation puts each environment under, in place of what the manifest would draw.

Axis letters: N environments, K kicks, T entries of a timetable.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Kicks:
    """Sudden changes of the base velocity, in ascending order of time; unused places have an infinite time."""

    at: Tensor
    """s since the reset, from which on the kick is due. Shape (N, K)."""
    phase: Tensor
    """Fraction of the gait cycle that it then waits for; NaN: it does not wait. Shape (N, K)."""
    change: Tensor
    """vx, vy (m/s, base yaw frame) and yaw rate (rad/s) to add. Shape (N, K, 3)."""


@dataclass(frozen=True)
class Timetable:
    """Velocity commands by time."""

    times: Tensor
    """s since the reset, ascending, the first is 0; unused places are infinite. Shape (N, T)."""
    commands: Tensor
    """vx, vy (m/s), yaw rate (rad/s), base yaw frame. Shape (N, T, 3)."""


@dataclass(frozen=True)
class Conditions:
    """Everything that is imposed, one row an environment."""

    keys: Tensor
    """Number that each environment draws random numbers under, from 0 to 2**32 - 1. Shape (N,), int64."""
    factors: dict[str, Tensor]
    """Value of each randomisation factor; NaN: what the robot definition says. Shape (N,) each."""
    tiles: Tensor
    """Index into `ground`; of no meaning on a plane. Shape (N,), int64."""
    kicks: Kicks
    timetable: Timetable
    ground: tuple[tuple[str, float, int], ...] = ()
    """Class, difficulty and seed of the terrain's tiles; empty: a plane."""

    @property
    def num_envs(self) -> int:
        """Rows."""
        return len(self.keys)

    def to(self, device: str) -> "Conditions":
        """The same conditions elsewhere."""
        return self._each(lambda tensor: tensor.to(device))

    def rows(self, env_ids: Tensor) -> "Conditions":
        """The conditions of some environments. Shape (n,)."""
        return self._each(lambda tensor: tensor[env_ids])

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Conditions":
        kicks, timetable = self.kicks, self.timetable
        return Conditions(
            keys=change(self.keys),
            factors={name: change(value) for name, value in self.factors.items()},
            tiles=change(self.tiles),
            kicks=Kicks(change(kicks.at), change(kicks.phase), change(kicks.change)),
            timetable=Timetable(change(timetable.times), change(timetable.commands)),
            ground=self.ground,
        )


def draw_key(name: str) -> int:
    """The number that an environment of this name draws under: the first 32 bits of its SHA-256, little-endian.

    Two names share a number, and so their draws, with probability 2**-32; nothing else comes of it.
    """
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little")


def as_keys(names: list[str]) -> Tensor:
    """`draw_key` of many. Shape (N,), int64."""
    return torch.tensor([draw_key(name) for name in names], dtype=torch.int64)
