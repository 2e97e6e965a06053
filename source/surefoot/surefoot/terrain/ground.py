"""The ground under a batch of environments: which tile each one is on, and how high the ground is.

Axis letters: N environments, T tiles.
"""

import torch
from torch import Tensor

from surefoot.terrain.grid import HeightGrid
from surefoot.terrain.layout import TerrainLayout


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
