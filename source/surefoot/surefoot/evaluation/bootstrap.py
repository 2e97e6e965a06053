"""Intervals by resampling: of one cell's mean, and of an aggregate over cells.

Axis letters: R replicates, C cells, B resamples.
"""

import math
from collections.abc import Callable, Iterator
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from surefoot.evaluation.statistics import Z_95, Interval, bounded_mean_interval

Floats = NDArray[np.float64]
RESAMPLES = 1000


def mean_interval(values: Floats, rng: np.random.Generator, resamples: int = RESAMPLES) -> Interval | None:
    """Mean of a cell's episodes with a symmetric studentised bootstrap interval (bootstrap-t), 95 %.

    Of 8 episodes a percentile interval covers 89 %, this one 94 to 96 % (docs/metrics.md).

    Args:
        values: One number for each episode, NaN where it has none. Shape (R,).
        rng: The only source of randomness.
        resamples: Number of them.

    Returns:
        None without a number; from (-inf, inf) with only one, of no width where all are equal.

    Source: Hall 1988, "On Symmetric Bootstrap Confidence Intervals".
    """
    known = values[~np.isnan(values)]
    n = len(known)
    if n == 0:
        return None
    mean = float(known.mean())
    if n == 1:
        return Interval(mean, -math.inf, math.inf)
    error = known.std(ddof=1) / math.sqrt(n)
    # Equal numbers differ from their mean by rounding alone, and a studentised resample would divide by that.
    if error <= 1e-12 * max(1.0, abs(mean)):
        return Interval(mean, mean, mean)
    drawn = rng.choice(known, (resamples, n))
    spread = drawn.std(axis=1, ddof=1) / math.sqrt(n)
    usable = spread > 1e-9 * error  # a resample of one value, n times, has no scale
    half = error * float(np.quantile(np.abs(drawn.mean(axis=1)[usable] - mean) / spread[usable], 0.95))
    return Interval(mean, mean - half, mean + half)


def interquartile_mean(scores: Floats) -> float:
    """Mean of the middle half of all numbers that are not NaN, as rliable's `aggregate_iqm`. Any shape."""
    known = np.sort(scores[~np.isnan(scores)])
    cut = len(known) // 4
    return float(known[cut : len(known) - cut].mean())


def mean_of_cells(scores: Floats) -> float:
    """Mean over cells of the mean of each; cells without a number are left out. Shape (R, C)."""
    known = ~np.isnan(scores)
    count = known.sum(axis=0)
    sums = np.where(known, scores, 0.0).sum(axis=0)
    return float((sums[count > 0] / count[count > 0]).mean())


def share_interval(scores: Floats) -> Interval | None:
    """Mean over cells of numbers between 0 and 1 by `bounded_mean_interval`, 95 %; None without one. Shape (R, C).

    Too wide where cells differ. A bootstrap interval has no width where every pair was won.
    """
    n = _equivalent(scores)
    return bounded_mean_interval(mean_of_cells(scores), n) if n else None


def share_difference_interval(changes: Floats) -> Interval | None:
    """Mean over cells of numbers between -1 and 1, 95 %; None without one. Shape (R, C).

    Gains and losses have intervals as shares; these are put together with the covariance that they have, because a
    pair gains or loses (`mean(gain) * mean(loss)`). Where every pair is won or lost it is Wilson's interval.

    Source: MOVER: Zou & Donner 2008, "Construction of confidence limits about effect measures".
    """
    n = _equivalent(changes)
    if not n:
        return None
    gains, losses = (bounded_mean_interval(mean_of_cells(np.maximum(part, 0.0)), n) for part in (changes, -changes))
    p, q = gains.value, losses.value
    together = math.sqrt(p * q / ((1 - p) * (1 - q))) if p + q < 1 else 1.0

    def half(one: float, two: float) -> float:
        return math.sqrt(one**2 + two**2 + 2 * together * one * two)

    low = p - q - half(p - gains.low, losses.high - q)
    return Interval(p - q, max(-1.0, low), min(1.0, p - q + half(gains.high - p, q - losses.low)))


def _equivalent(scores: Floats) -> float:
    """Numbers of one sample that has the variance of the mean over cells, if all numbers vary alike; 0 without one."""
    counts = (~np.isnan(scores)).sum(axis=0)
    counts = counts[counts > 0]
    return len(counts) ** 2 / float((1.0 / counts).sum()) if len(counts) else 0.0


def aggregate_interval(
    scores: Floats,
    statistic: Callable[[Floats], float],
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Interval | None:
    """A number over all cells, with an interval from resampling the replicates of each cell, 95 %.

    Percentiles are widened for the small number of replicates: a resample of n values has (n - 1) / n of the variance.

    Args:
        scores: NaN where an episode has none. Shape (R, C).
        statistic: From an array of that shape to a number.
        rng: The only source of randomness.
        resamples: Number of them.

    Returns:
        None without a number; from (-inf, inf) where a cell has only one.

    Source: rliable (Agarwal et al. 2021); widening: Hesterberg 2015, "What Teachers Should Know about the Bootstrap".
    """
    scores = scores[:, ~np.isnan(scores).all(axis=0)]
    if scores.shape[1] == 0:
        return None
    value = statistic(scores)
    counts = (~np.isnan(scores)).sum(axis=0)
    if counts.min() < 2:
        return Interval(value, -math.inf, math.inf)
    # The smallest cell decides: to widen by more than the others need errs on the safe side.
    n = len(scores) if (counts == len(scores)).all() else int(counts.min())
    tail = NormalDist().cdf(-Z_95 * math.sqrt(n / (n - 1)))
    drawn = [statistic(resampled) for resampled in stratified_resamples(scores, rng, resamples)]
    low, high = np.quantile(drawn, (tail, 1 - tail))
    return Interval(value, float(low), float(high))


def stratified_resamples(scores: Floats, rng: np.random.Generator, resamples: int) -> Iterator[Floats]:
    """Resample every column from its own numbers, as many as it has.

    Args:
        scores: Every column with at least one number that is not NaN. Shape (R, C).
        rng: The only source of randomness.
        resamples: Number of them.

    Yields:
        The numbers first in each column, then its NaN. Shape (R, C).

    Source: rliable's `StratifiedBootstrap` (Agarwal et al. 2021), there with columns of equal size.
    """
    order = np.isnan(scores).argsort(axis=0, kind="stable")  # numbers first, in each column
    packed = np.take_along_axis(scores, order, axis=0)
    counts = (~np.isnan(packed)).sum(axis=0)
    rows, columns = np.ogrid[: packed.shape[0], : packed.shape[1]]
    for _ in range(resamples):
        # As many random numbers whatever is missing, so that a report's other intervals do not move with it.
        drawn = (rng.random(packed.shape) * counts).astype(np.int64)
        yield packed[np.where(rows < counts, drawn, rows), columns]
