"""Rough ground in MuJoCo: one height field in place of the plane, the same points as the lookups."""

from collections.abc import Callable

import mujoco

from surefoot.terrain.layout import TerrainLayout

_BASE = 1.0
"""m of ground under the lowest point."""
_GEOM = "terrain"
"""Name of mjlab's ground, body and geometry."""


def with_height_field(
    layout: TerrainLayout, then: Callable[[mujoco.MjSpec], None] | None
) -> Callable[[mujoco.MjSpec], None]:
    """What turns a scene's plane into a layout's ground, and after that does `then`."""

    def edit(spec: mujoco.MjSpec) -> None:
        add_height_field(layout, spec)
        if then is not None:
            then(spec)

    return edit


def add_height_field(layout: TerrainLayout, spec: mujoco.MjSpec) -> None:
    """Let the geometry `terrain` be a height field; contacts, friction and looks stay."""
    heights = layout.heights
    low, high = float(heights.min()), float(heights.max())
    nx, ny = heights.shape
    half_x, half_y = (0.5 * (count - 1) * layout.resolution for count in (nx, ny))
    spec.add_hfield(
        name=_GEOM,
        size=(half_x, half_y, max(high - low, 1e-3), _BASE),
        nrow=ny,
        ncol=nx,
        userdata=heights.T.flatten().astype(float),  # rows along y; MuJoCo maps low to 0 and high to 1
    )
    geom = spec.geom(_GEOM)
    geom.type = mujoco.mjtGeom.mjGEOM_HFIELD
    geom.hfieldname = _GEOM
    geom.pos = (0.0, 0.0, low)
