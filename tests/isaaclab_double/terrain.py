"""A triangle mesh as MuJoCo's height field: its own points where they are a grid, else its highest surface."""

import mujoco
import numpy as np
import torch
from pxr import UsdGeom

CELL = 0.05
"""m; steeper than a cell allows becomes a slope."""


def add_height_field(spec: mujoco.MjSpec, mesh: UsdGeom.Mesh) -> mujoco.MjsGeom:
    points = np.asarray(mesh.GetPointsAttr().Get(), dtype=np.float64)
    to_world = np.array(UsdGeom.XformCache().GetLocalToWorldTransform(mesh.GetPrim()))
    points = points @ to_world[:3, :3] + to_world[3, :3]
    low, high = points.min(axis=0), points.max(axis=0)
    heights = _grid(points)
    if heights is None:
        columns, rows = (int((high[axis] - low[axis]) / CELL) + 1 for axis in (0, 1))
        heights = _heights(points, np.asarray(mesh.GetFaceVertexIndicesAttr().Get()), low, high, rows, columns)
    rows, columns = heights.shape
    spec.option.disableflags |= mujoco.mjtDisableBit.mjDSBL_NATIVECCD  # which leaves feet in a height field
    span = max(float(heights.max() - heights.min()), 1e-3)
    half = 0.5 * (high - low)
    spec.add_hfield(
        name="terrain",
        nrow=rows,
        ncol=columns,
        size=[half[0], half[1], span, 1.0],
        userdata=((heights - heights.min()) / span).ravel().tolist(),
    )
    return spec.worldbody.add_geom(
        type=mujoco.mjtGeom.mjGEOM_HFIELD, hfieldname="terrain", pos=[*(low + half)[:2], float(heights.min())]
    )


def _grid(points: np.ndarray) -> np.ndarray | None:
    """Heights of points that are a complete grid of equal steps, none with two heights. Shape (rows, columns)."""
    places = []
    for axis in (0, 1):
        at, index = np.unique(points[:, axis].round(4), return_inverse=True)
        if len(at) < 2 or np.ptp(np.diff(at)) > 1e-3:
            return None
        places.append((len(at), index))
    (columns, column), (rows, row) = places
    if len(points) < rows * columns:
        return None
    heights = np.full((rows, columns), np.nan)
    heights[row, column] = points[:, 2]
    complete = not np.isnan(heights).any() and (heights[row, column] == points[:, 2]).all()
    return heights if complete else None


def _heights(
    points: np.ndarray, faces: np.ndarray, low: np.ndarray, high: np.ndarray, rows: int, columns: int
) -> np.ndarray:
    """By casting rays from above, a little inside the edges. Shape (rows, columns), rows along y."""
    from isaaclab.utils.warp import convert_to_warp_mesh, raycast_mesh

    inside = 1e-4
    x = torch.linspace(float(low[0]) + inside, float(high[0]) - inside, columns)
    y = torch.linspace(float(low[1]) + inside, float(high[1]) - inside, rows)
    grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
    starts = torch.stack((grid_x, grid_y, torch.full_like(grid_x, float(high[2]) + 1.0)), dim=-1).reshape(-1, 3)
    down = torch.tensor([0.0, 0.0, -1.0]).expand_as(starts).contiguous()
    hits, *_ = raycast_mesh(starts, down, mesh=convert_to_warp_mesh(points, faces, "cpu"))
    heights = hits[:, 2].reshape(rows, columns).numpy()
    return np.where(np.isfinite(heights), heights, low[2])
