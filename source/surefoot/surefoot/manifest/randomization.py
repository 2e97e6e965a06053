"""The randomisation section: factors cut into intervals, the buckets they form, and kicks."""

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from surefoot.errors import did_you_mean
from surefoot.manifest.base import KeyedError, NonNegativeFloat, Number, PositiveRange, Section
from surefoot.manifest.factors import FACTORS
from surefoot.manifest.terrain_classes import TERRAIN_CLASS

MAX_BUCKETS = 100_000
"""Each has a row in every account; more than robots have ever been trained at once is never filled."""


class Push(Section):
    """A kick: the base velocity is changed at once."""

    interval: PositiveRange
    """s between kicks."""
    lin_vel_xy: NonNegativeFloat
    """m/s, largest change on each horizontal axis; 0 switches pushes off."""
    ang_vel_z: NonNegativeFloat
    """rad/s, largest change of the yaw rate."""


class Factor(Section):
    """One factor: n + 1 edges cut its range into n intervals, all equally likely, uniform inside."""

    edges: Annotated[tuple[Number, ...], Field(min_length=2, max_length=1001)]
    """In the factor's unit, ascending; two equal edges fix the value."""
    mode: Literal["startup", "reset"]
    """Drawn once per environment, or anew for each episode."""

    @property
    def num_intervals(self) -> int:
        return len(self.edges) - 1

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        fixed = len(self.edges) == 2 and self.edges[0] == self.edges[1]
        for low, high in pairwise(self.edges):
            if not low < high and not fixed:
                raise KeyedError(
                    "edges",
                    f"expected ascending edges, or two equal ones for a fixed value, got {low:g} before {high:g} "
                    f"in {list(self.edges)}",
                )
        return self


class Randomization(Section):
    """What differs between environments."""

    factors: dict[str, Factor]
    """By name; the names are those of `surefoot.manifest.factors`."""
    bucket_by: Annotated[tuple[str, ...], Field(max_length=100)]
    """Factors whose intervals form the bucket id; the last one varies fastest. On generated ground also
    `terrain_class`, whose intervals are the classes."""
    push: Push

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        for name, factor in self.factors.items():
            if name == TERRAIN_CLASS:
                raise KeyedError(f"factors.{name}", "belongs into bucket_by alone; the classes are in task.terrain")
            if name not in FACTORS:
                raise KeyedError(f"factors.{name}", f"unknown factor. {did_you_mean(name, FACTORS)}")
            for edge in factor.edges:
                if problem := FACTORS[name].problem(edge):
                    raise KeyedError(f"factors.{name}.edges", problem)
        for index, name in enumerate(self.bucket_by):
            if name not in self.factors and name != TERRAIN_CLASS:
                raise KeyedError(
                    f"bucket_by.{index}",
                    f"{name!r} is not in randomization.factors. {did_you_mean(name, self.factors)}",
                )
            if name in self.bucket_by[:index]:
                raise KeyedError(f"bucket_by.{index}", f"{name!r} is named twice")
        if self.num_combinations > MAX_BUCKETS:
            raise KeyedError("bucket_by", f"expected at most {MAX_BUCKETS:,} buckets, got {self.num_combinations:,}")
        self._check_effect()
        return self

    def _check_effect(self) -> None:
        """A factor that scales or places something needs that thing."""
        kicked = self.push.lin_vel_xy > 0 or self.push.ang_vel_z > 0
        for name in self.factors:
            if FACTORS[name].compared == "kicks" and not kicked:
                raise KeyedError(f"factors.{name}", "has nothing to scale: push.lin_vel_xy and ang_vel_z are both 0")
            if (needed := FACTORS[name].needs) and needed not in self.factors:
                raise KeyedError(f"factors.{name}", f"does nothing without factors.{needed}, which is absent")

    @property
    def num_combinations(self) -> int:
        """Product of the bucketed factors' numbers of intervals, terrain classes not counted."""
        product = 1
        for name in self.bucket_by:
            product *= self.factors[name].num_intervals if name != TERRAIN_CLASS else 1
        return product
