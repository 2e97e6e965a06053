"""Rough ground in pictures: a window of the layout that follows the robot.

MuJoCo draws every point of a height field. A task's ground has millions, which take seconds a frame without a GPU.
"""

import mujoco
import numpy as np

from surefoot.engines.drawing.looks import GROUND
from surefoot.terrain.layout import TerrainLayout

WINDOW = 24.0
"""m, side of the square of ground that is drawn."""
_SLACK = 4.0
"""m that the robot may leave its middle by."""
_BASE = 1.0
"""m of ground under the lowest point."""


class GroundWindow:
    """Part of a layout as a scene's ground; to be moved before the first picture.

    Args:
        spec: A scene with the geometry `GROUND`, which becomes a height field.
        layout: The whole ground.
    """

    def __init__(self, spec: mujoco.MjSpec, layout: TerrainLayout) -> None:
        self._layout = layout
        self._low, high = float(layout.heights.min()), float(layout.heights.max())
        self._height = max(high - self._low, 1e-3)
        wanted = round(WINDOW / layout.resolution)
        # As many points fewer on either side, so that the chequers stay where they are when the window moves by metres.
        self._shape = tuple(
            count if count <= wanted else wanted + (count - wanted) % 2 for count in layout.heights.shape
        )
        self._first: tuple[int, int] | None = None
        half_x, half_y = (0.5 * (count - 1) * layout.resolution for count in self._shape)
        nx, ny = self._shape
        level = np.zeros(nx * ny)
        spec.add_hfield(name=GROUND, size=(half_x, half_y, self._height, _BASE), nrow=ny, ncol=nx, userdata=level)
        geom = spec.geom(GROUND)
        geom.type, geom.hfieldname = mujoco.mjtGeom.mjGEOM_HFIELD, GROUND

    def follow(self, model: mujoco.MjModel, x: float, y: float) -> bool:
        """Have the ground around a point of the world, m, in the model; whether anything was changed.

        Around a robot whose position is not finite nothing is to be seen: the ground stays.
        """
        if not np.isfinite((x, y)).all():
            return False
        layout, step = self._layout, self._layout.resolution
        first: list[int] = []
        for at, count, shown in zip((x, y), layout.heights.shape, self._shape, strict=True):
            centred = (count - shown) // 2 + round(round(at) / step)
            first.append(min(max(centred, 0), count - shown))
        if self._first is not None and np.abs(np.subtract(first, self._first)).max() * step <= _SLACK:
            return False
        self._first = (i, j) = (first[0], first[1])
        nx, ny = self._shape
        heights = (layout.heights[i : i + nx, j : j + ny] - self._low) / self._height
        data = model.hfield(GROUND).data
        data[:] = heights.T.reshape(data.shape)  # rows along y
        x0, y0 = layout.origin
        middle = (x0 + (i + 0.5 * (nx - 1)) * step, y0 + (j + 0.5 * (ny - 1)) * step, self._low)
        model.body(GROUND).pos[:] = middle  # a geometry in its body's frame has no place of its own
        return True
