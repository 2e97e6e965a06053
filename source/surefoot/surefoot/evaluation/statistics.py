"""Intervals: a rate of few episodes, a mean over cells."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

Z_95 = 1.959963984540054
"""Two-sided 95 % quantile of the standard normal distribution."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float


def wilson_interval(failures: int, n: int) -> Interval:
    """Rate of failures with Wilson's score interval, which stays inside [0, 1] and is not empty at 0 of n.

    Source: Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference".

    Raises:
        ValueError: No episodes, or more failures than episodes.
    """
    if n < 1 or not 0 <= failures <= n:
        raise ValueError(f"Need 0 <= failures <= n and n >= 1, got {failures} of {n}.")
    return bounded_mean_interval(failures / n, n)


def bounded_mean_interval(mean: float, n: float) -> Interval:
    """Wilson's interval for the mean of n numbers between 0 and 1, which vary at most as much as zeros and ones.

    Too wide where they lie closer together, and not empty where all are 1: a normal or a bootstrap interval is.

    Args:
        mean: Of the numbers.
        n: How many; a mean over cells of different sizes has fewer than it has numbers.
    """
    z_sq = Z_95**2
    centre = (mean + z_sq / (2 * n)) / (1 + z_sq / n)
    half = Z_95 / (1 + z_sq / n) * math.sqrt(mean * (1 - mean) / n + z_sq / (4 * n * n))
    low = 0.0 if mean <= 0 else centre - half  # exact at the ends, where rounding would leave 1e-18
    high = 1.0 if mean >= 1 else centre + half
    return Interval(mean, low, high)


def mean_over_cells(values: Tensor) -> Interval | None:
    """Mean of the cells' means, every cell weighing the same, with a normal 95 % interval.

    The interval treats cells as strata: its variance is the sum of the cells' sample variances over their number of
    episodes. It is about the spread of episodes of this one policy, not of training.

    Args:
        values: One number for each episode, NaN where it has none. Shape (cells, replicates).

    Returns:
        None where no episode has a number. The interval is (-inf, inf) where a cell has only one episode.
    """
    known = ~torch.isnan(values)
    count = known.sum(dim=1)
    values, known, count = values[count > 0].double(), known[count > 0], count[count > 0]
    if len(count) == 0:
        return None
    filled = torch.where(known, values, 0.0)
    means = filled.sum(dim=1) / count
    mean = means.mean().item()
    if (count < 2).any():
        return Interval(mean, -math.inf, math.inf)
    deviations = torch.where(known, values - means.unsqueeze(1), 0.0)
    variance = deviations.square().sum(dim=1) / (count - 1) / count
    half = Z_95 * math.sqrt(variance.sum().item()) / len(count)
    return Interval(mean, mean - half, mean + half)
