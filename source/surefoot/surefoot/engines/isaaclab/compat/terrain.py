"""Terrain in the physics: PhysX collides with its triangles; for MuJoCo's solver on Newton it is a height field."""

from typing import Any

import numpy as np
from isaaclab.sim import SimulationContext
from isaaclab.terrains import TerrainImporter

from surefoot.engines.isaaclab.compat.newton import manager, model_builder
from surefoot.engines.isaaclab.compat.presets import backend_of
from surefoot.errors import EngineError


class LayoutImporter(TerrainImporter):
    """Isaac Lab's importer; on Newton the physics has a height field instead, because MuJoCo's meshes are convex."""

    def import_mesh(self, name: str, mesh: Any) -> None:
        super().import_mesh(name, mesh)
        path = f"{self.cfg.prim_path}/{name}/mesh"
        if backend_of(SimulationContext.instance().cfg) != "newton_mjwarp":
            return
        from isaaclab.physics import PhysicsEvent

        def replace(_: Any) -> None:
            _as_height_field(model_builder(), path, np.asarray(mesh.vertices))

        manager().register_callback(replace, PhysicsEvent.MODEL_INIT, name="surefoot_height_field")


def _as_height_field(builder: Any, path: str, vertices: np.ndarray) -> None:
    """Change one static shape of Newton's builder; material and name stay."""
    import newton
    import warp

    shape = builder.shape_label.index(path)
    x, y = (np.unique(vertices[:, axis].round(6)) for axis in (0, 1))
    heights = np.full((len(y), len(x)), np.nan)
    column, row = (np.searchsorted(at, vertices[:, axis].round(6)) for axis, at in ((0, x), (1, y)))
    heights[row, column] = vertices[:, 2]
    if np.isnan(heights).any():
        raise EngineError(f"Terrain {path!r}: expected points on a complete grid.")
    half_x, half_y = 0.5 * (x[-1] - x[0]), 0.5 * (y[-1] - y[0])
    # The lowest point goes into the pose: Newton 1.6 forgets a field's own offset when it writes shapes to the solver.
    low = float(heights.min())
    field = newton.Heightfield(heights - low, nrow=len(y), ncol=len(x), hx=half_x, hy=half_y)
    builder.shape_type[shape] = newton.GeoType.HFIELD
    builder.shape_source[shape] = field
    builder.shape_scale[shape] = (1.0, 1.0, 1.0)
    middle = (0.5 * float(x[0] + x[-1]), 0.5 * float(y[0] + y[-1]), low)
    builder.shape_transform[shape] = warp.transform(middle, warp.quat_identity())
