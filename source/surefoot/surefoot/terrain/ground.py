"""The ground under a batch of environments: which tile each one is on, and how high it is anywhere.

Heights are as MuJoCo and MuJoCo-Warp see them: each cell is two triangles, and its diagonal runs from point (i, j) to
(i + 1, j + 1). Point (i, j) is at (x0 + i * resolution, y0 + j * resolution). Beyond the grid the height of its nearest
edge is taken. Axis letters: N environments, T tiles.
"""

import torch
from torch import Tensor

from surefoot.terrain.layout import TerrainLayout


class HeightGrid:
    """Lookups in a layout's heights, on one device."""

    def __init__(self, layout: TerrainLayout, device: str) -> None:
        heights = torch.tensor(layout.heights, device=device).flatten()
        nx, self._stride = layout.heights.shape
        # A cell's far corner is read by the index of its near one; its side corners lie 1 and `stride` points further.
        self._low, self._side, self._far = heights, heights[1:], heights[self._stride + 1 :]
        self.per_metre = 1.0 / layout.resolution
        """Cells."""
        self._x0, self._y0 = layout.origin
        # Below the last cell by more than the rounding of a number of this size.
        self._last_x, self._last_y = nx - 1 - 1e-3, self._stride - 1 - 1e-3

    def height(self, x: Tensor, y: Tensor) -> Tensor:
        """Height of the ground, m, world.

        Args:
            x: m, world. Any shape.
            y: m, world. The same shape.
        """
        u, v = self.in_cells(x, y)
        return self.height_in_cells(u, v)

    def in_cells(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Places in cells from the first point. Shapes as given."""
        return (x - self._x0) * self.per_metre, (y - self._y0) * self.per_metre

    def height_in_cells(self, u: Tensor, v: Tensor) -> Tensor:
        """Height at places from `in_cells`, which are overwritten, m, world. Shapes as given.

        Few passes over memory, and indices of 32 bits: a scan of 1024 robots is 190,000 places.
        """
        shape = u.shape
        u, v = u.clamp_(0, self._last_x).flatten(), v.clamp_(0, self._last_y).flatten()
        # Truncation is the floor here, because nothing is negative after the clamp.
        near = torch.add(v.to(torch.int32), u.to(torch.int32), alpha=self._stride)
        u, v = u.frac_(), v.frac_()
        # From the near corner along the longer way to the side corner, then along the shorter way to the far one.
        side = torch.ge(u, v).to(torch.int32).mul_(self._stride - 1).add_(near)
        low, middle = self._low.index_select(0, near), self._side.index_select(0, side)
        rest = self._far.index_select(0, near).sub_(middle).mul_(torch.minimum(u, v))
        return torch.lerp(low, middle, torch.maximum(u, v)).add_(rest).view(shape)


class Ground:
    """A layout with the environments' places on it.

    Args:
        layout: Tiles and heights.
        tiles: Tile of each environment. Shape (N,).
        device: Where the environments live.
    """

    def __init__(self, layout: TerrainLayout, tiles: Tensor, device: str) -> None:
        self.layout = layout
        self.grid = HeightGrid(layout, device)
        centers = torch.tensor(layout.centers, dtype=torch.float32, device=device)
        # Zeros: the platform of every tile is at height 0 (terrain/layout.py).
        self._centers = torch.cat((centers, torch.zeros(len(centers), 1, device=device)), dim=1)
        self._class_ids = torch.tensor(layout.class_ids, device=device)
        self.tiles = tiles.to(device=device, dtype=torch.int64)
        """Tile of each environment. Shape (N,)."""
        self.origins = self._centers[self.tiles]
        """Middle of the platform that each environment starts on, m, world. Shape (N, 3)."""

    @property
    def half_tile(self) -> float:
        """m, from the middle of a tile to its edge."""
        return 0.5 * self.layout.geometry.size

    def place(self, env_ids: Tensor, tiles: Tensor) -> None:
        """Move environments to other tiles; their next episodes start there. Shapes (n,)."""
        self.tiles[env_ids] = tiles
        self.origins[env_ids] = self._centers[tiles]

    def classes(self) -> Tensor:
        """Number of the terrain class that each environment is on. Shape (N,), int64."""
        return self._class_ids[self.tiles]
