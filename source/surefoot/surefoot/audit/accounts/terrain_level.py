"""How hard the ground is that each terrain class's environments stand on."""

from collections.abc import Sequence

import torch
from torch import Tensor

from surefoot.audit.accounts.metrics import Flush, define

MEAN = define(
    "terrain/level_mean",
    "levels",
    "mean over the environments of a terrain class, of the level at the end of the iteration, from 0; NaN without any",
    axes=("terrain",),
)


def level_metrics(level: Tensor, classes: Tensor, names: Sequence[str]) -> Flush:
    """Metrics of one instant, on the host, from one transfer.

    Args:
        level: Of each environment. Shape (num_envs,), int64.
        classes: Number of each environment's terrain class. Shape (num_envs,), int64.
        names: Of the terrain classes.
    """
    sums = torch.zeros(2, len(names), dtype=torch.float64, device=level.device)
    sums[0].scatter_add_(0, classes, level.double())
    sums[1].scatter_add_(0, classes, torch.ones_like(level, dtype=torch.float64))
    total, count = sums.cpu()
    return {MEAN: total / count}
