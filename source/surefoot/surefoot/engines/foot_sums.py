"""From what geometries measure to what feet measure."""

import torch
from torch import Tensor


class FootSums:
    """Sums over the geometries of each foot.

    Args:
        foot_geoms: Geometries of each foot, as `Robot.foot_geoms` gives them.
        device: Of the tensors to come.
    """

    def __init__(self, foot_geoms: tuple[tuple[str, ...], ...], device: str) -> None:
        self._num_feet = len(foot_geoms)
        owners = [foot for foot, geoms in enumerate(foot_geoms) for _ in geoms]
        self._one_each = owners == list(range(self._num_feet))
        self._owners = torch.tensor(owners, device=device)

    def __call__(self, x: Tensor) -> Tensor:
        """Shape (num_envs, num_geoms, ...), feet one after the other, to (num_envs, num_feet, ...)."""
        if self._one_each:
            return x
        return x.new_zeros(x.shape[0], self._num_feet, *x.shape[2:]).index_add_(1, self._owners, x)
