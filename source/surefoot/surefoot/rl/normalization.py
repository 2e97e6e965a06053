"""Running mean and variance of observations, from valid rows only."""

import torch
from rsl_rl.modules import EmpiricalNormalization
from torch import Tensor

Mirror = tuple[Tensor, Tensor]
"""Index and sign: mirrored = x[:, index] * sign."""


def update_normalizer(
    normalizer: EmpiricalNormalization, x: Tensor, valid: Tensor | None, mirror: Mirror | None = None
) -> None:
    """Add a batch to the running moments; RSL-RL's formula, with rows left out.

    Args:
        normalizer: Changed in place.
        x: Observations. Shape (num_envs, num_obs).
        valid: Rows that count; None means all. Shape (num_envs,), bool.
        mirror: Let every observation count together with its mirror image.
    """
    deviation = x - normalizer._mean
    if valid is None:
        n = torch.tensor(len(x), device=x.device)
    else:
        deviation = torch.where(valid.unsqueeze(1), deviation, 0.0)
        n = valid.sum()
    size = n.clamp(min=1)
    delta = deviation.sum(dim=0) / size
    second = deviation.square().sum(dim=0) / size
    if mirror is not None:  # the running mean is its own mirror image, so deviations mirror like observations
        index, sign = mirror
        delta = 0.5 * (delta + delta[index] * sign)
        second = 0.5 * (second + second[index])
    normalizer.count += n
    rate = n / normalizer.count.clamp(min=1)
    normalizer._mean += rate * delta
    variance = second - delta.square()
    normalizer._var += rate * (variance - normalizer._var + (1 - rate) * delta.square())
    normalizer._std.copy_(normalizer._var.clamp(min=0).sqrt())
