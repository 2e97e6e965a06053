"""How much buckets differ, and how tight each is: one-way analysis of variance with unequal groups."""

import math
from dataclasses import dataclass

import torch
from scipy.special import fdtri
from torch import Tensor


@dataclass(frozen=True)
class Spread:
    """Variance between and within groups. All NaN where there are not two groups or no degree of freedom within."""

    icc: float
    """Intraclass correlation: variance between / (variance between + variance within); can be below 0."""
    icc_low: float
    """Lower end of its 95 % interval."""
    icc_high: float
    """Upper end of its 95 % interval."""
    between: float
    """Standard deviation between groups, unit of the values."""
    within: float
    """Pooled standard deviation within groups."""
    gap: float
    """Largest of `distances_from_median`."""
    certainty: float
    """That distance over the standard error of its group's mean, from the pooled standard deviation."""
    median: float
    """Median of the groups' means, the lower one of two."""
    rms: float
    """Root mean square of all values."""
    groups: int
    """Groups that were large enough."""


def spread(count: Tensor, total: Tensor, square: Tensor, min_count: int) -> Spread:
    """One-way random effects from sums.

    The interval takes n0, the mean group size of the unbalanced design, for the size of every group.

    Args:
        count: Values of each group. Shape (B,).
        total: Their sum. Shape (B,).
        square: Sum of their squares. Shape (B,).
        min_count: Groups with fewer values, and with fewer than two, are left out.

    Source: Donner 1986, "A review of inference procedures for the intraclass correlation coefficient in the one-way
    random effects model"; interval of Shrout and Fleiss 1979, ICC(1).
    """
    large = count >= max(2, min_count)
    count, total, square = count[large], total[large], square[large]
    groups, n = len(count), float(count.sum())
    if groups < 2:
        return Spread(*[math.nan] * 9, groups=groups)
    means = total / count
    # Rounding may leave the difference of two large sums below 0.
    deviations = (square - count * means.square()).clamp(min=0)
    within_square = float(deviations.sum()) / (n - groups)
    grand = float(total.sum()) / n
    between_square = float((count * (means - grand).square()).sum()) / (groups - 1)
    n0 = (n - float(count.square().sum()) / n) / (groups - 1)
    variance_between = (between_square - within_square) / n0
    rms = math.sqrt(float(square.sum()) / n)
    low, high = _interval(between_square, within_square, n0, groups, n)
    apart = distances_from_median(means)
    error = (within_square / count[apart.argmax()]).sqrt()
    return Spread(
        icc=_icc(between_square, within_square, n0),
        icc_low=low,
        icc_high=high,
        between=math.sqrt(max(0.0, variance_between)),
        within=math.sqrt(within_square),
        gap=float(apart.max()),
        certainty=float(apart.max() / error),
        median=float(means.median()),
        rms=rms,
        groups=groups,
    )


def distances_from_median(means: Tensor) -> Tensor:
    """Distance of each mean from the lower or the upper median, whichever is farther.

    The two are one where the number is odd. Where it is even, the point halfway between them is nobody's mean: with one
    of two groups shifted, or half of all, it would hide half of the shift.

    Args:
        means: Shape (B,), B > 0.

    Returns:
        Shape (B,).
    """
    ordered = means.sort().values
    lower, upper = ordered[(len(means) - 1) // 2], ordered[len(means) // 2]
    return torch.maximum((means - lower).abs(), (means - upper).abs())


def _icc(between: float, within: float, n0: float) -> float:
    """From mean squares; NaN where all values are equal."""
    scale = between + (n0 - 1) * within
    return (between - within) / scale if scale > 0 else math.nan


def _interval(between: float, within: float, n0: float, groups: int, n: float) -> tuple[float, float]:
    if between <= 0 and within <= 0:
        return math.nan, math.nan
    up = float(fdtri(groups - 1, n - groups, 0.975))
    down = float(fdtri(groups - 1, n - groups, 0.025))
    return _icc(between / up, within, n0), _icc(between / down, within, n0)
