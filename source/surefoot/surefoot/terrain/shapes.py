"""Terrain classes as pure functions: points of a tile, numbers, a generator; heights out.

x and y are distances from the middle of the tile, m, shape (n, 1) and (1, n). `from_platform` is the distance from the
edge of the level square in the middle along the farther axis, m, negative inside. Heights are in m over that square,
which `surefoot.terrain.tiles` levels for all classes. Only `Generator.random` is used: NumPy keeps its bits.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_ROUNDING = 1e-9
"""m, so that a point on a boundary is beyond it, however its distance was rounded."""


@dataclass(frozen=True)
class Points:
    """The points of a tile's grid."""

    x: Array
    """Shape (n, 1)."""
    y: Array
    """Shape (1, n)."""
    from_platform: Array
    """Shape (n, n)."""
    half_size: float
    """m, from the middle to the edge of the tile."""


def flat(points: Points, random: np.random.Generator) -> Array:
    """0 everywhere."""
    return np.zeros_like(points.from_platform)


def random_rough(points: Points, random: np.random.Generator, amplitude: float, spacing: float) -> Array:
    """Uniform heights at points `spacing` apart, bilinear between."""
    # One node beyond the far edge, towards which the last points interpolate.
    nodes = int(2 * points.half_size / spacing) + 2
    heights = amplitude * (2 * random.random((nodes, nodes)) - 1)
    along_x, along_y = ((axis.ravel() + points.half_size) / spacing for axis in (points.x, points.y))
    i, j = along_x.astype(int), along_y.astype(int)
    u, v = (along_x - i)[:, None], (along_y - j)[None, :]
    near, far = heights[i], heights[i + 1]
    return (1 - u) * ((1 - v) * near[:, j] + v * near[:, j + 1]) + u * ((1 - v) * far[:, j] + v * far[:, j + 1])


def slope_up(points: Points, random: np.random.Generator, slope: float) -> Array:
    """Rises by `slope` for each metre away from the platform."""
    return slope * points.from_platform.clip(min=0)


def slope_down(points: Points, random: np.random.Generator, slope: float) -> Array:
    """Falls by `slope` for each metre away from the platform."""
    return -slope_up(points, random, slope)


def stairs_up(points: Points, random: np.random.Generator, step_height: float, step_depth: float) -> Array:
    """The first riser is at the platform's edge, the next `step_depth` further."""
    return step_height * (np.floor((points.from_platform + _ROUNDING) / step_depth) + 1).clip(min=0)


def stairs_down(points: Points, random: np.random.Generator, step_height: float, step_depth: float) -> Array:
    """The mirror image of `stairs_up`."""
    return -stairs_up(points, random, step_height, step_depth)


def boxes(points: Points, random: np.random.Generator, height: float, width: float) -> Array:
    """Squares of side `width`, each at a height of its own."""
    count = int(2 * points.half_size / width) + 1
    heights = height * (2 * random.random((count, count)) - 1)
    i, j = (((axis.ravel() + points.half_size) / width).astype(int) for axis in (points.x, points.y))
    return heights[np.ix_(i, j)]


def discrete_obstacles(
    points: Points, random: np.random.Generator, height: float, width: float, density: float
) -> Array:
    """Blocks; where two overlap, the higher one."""
    count = round(density * (2 * points.half_size) ** 2)
    center_x, center_y, side_x, side_y, share = random.random((5, count))
    heights = np.zeros_like(points.from_platform)
    for k in range(count):
        inside_x = np.abs(points.x - points.half_size * (2 * center_x[k] - 1)) <= 0.25 * width * (1 + side_x[k])
        inside_y = np.abs(points.y - points.half_size * (2 * center_y[k] - 1)) <= 0.25 * width * (1 + side_y[k])
        np.maximum(heights, 0.5 * height * (1 + share[k]), out=heights, where=inside_x & inside_y)
    return heights


def stepping_stones(points: Points, random: np.random.Generator, stone_width: float, gap: float, depth: float) -> Array:
    """One stone in each cell of side stone_width + gap."""
    cell = stone_width + gap
    count = int(2 * points.half_size / cell) + 1
    shift = 0.25 * gap * (2 * random.random((2, count, count)) - 1)
    i, j = (((axis.ravel() + points.half_size) / cell).astype(int) for axis in (points.x, points.y))
    from_center_x = points.x + points.half_size - (i[:, None] + 0.5) * cell - shift[0][np.ix_(i, j)]
    from_center_y = points.y + points.half_size - (j[None, :] + 0.5) * cell - shift[1][np.ix_(i, j)]
    on_stone = np.maximum(np.abs(from_center_x), np.abs(from_center_y)) <= 0.5 * stone_width
    return np.where(on_stone, 0.0, -depth)


def gaps(points: Points, random: np.random.Generator, gap: float, spacing: float, depth: float) -> Array:
    """Ground `spacing` wide, a gap, ground, a gap ... away from the platform."""
    return np.where(_in_ring(points.from_platform, spacing, gap), -depth, 0.0)


def rails(points: Points, random: np.random.Generator, height: float, width: float, spacing: float) -> Array:
    """Ground `spacing` wide, a rail, ground, a rail ... away from the platform."""
    return np.where(_in_ring(points.from_platform, spacing, width), height, 0.0)


def waves(points: Points, random: np.random.Generator, amplitude: float, wavelength: float) -> Array:
    """The mean of two sines."""
    phase = 2 * np.pi * random.random(2)
    turns = 2 * np.pi / wavelength
    # Half of the sum, which then stays within the amplitude.
    return 0.5 * amplitude * (np.sin(turns * points.x + phase[0]) + np.sin(turns * points.y + phase[1]))


def _in_ring(from_platform: Array, spacing: float, width: float) -> NDArray[np.bool_]:
    """In the last `width` of each period of spacing + width."""
    return (from_platform >= 0) & ((from_platform + _ROUNDING) % (spacing + width) >= spacing)


SHAPES: dict[str, Callable[..., Array]] = {
    shape.__name__: shape
    for shape in (
        flat,
        random_rough,
        slope_up,
        slope_down,
        stairs_up,
        stairs_down,
        boxes,
        discrete_obstacles,
        stepping_stones,
        gaps,
        rails,
        waves,
    )
}
"""By name of the terrain class."""

SEEDED = frozenset({"random_rough", "boxes", "discrete_obstacles", "stepping_stones", "waves"})
"""Classes whose heights depend on the seed."""

BLENDED = SEEDED - {"stepping_stones"}
"""Classes that grow to their full height in a ring around the platform; the others begin at its edge."""
