"""Pictures of terrain: every class in shades, and a whole layout."""

# pyright: basic
# Half of matplotlib is without types.

from pathlib import Path

import numpy as np
from matplotlib.colors import LightSource
from matplotlib.figure import Figure

from surefoot.manifest.terrain_classes import TERRAIN_CLASSES
from surefoot.terrain.layout import TerrainLayout
from surefoot.terrain.tiles import Tile, TileGeometry, tile_heights

COLUMNS = 4
"""Tiles in a row of the picture of classes."""
_DPI = 80


def draw_classes(path: Path, difficulty: float, geometry: TileGeometry, seed: int = 0) -> None:
    """All classes with their default numbers, seen from above, lit from the upper left."""
    names = list(TERRAIN_CLASSES)
    rows = -(-len(names) // COLUMNS)
    figure = Figure(figsize=(2.6 * COLUMNS, 2.9 * rows), layout="constrained")
    for index, name in enumerate(names):
        axes = figure.add_subplot(rows, COLUMNS, index + 1)
        tile = Tile(name, difficulty, seed)
        heights = tile_heights(tile, geometry)
        axes.imshow(_shaded(heights, geometry.resolution), origin="lower", extent=_extent(heights, geometry.resolution))
        axes.set_title(f"{name}\n{100 * heights.min():.0f} to {100 * heights.max():.0f} cm", fontsize=9)
        axes.tick_params(labelsize=7)
    figure.savefig(path, dpi=_DPI)


def draw_layout(path: Path, layout: TerrainLayout) -> None:
    """A whole layout from above; x to the right."""
    nx, ny = layout.heights.shape
    figure = Figure(figsize=(10, 10 * ny / nx + 0.6), layout="constrained")
    axes = figure.add_subplot()
    # The picture is 800 pixels wide; more points only take time.
    step = max(1, nx // 1600)
    heights = layout.heights[::step, ::step]
    axes.imshow(
        _shaded(heights, step * layout.resolution), origin="lower", extent=_extent(heights, step * layout.resolution)
    )
    axes.set_xlabel("x, m (levels)")
    axes.set_ylabel("y, m (columns)")
    figure.savefig(path, dpi=_DPI)


def _shaded(heights: np.ndarray, resolution: float) -> np.ndarray:
    # From the upper left, as on maps: lit from below, hills are taken for pits.
    light = LightSource(azdeg=315, altdeg=40)
    # Transposed, because an image's rows are y.
    gray = np.full((*heights.T.shape, 3), 0.8)
    return light.shade_rgb(gray, heights.T, vert_exag=1.0, blend_mode="soft", dx=resolution, dy=resolution)


def _extent(heights: np.ndarray, resolution: float) -> tuple[float, float, float, float]:
    half_x, half_y = (0.5 * count * resolution for count in heights.shape)
    return -half_x, half_x, -half_y, half_y
