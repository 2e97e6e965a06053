"""A terrain layout as Isaac Lab's terrain: its generator lays out meshes of the layout's own heights.

Nothing is drawn here: class, difficulty and heights of each tile are the layout's, points and triangles those of its
lookups. Axis letters: block of n x m points.
"""

import json
from itertools import pairwise
from typing import Any

import numpy as np
import trimesh
from isaaclab.sim import RigidBodyMaterialCfg
from isaaclab.terrains import SubTerrainBaseCfg, TerrainGenerator, TerrainGeneratorCfg, TerrainImporterCfg
from numpy.typing import NDArray

from surefoot.engines.isaaclab.compat import configclass
from surefoot.engines.isaaclab.compat.terrain import LayoutImporter
from surefoot.engines.isaaclab.usd_file import GROUND_FRICTION
from surefoot.manifest.manifest import Manifest
from surefoot.manifest.terrain import TerrainGenerator as GeneratorSection
from surefoot.randomization.conditions import Conditions
from surefoot.terrain.layout import TerrainLayout, evaluation_layout, generated_layout


def rough_ground(manifest: Manifest, conditions: Conditions | None) -> str | None:
    """What the ground is made from, canonical JSON; None for a plane. Conditions replace the manifest's ground."""
    if conditions is not None:
        return json.dumps({"tiles": conditions.ground}) if conditions.ground else None
    generator = manifest.task.terrain.generator
    if generator is None:
        return None
    plain = generator.model_dump(mode="json")
    for entry in plain["classes"].values():  # whose order numbers the columns; that of the parameters means nothing
        entry["params"] = dict(sorted(entry["params"].items()))
    return json.dumps({"generator": plain})


def layout_of(source: str) -> TerrainLayout:
    """The layout that `rough_ground` describes, which the environment's `Ground` holds too."""
    given = json.loads(source)
    if "tiles" in given:
        return evaluation_layout([(name, difficulty, seed) for name, difficulty, seed in given["tiles"]])
    return generated_layout(GeneratorSection.model_validate_json(json.dumps(given["generator"])))


def terrain_cfg(source: str, prim_path: str) -> TerrainImporterCfg:
    """Isaac Lab's importer of the ground, with next to no friction as the plane has; `source` from `rough_ground`."""
    layout = layout_of(source)
    size = layout.geometry.size
    generator = LayoutTerrainCfg(
        source=source,
        curriculum=True,
        seed=0,
        size=(size, size),
        num_rows=layout.rows,
        num_cols=layout.columns,
        sub_terrains={name: TileCfg(function=tile_mesh) for name in (*layout.classes, LEVEL)},
    )
    return TerrainImporterCfg(
        prim_path=prim_path,
        terrain_type="generator",
        terrain_generator=generator,
        class_type=LayoutImporter,
        visual_material=None,
        physics_material=RigidBodyMaterialCfg(
            static_friction=GROUND_FRICTION,
            dynamic_friction=GROUND_FRICTION,
            friction_combine_mode="max",
            restitution_combine_mode="max",
        ),
    )


LEVEL = "level"
"""Sub-terrain of places without a tile, in a last row that is not complete."""


@configclass
class TileCfg(SubTerrainBaseCfg):
    """A tile of a layout."""

    source: str = ""
    """Of the layout, as in `LayoutTerrainCfg`."""
    row: int = 0
    column: int = 0


def tile_mesh(difficulty: float, cfg: TileCfg) -> tuple[list[trimesh.Trimesh], NDArray[np.float64]]:
    """Mesh and origin of a tile, its corner at (0, 0), as Isaac Lab's sub-terrain functions give them.

    Args:
        difficulty: Not read: that of the tile is in the layout.
        cfg: Which tile of which layout.
    """
    layout = layout_of(cfg.source)
    size = layout.geometry.size
    rows, columns = _edges(layout)
    mesh = block_mesh(layout, rows[cfg.row + 1], rows[cfg.row + 2], columns[cfg.column + 1], columns[cfg.column + 2])
    mesh.apply_translation((-cfg.row * size, -cfg.column * size, 0.0))
    return [mesh], np.array([0.5 * size, 0.5 * size, 0.0])


class LayoutTerrain(TerrainGenerator):
    """Isaac Lab's generator with the tiles of a layout at their places."""

    cfg: Any

    def _generate_curriculum_terrains(self) -> None:
        layout = layout_of(self.cfg.source)
        for row in range(layout.rows):
            for column in range(layout.columns):
                number = row * layout.columns + column
                tile = layout.tiles[number] if number < len(layout.tiles) else None
                cfg = self.cfg.sub_terrains[LEVEL if tile is None else tile.terrain_class].copy()
                cfg.source, cfg.row, cfg.column = self.cfg.source, row, column
                mesh, origin = self._get_terrain_mesh(0.0 if tile is None else tile.difficulty, cfg)
                self._add_sub_terrain(mesh, origin, row, column, cfg)

    def _add_terrain_border(self) -> None:
        """The layout's own border, and the cells that lead to it."""
        layout = layout_of(self.cfg.source)
        rows, columns = _edges(layout)
        for row, (left, right) in enumerate(pairwise(rows)):
            for column, (low, high) in enumerate(pairwise(columns)):
                inside = 0 < row <= layout.rows and 0 < column <= layout.columns
                if left < right and low < high and not inside:
                    self.terrain_meshes.append(block_mesh(layout, left, right, low, high))


@configclass
class LayoutTerrainCfg(TerrainGeneratorCfg):
    """Of `LayoutTerrain`; plain data, as everything in an environment's configuration."""

    class_type: type = LayoutTerrain
    source: str = ""
    """From `rough_ground`."""


def _edges(layout: TerrainLayout) -> tuple[list[int], list[int]]:
    """First point of each block along x and along y, border and tiles, and behind the last one."""
    points = layout.geometry.points
    nx, ny = layout.heights.shape
    both: list[list[int]] = []
    for count, tiles in ((nx, layout.rows), (ny, layout.columns)):
        border = (count - tiles * points) // 2
        both.append([0, *(border + points * tile for tile in range(tiles + 1)), count])
    return both[0], both[1]


def block_mesh(layout: TerrainLayout, left: int, right: int, low: int, high: int) -> trimesh.Trimesh:
    """Some points of a layout and the cells up to the next block; x and y from the corner of the first tile.

    Each cell is two triangles along the diagonal from its first to its last point, as in `surefoot.terrain.ground`.

    Args:
        layout: The whole ground.
        left: First point along x.
        right: Behind the last point along x.
        low: First point along y.
        high: Behind the last point along y.
    """
    nx, ny = layout.heights.shape
    i, j = np.arange(left, min(right + 1, nx)), np.arange(low, min(high + 1, ny))
    rows, columns = _edges(layout)
    x = (i - rows[1] + 0.5) * layout.resolution
    y = (j - columns[1] + 0.5) * layout.resolution
    z = layout.heights[np.ix_(i, j)]
    vertices = np.stack((*np.broadcast_arrays(x[:, None], y[None, :]), z), axis=-1).reshape(-1, 3)
    number = np.arange(len(vertices)).reshape(len(i), len(j))
    near, side, far, other = (number[a, b] for a, b in _CORNERS)
    faces = np.stack((near, side, far, near, far, other), axis=-1).reshape(-1, 3)
    return trimesh.Trimesh(vertices=vertices, faces=faces, process=False)


_FIRST, _NEXT = slice(None, -1), slice(1, None)
_CORNERS = ((_FIRST, _FIRST), (_NEXT, _FIRST), (_NEXT, _NEXT), (_FIRST, _NEXT))
"""Of every cell, anticlockwise from above."""
