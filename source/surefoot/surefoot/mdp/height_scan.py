"""The height scan: points around the robot in its heading, and how far the base is above the ground at each.

Points come row by row, from the rightmost to the leftmost, each row from back to front.
Axis letters: N environments, R points.
"""

import torch
from torch import Tensor

from surefoot.manifest.terrain import HeightScan
from surefoot.mdp import frames
from surefoot.terrain.ground import HeightGrid


class ScanPattern:
    """The points of a manifest's height scan."""

    def __init__(self, scan: HeightScan, device: str) -> None:
        rows, columns = scan.shape
        forward = (torch.arange(columns, device=device) - 0.5 * (columns - 1)) * scan.resolution
        left = (torch.arange(rows, device=device) - 0.5 * (rows - 1)) * scan.resolution
        self.forward = forward.repeat(rows)
        """m, base yaw frame. Shape (R,)."""
        self.left = left.repeat_interleave(columns)
        """m, base yaw frame. Shape (R,)."""

    def heights(self, base_pos_w: Tensor, base_quat_w: Tensor, grid: HeightGrid | None) -> Tensor:
        """Height of the base origin over the ground at each point, m.

        Args:
            base_pos_w: m, world. Shape (N, 3).
            base_quat_w: (w, x, y, z), base to world. Shape (N, 4).
            grid: None is a plane at height 0.

        Returns:
            Shape (N, R).
        """
        height = base_pos_w[:, 2:3]
        if grid is None:
            return height.expand(-1, len(self.forward))
        # In cells from here on: scaled once for each robot, not for each point.
        cos, sin = (part.unsqueeze(1) * grid.per_metre for part in frames.heading(base_quat_w))
        u, v = grid.in_cells(base_pos_w[:, 0:1], base_pos_w[:, 1:2])
        # Only the second product can be in place: the first one makes (N, R) of (N, 1).
        u = torch.addcmul(u, cos, self.forward).addcmul_(sin, self.left, value=-1)
        v = torch.addcmul(v, sin, self.forward).addcmul_(cos, self.left)
        return grid.height_in_cells(u, v).neg_().add_(height)
