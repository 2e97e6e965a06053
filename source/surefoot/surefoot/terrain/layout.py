"""Tiles side by side in one height grid.

World frame: the middle of all tiles is at the origin, x along rows of the grid, z = 0 on every tile's platform.
Axis letters: T tiles.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
from numpy.typing import NDArray

from surefoot.errors import SurefootError
from surefoot.manifest.terrain import TerrainGenerator
from surefoot.terrain.tiles import Tile, TileGeometry, tile_heights

MAX_POINTS = 100_000_000
"""Points of a grid; MuJoCo keeps 4 bytes for each, twice."""


@dataclass(frozen=True)
class TerrainLayout:
    """A height grid, and where its tiles are."""

    tiles: tuple[Tile, ...]
    """In the order of their numbers. Length T."""
    classes: tuple[str, ...]
    """Names of the terrain classes; their order numbers them."""
    geometry: TileGeometry
    columns: int
    """Tiles side by side along y; tile t stands in row t // columns and column t % columns."""
    heights: NDArray[np.float32]
    """m, world. Shape (nx, ny)."""
    centers: NDArray[np.float64]
    """Middle of each tile, m, world. Shape (T, 2)."""

    @property
    def resolution(self) -> float:
        """m between points."""
        return self.geometry.resolution

    @property
    def origin(self) -> tuple[float, float]:
        """x and y of the first point, m, world."""
        nx, ny = self.heights.shape
        return -0.5 * (nx - 1) * self.resolution, -0.5 * (ny - 1) * self.resolution

    @property
    def highest(self) -> float:
        """m, world, of its highest point."""
        return float(self.heights.max())

    @property
    def class_ids(self) -> NDArray[np.int64]:
        """Number of each tile's class. Shape (T,)."""
        return np.array([self.classes.index(tile.terrain_class) for tile in self.tiles], dtype=np.int64)

    @property
    def rows(self) -> int:
        """Tiles along x, the last row perhaps not complete."""
        return -(-len(self.tiles) // self.columns)

    @classmethod
    def from_generator(cls, generator: TerrainGenerator) -> Self:
        """Rows are levels, columns are classes, as the manifest says."""
        levels, (first, last) = generator.levels, generator.difficulty
        step = (last - first) / (levels - 1) if levels > 1 else 0.0
        tiles = [
            # The index counts within the class: another class beside it leaves these tiles as they are.
            Tile(name, first + step * level, generator.seed, level * count + k, dict(generator.classes[name].params))
            for level in range(levels)
            for name, count in generator.class_columns.items()
            for k in range(count)
        ]
        geometry = TileGeometry(generator.tile_size, generator.platform, generator.resolution)
        return cls._build(tiles, tuple(generator.classes), geometry, generator.columns, generator.border)

    @classmethod
    def from_tiles(
        cls,
        tiles: Sequence[Tile | tuple[str, float, int]],
        geometry: TileGeometry | None = None,
        border: float = 1.0,
    ) -> Self:
        """Given tiles, side by side in about a square; tile t of the layout is the t-th of the list.

        Args:
            tiles: Tiles, or (class, difficulty, seed).
            geometry: Of all of them.
            border: m, level ground around them.

        Raises:
            SurefootError: No tiles, or more points than `MAX_POINTS`.
        """
        made = [tile if isinstance(tile, Tile) else Tile(*tile) for tile in tiles]
        columns = int(np.ceil(np.sqrt(len(made))))
        # Not a set: its order, and so the classes' numbers, would change from process to process.
        names = tuple(dict.fromkeys(tile.terrain_class for tile in made))
        return cls._build(made, names, geometry or TileGeometry(), columns, border)

    @classmethod
    def _build(
        cls, tiles: list[Tile], classes: tuple[str, ...], geometry: TileGeometry, columns: int, border: float
    ) -> Self:
        if not tiles:
            raise SurefootError("A terrain needs at least one tile, got none.")
        rows, n, edge = -(-len(tiles) // columns), geometry.points, round(border / geometry.resolution)
        shape = (rows * n + 2 * edge, columns * n + 2 * edge)
        if shape[0] * shape[1] > MAX_POINTS:
            raise SurefootError(
                f"{len(tiles)} tiles of {geometry.size:g} m at {geometry.resolution:g} m are {shape[0]} x {shape[1]} "
                f"points, expected at most {MAX_POINTS:,}. Use fewer or smaller tiles, or a coarser resolution."
            )
        heights = np.zeros(shape, dtype=np.float32)
        places = [(t // columns, t % columns) for t in range(len(tiles))]
        for tile, (row, column) in zip(tiles, places, strict=True):
            x, y = edge + row * n, edge + column * n
            heights[x : x + n, y : y + n] = tile_heights(tile, geometry)
        middle = 0.5 * np.array([rows - 1, columns - 1])
        # Layouts are cached below and shared by environments.
        heights.flags.writeable = False
        return cls(tuple(tiles), classes, geometry, columns, heights, (np.array(places) - middle) * geometry.size)


EVALUATION_TILE = TileGeometry(size=32.0)
"""Of tiles that an evaluation names: large enough to walk 15 m straight ahead."""


def evaluation_layout(tiles: Sequence[tuple[str, float, int]]) -> TerrainLayout:
    """Tiles that an evaluation names by class, difficulty and seed, shaped by the classes' defaults.

    Built once for equal tiles in a row.
    """
    return _imposed(tuple(tiles))


@lru_cache(maxsize=1)
def _imposed(tiles: tuple[tuple[str, float, int], ...]) -> TerrainLayout:
    return TerrainLayout.from_tiles(tiles, EVALUATION_TILE)


def generated_layout(generator: TerrainGenerator) -> TerrainLayout:
    """`TerrainLayout.from_generator`, built once for equal sections."""
    # Text is the key, because a section with dicts in it cannot be hashed.
    return _cached(generator.model_dump_json())


@lru_cache(maxsize=2)
def _cached(text: str) -> TerrainLayout:
    return TerrainLayout.from_generator(TerrainGenerator.model_validate_json(text))
