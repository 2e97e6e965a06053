"""The ground: a plane, or tiles of terrain classes by level of difficulty; and the scan of its height."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from surefoot.errors import did_you_mean
from surefoot.manifest.base import (
    Fraction,
    KeyedError,
    NonNegativeFloat,
    OmittedByDefault,
    Ordered,
    PositiveFloat,
    Section,
)
from surefoot.manifest.terrain_classes import TERRAIN_CLASSES, Ends

MAX_POINTS = 50_000_000
"""Heights of a ground: 0.4 GB as numbers of double precision."""


class TerrainClass(Section):
    """One class of a generated terrain."""

    proportion: PositiveFloat
    """Share of the columns, relative to the other classes."""
    params: dict[str, Ends] = Field(default_factory=dict, max_length=100)
    """By name, the values at difficulty 0 and 1; what is left out has the class's default."""


class TerrainCurriculum(Section):
    """Levels that follow how far a robot walks."""

    start_level: int = Field(ge=0)
    """Environments start spread over levels 0 to this one."""
    promote: PositiveFloat
    """Half tiles walked without falling, from which on the next episode is one level harder."""
    demote: Fraction
    """Share of the commanded distance, below which it is one level easier."""


class TerrainGenerator(Section):
    """Tiles in rows of equal difficulty and columns of equal class, in one height grid."""

    seed: int = Field(ge=0, le=2**31 - 1)
    """Of every tile."""
    classes: Annotated[dict[str, TerrainClass], Field(min_length=1), Ordered()]
    """By name; the names are those of `TERRAIN_CLASSES`. Their order numbers the columns."""
    difficulty: tuple[Fraction, Fraction]
    """Of the first and the last level; levels are equally spaced."""
    levels: Annotated[int, Field(gt=0, le=1000)]
    """Rows."""
    columns: Annotated[int, Field(gt=0, le=1000)]
    """Tiles of each level."""
    tile_size: PositiveFloat
    """m, side of a tile."""
    platform: PositiveFloat
    """m, side of the level square in the middle of each tile, where episodes start."""
    resolution: PositiveFloat
    """m, distance of the grid's points."""
    border: NonNegativeFloat
    """m, level ground around all tiles."""
    curriculum: TerrainCurriculum | None = None
    """None: the level of each episode is drawn, all equally likely."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name, entry in self.classes.items():
            if name not in TERRAIN_CLASSES:
                raise KeyedError(f"classes.{name}", f"unknown terrain class. {did_you_mean(name, TERRAIN_CLASSES)}")
            check_shape_params(name, entry.params, f"classes.{name}.params")
        if self.columns < len(self.classes):
            raise KeyedError("columns", f"expected at least one for each of {len(self.classes)} classes")
        if self.difficulty[0] > self.difficulty[1]:
            raise KeyedError("difficulty", f"expected [first, last] with first <= last, got {list(self.difficulty)}")
        if self.curriculum is not None and self.curriculum.start_level >= self.levels:
            raise KeyedError("curriculum.start_level", f"expected less than levels ({self.levels})")
        check_tile(self.tile_size, self.platform, self.resolution)
        sides = [count * self.tile_size + 2 * self.border for count in (self.levels, self.columns)]
        points = sides[0] * sides[1] / self.resolution**2
        if points > MAX_POINTS:
            raise KeyedError("resolution", f"expected at most {MAX_POINTS:,} points of the ground, got {points:,.0f}")
        return self

    @property
    def class_columns(self) -> dict[str, int]:
        """Columns of each class, by largest remainder of the proportions, one at least."""
        total = sum(entry.proportion for entry in self.classes.values())
        spare = self.columns - len(self.classes)
        ideal = {name: spare * entry.proportion / total for name, entry in self.classes.items()}
        counts = {name: 1 + int(share) for name, share in ideal.items()}
        left = self.columns - sum(counts.values())
        for name in sorted(ideal, key=lambda name: (int(ideal[name]) - ideal[name], name))[:left]:
            counts[name] += 1
        return counts


def check_shape_params(terrain_class: str, params: dict[str, Ends], where: str) -> None:
    """Refuse parameters that a class does not take, or values that no ground has.

    Raises:
        KeyedError: At `where`, followed by the name of the parameter.
    """
    known = TERRAIN_CLASSES[terrain_class].params
    for name, ends in params.items():
        if name not in known:
            hint = did_you_mean(name, known) if known else "It has none."
            raise KeyedError(f"{where}.{name}", f"{terrain_class} has no such parameter. {hint}")
        if problem := known[name].problem(ends):
            raise KeyedError(f"{where}.{name}", problem)


def check_tile(tile_size: float, platform: float, resolution: float) -> None:
    """Refuse a tile that is no whole number of cells, or smaller than its platform.

    Raises:
        KeyedError: At the measure that does not fit.
    """
    cells = tile_size / resolution
    if abs(cells - round(cells)) > 1e-6 or round(cells) < 4:
        raise KeyedError("resolution", f"expected tile_size {tile_size:g} m in whole cells, 4 or more, got {cells:g}")
    if platform > tile_size - 2 * resolution:
        raise KeyedError("platform", f"expected less than tile_size {tile_size:g} m, got {platform:g} m")


class Terrain(Section):
    """The ground."""

    kind: Literal["plane", "generator"]
    env_spacing: PositiveFloat
    """m between environment origins, on a plane."""
    generator: Annotated[TerrainGenerator | None, OmittedByDefault()] = None
    """For kind `generator` alone."""

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
        if self.kind == "generator" and self.generator is None:
            raise KeyedError("generator", "missing: kind is 'generator'")
        if self.kind == "plane" and self.generator is not None:
            raise KeyedError("generator", "expected null: kind is 'plane'")
        return self


class HeightScan(Section):
    """Points around the robot, in its heading, where the ground's height is looked up."""

    size: tuple[PositiveFloat, PositiveFloat]
    """m, forward and sideways, the robot in the middle."""
    resolution: PositiveFloat
    """m between points."""

    @model_validator(mode="after")
    def _check_whole(self) -> Self:
        for length in self.size:
            steps = length / self.resolution
            if abs(steps - round(steps)) > 1e-6:
                raise KeyedError(
                    "size", f"expected whole multiples of resolution {self.resolution:g} m, got {length:g}"
                )
        if self.num_rays > 10_000:
            raise KeyedError("resolution", f"expected at most 10,000 points, got {self.num_rays:,}")
        return self

    @property
    def shape(self) -> tuple[int, int]:
        """Points sideways and forward."""
        return round(self.size[1] / self.resolution) + 1, round(self.size[0] / self.resolution) + 1

    @property
    def num_rays(self) -> int:
        """Number of points."""
        return self.shape[0] * self.shape[1]
