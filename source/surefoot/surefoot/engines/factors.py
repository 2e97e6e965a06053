"""Factors that are numbers of the physics: what becomes of a robot with given values. Engines only write it.

Nothing here has a memory: every value is computed from the nominal robot, so nothing can drift.

Axis letters: N environments, n environments written to, k bodies, joints or geometries.
"""

from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from surefoot.errors import EngineError
from surefoot.manifest.factors import FACTORS
from surefoot.manifest.manifest import Manifest
from surefoot.randomization.buckets import Buckets

PLACE = ("payload_x", "payload_y", "payload_z")
SHIFT = ("com_shift_x", "com_shift_y", "com_shift_z")


@dataclass(frozen=True)
class Loaded:
    """The base with what factors put on it. Shapes (n,), (n, 3), (n, 3, 3)."""

    mass: Tensor
    """kg."""
    com: Tensor
    """m, link frame."""
    apart: Tensor | None
    """kg m^2, link axes: inertia because the two centres of mass are apart, beside the body's own in proportion to
    mass; None where the payload is at the body's."""


@dataclass(frozen=True)
class Base:
    """The base body as the robot definition says: kg; m, link frame; kg m^2 about that point, link axes."""

    mass: float
    com: Tensor
    inertia: Tensor

    def loaded(self, values: dict[str, Tensor]) -> Loaded:
        """Join a payload of the body's own shape, whose inertia is the body's times the ratio of masses.

        With the reduced mass mu = m a / (m + a) and the distance d between the two centres of mass, the inertia about
        the common centre is I (1 + a / m) + mu (d^2 E - d d^T): the parallel-axis theorem for body and payload.

        Args:
            values: At least one factor, in double precision; without `payload_mass` there is no payload. Shape (n,)
                each.
        """
        zero = torch.zeros_like(next(iter(values.values())))
        added = values.get("payload_mass", zero)
        mass, com, apart = self.mass + added, self.com.expand(len(zero), 3), None
        if any(name in values for name in PLACE):
            d = torch.stack([values.get(name, com[:, axis]) for axis, name in enumerate(PLACE)], dim=1) - self.com
            square = d.square().sum(dim=1)[:, None, None] * torch.eye(3, dtype=d.dtype, device=d.device)
            apart = (self.mass * added / mass)[:, None, None] * (square - d.unsqueeze(2) * d.unsqueeze(1))
            com = com + d * (added / mass).unsqueeze(1)
        if any(name in values for name in SHIFT):
            com = com + torch.stack([values.get(name, zero) for name in SHIFT], dim=1)
        return Loaded(mass, com, apart)


class PhysicsFactors:
    """The factors in force that are numbers of the physics.

    Args:
        manifest: For the ranges that values are drawn from.
        buckets: The values. Where conditions leave one to the robot (NaN), the neutral value takes its place.
        imposed: Whether they are conditions of an evaluation.
        nominal: Quantities of one robot as the simulator holds them at the start, in double precision. Shape (k, ...).
        base: Its base body.

    Attributes:
        names: Of the factors.
        nominal: As given.
        base: As given.

    Raises:
        EngineError: Values that leave the base without mass or with an impossible inertia.
    """

    def __init__(
        self, manifest: Manifest, buckets: Buckets, imposed: bool, nominal: dict[str, Tensor], base: Base
    ) -> None:
        self._manifest, self._buckets = manifest, buckets
        self.nominal, self.base = nominal, base
        self.names = tuple(name for name in buckets.values if FACTORS[name].quantities)
        self._left: dict[str, Tensor] = {}
        """Environments that a factor leaves to the robot, whose joints need not be alike. Shape (N,) each."""
        for name in self.names:
            if FACTORS[name].sets and buckets.values[name].isnan().any():
                self._left[name] = buckets.values[name].isnan()
            buckets.values[name].nan_to_num_(nan=self.neutral(name))
        self._check_base(imposed)

    def values(self, env_ids: Tensor) -> dict[str, Tensor]:
        """Values in force; NaN where a factor that would set all joints alike leaves them to the robot. Shape (n,)."""
        values = {name: self._buckets.values[name][env_ids] for name in self.names}
        return values | {name: torch.where(left[env_ids], torch.nan, values[name]) for name, left in self._left.items()}

    def neutral(self, name: str) -> float:
        """Value of a factor that changes nothing; of the first joint or foot where they are not alike."""
        stated = FACTORS[name].neutral
        if stated is not None:
            return stated
        if name in PLACE:
            return float(self.base.com[PLACE.index(name)])
        return float(self.nominal[FACTORS[name].sets[0]][0])

    def furthest(self, name: str) -> int | None:
        """The environment whose value is furthest from neutral; None where all have that."""
        apart = (self._buckets.values[name].double() - self.neutral(name)).abs()
        index = int(apart.argmax())
        return index if float(apart[index]) > 1e-6 else None

    def without(self, name: str, values: dict[str, Tensor]) -> dict[str, Tensor]:
        """The same values, and a factor left to the robot."""
        left = torch.nan if FACTORS[name].sets else self.neutral(name)
        return values | {name: torch.full_like(values[name], left)}

    def scaling(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        """Product of the factors on each quantity that one of the values scales. Shape (n,)."""
        found: dict[str, Tensor] = {}
        for name, kind in FACTORS.items():  # in this order, whatever that of the values: products round
            for quantity in kind.scales if name in values else ():
                found[quantity] = found[quantity] * values[name] if quantity in found else values[name]
        return found

    def rows(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        """What each quantity must be that one of the values scales or sets, if the simulator has it. Shape (n, k, ...).

        Args:
            values: In double precision. Shape (n,) each.
        """
        found: dict[str, Tensor] = {}
        for quantity, factor in self.scaling(values).items():
            if (nominal := self.nominal.get(quantity)) is not None:
                found[quantity] = nominal * factor.view(-1, *[1] * nominal.dim())
        for name, value in values.items():
            for quantity in FACTORS[name].sets:
                nominal = self.nominal[quantity]
                column = value.view(-1, *[1] * nominal.dim())
                found[quantity] = torch.where(column.isnan(), nominal, column)
        return found

    def _check_base(self, imposed: bool) -> None:
        """At all corners of the ranges, or as imposed."""
        factors, values = self._manifest.randomization.factors, self._buckets.values
        names = [name for name in self.names if name in ("payload_mass", *PLACE)]
        if not names:
            return
        if imposed:
            columns = torch.stack([values[name].double() for name in names])
        else:
            corners = list(product(*((factors[name].edges[0], factors[name].edges[-1]) for name in names)))
            columns = torch.tensor(corners, dtype=torch.float64, device=self.base.com.device).T
        loaded = self.base.loaded(dict(zip(names, columns, strict=True)))
        inertia = self.base.inertia * (loaded.mass / self.base.mass)[:, None, None]
        moments = torch.linalg.eigvalsh(inertia if loaded.apart is None else inertia + loaded.apart)
        possible = (moments[:, 0] > 0) & (moments[:, 2] <= (moments[:, 0] + moments[:, 1]) * 1.001) & (loaded.mass > 0)
        for index in (~possible).nonzero().flatten().tolist():
            what = ", ".join(f"{name} {float(column[index]):g}" for name, column in zip(names, columns, strict=True))
            raise EngineError(
                f"randomization.factors.payload_mass.edges: {what} leaves {self._manifest.robot.base_body!r} without "
                f"mass or with an inertia that no body has; its nominal mass is {self.base.mass:g} kg."
            )
