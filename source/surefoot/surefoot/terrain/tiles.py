"""One tile: class, difficulty and key to a square of heights, whatever other tiles there are.

Axis letters: n points along each side of a tile. Point k is at (k + 0.5) * resolution - tile_size / 2 from the middle,
so that neighbouring tiles share no point and a tile is symmetric.
"""

import hashlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from surefoot.errors import SurefootError, unknown_name
from surefoot.manifest.base import KeyedError
from surefoot.manifest.terrain import check_shape_params, check_tile
from surefoot.manifest.terrain_classes import TERRAIN_CLASSES, Ends
from surefoot.terrain.shapes import BLENDED, SHAPES, Points

_BLEND = 0.5
"""m, width of the ring around the platform in which a random class grows to its full height."""


@dataclass(frozen=True)
class Tile:
    """What a tile's heights are a function of, beside its geometry.

    Raises:
        UnknownName: No such class.
        SurefootError: A difficulty outside 0 to 1, or a parameter that the class does not take.
    """

    terrain_class: str
    difficulty: float
    """0 to 1."""
    seed: int = 0
    index: int = 0
    """Tells tiles of one class and seed apart."""
    params: dict[str, Ends] = field(default_factory=dict[str, Ends])
    """Values at difficulty 0 and 1; what is left out has the class's default."""

    def __post_init__(self) -> None:
        if self.terrain_class not in TERRAIN_CLASSES:
            raise unknown_name("Terrain class", self.terrain_class, TERRAIN_CLASSES)
        if not 0 <= self.difficulty <= 1:
            raise SurefootError(
                f"Terrain class {self.terrain_class!r}: expected a difficulty from 0 to 1, got {self.difficulty}."
            )
        try:
            check_shape_params(self.terrain_class, self.params, "params")
        except KeyedError as error:
            raise SurefootError(f"Terrain class {self.terrain_class!r}: {error.key}: {error}") from None

    @property
    def shape_values(self) -> dict[str, float]:
        """The numbers of the class at this difficulty."""
        kinds = TERRAIN_CLASSES[self.terrain_class].params
        ends = {name: self.params.get(name, kind.default) for name, kind in kinds.items()}
        return {name: (1 - self.difficulty) * easy + self.difficulty * hard for name, (easy, hard) in ends.items()}

    @property
    def generator(self) -> np.random.Generator:
        """Philox under a key of its own: SHA-256 of "seed/class/index"."""
        # Python's own hash of a string changes from process to process.
        digest = hashlib.sha256(f"{self.seed}/{self.terrain_class}/{self.index}".encode()).digest()
        return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))


@dataclass(frozen=True)
class TileGeometry:
    """Measures that all tiles of a layout share, m.

    Raises:
        SurefootError: Measures that do not fit each other.
    """

    size: float = 8.0
    """Side of a tile."""
    platform: float = 1.5
    """Side of the level square in the middle."""
    resolution: float = 0.05
    """Distance of points."""

    def __post_init__(self) -> None:
        try:
            check_tile(self.size, self.platform, self.resolution)
        except KeyedError as error:
            raise SurefootError(f"Tiles: {error.key}: {error}") from None

    @property
    def points(self) -> int:
        """Points along a side."""
        return round(self.size / self.resolution)

    @property
    def offsets(self) -> NDArray[np.float64]:
        """Distance of each point from the middle, m. Shape (n,)."""
        return (np.arange(self.points, dtype=np.float64) + 0.5) * self.resolution - 0.5 * self.size


def tile_heights(tile: Tile, geometry: TileGeometry) -> NDArray[np.float32]:
    """Heights over the platform, m; the first axis is x. Shape (n, n)."""
    x, y = geometry.offsets[:, None], geometry.offsets[None, :]
    from_platform = np.maximum(np.abs(x), np.abs(y)) - 0.5 * geometry.platform
    points = Points(x, y, from_platform, 0.5 * geometry.size)
    heights = SHAPES[tile.terrain_class](points, tile.generator, **tile.shape_values)
    if tile.terrain_class in BLENDED:
        heights = heights * (from_platform / _BLEND).clip(0, 1)
    # Episodes start on the platform, whatever the class around it.
    return np.where(from_platform <= 0, 0.0, heights).astype(np.float32)
