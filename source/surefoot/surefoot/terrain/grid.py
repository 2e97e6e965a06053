"""Heights anywhere on a grid, as MuJoCo and MuJoCo-Warp see them: each cell is two triangles.

Points: point (i, j) is at (x0 + i * resolution, y0 + j * resolution). A cell's diagonal runs from (i, j) to
(i + 1, j + 1). Beyond the grid the height of its nearest edge is taken.
"""

import torch
from torch import Tensor

from surefoot.terrain.layout import TerrainLayout


class HeightGrid:
    """Lookups in a layout's heights, on one device."""

    def __init__(self, layout: TerrainLayout, device: str) -> None:
        self._heights = torch.tensor(layout.heights, device=device).flatten()
        self._per_metre = 1.0 / layout.resolution
        self._x0, self._y0 = layout.origin
        nx, self._stride = layout.heights.shape
        # Below the last cell by more than the rounding of a number of this size.
        self._last_x, self._last_y = nx - 1 - 1e-3, self._stride - 1 - 1e-3

    def height(self, x: Tensor, y: Tensor) -> Tensor:
        """Height of the ground, m, world.

        Args:
            x: m, world. Any shape.
            y: m, world. The same shape.
        """
        u = (x - self._x0).mul_(self._per_metre).clamp_(0, self._last_x)
        v = (y - self._y0).mul_(self._per_metre).clamp_(0, self._last_y)
        i, j = u.to(torch.int64), v.to(torch.int64)
        u.sub_(i)
        v.sub_(j)
        near = i.mul_(self._stride).add_(j)
        side = torch.where(u >= v, self._stride, 1).add_(near)
        # From the near corner along the longer way to the side corner, then along the shorter way to the far one.
        low, middle, far = (torch.take(self._heights, at) for at in (near, side, near + (self._stride + 1)))
        far.sub_(middle).mul_(torch.minimum(u, v))
        return middle.sub_(low).mul_(torch.maximum(u, v)).add_(far).add_(low)
