"""Which randomisation bucket explains a log best, how sure that is, and what the motion cannot tell.

Axis letters: B buckets, W windows, R resamples.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surefoot.traces.trace import FloatArray

MATERIAL = 0.02
"""A factor whose intervals change the score by less than this share of the best score, or by less than `MATERIAL_ABS`,
is not identified, however often one of them wins."""
MATERIAL_ABS = 5e-3
SURE = 0.95
"""Share of resamples that an interval must win for its factor to count as identified."""
FEWEST = 5
"""Windows; fewer are no sample to resample from: two agree by chance half of the time."""
RESAMPLES = 1000


@dataclass(frozen=True)
class FactorEvidence:
    """What a log says about one factor.

    Attributes:
        share: Share of resamples whose best bucket is in each interval. Shape (intervals,).
        score: Lowest score within each interval, over all windows. Shape (intervals,).
        identified: Whether one interval wins often enough, by enough.
        reason: Why not; empty where it is.
    """

    name: str
    share: FloatArray
    score: FloatArray
    identified: bool
    reason: str

    @property
    def best(self) -> int:
        """The interval with the largest share; the lower score decides ties."""
        return int(np.lexsort((self.score, -self.share))[0])


@dataclass(frozen=True)
class BucketEvidence:
    """Which bucket explains a log.

    Attributes:
        score: Root mean square error of each bucket, weighted. Shape (B,).
        share: Share of resamples that each bucket wins. Shape (B,).
        factors: In the order of `bucket_by`.
    """

    score: FloatArray
    share: FloatArray
    factors: tuple[FactorEvidence, ...]

    @property
    def best(self) -> int:
        """Bucket with the lowest score."""
        return int(np.argmin(self.score))


def compare_buckets(
    window: FloatArray, names: tuple[str, ...], radices: tuple[int, ...], rng: np.random.Generator
) -> BucketEvidence:
    """Compare buckets by resampling windows.

    Windows are resampled, not samples: what happens within a window is one motion.

    Args:
        window: Weighted mean square error of each bucket and window. Shape (B, W).
        names: Factors that form the buckets.
        radices: Intervals of each; their product is B.
        rng: The only source of randomness.

    Raises:
        ValueError: The shape does not fit the radices, or fewer than one window.
    """
    num_buckets, num_windows = window.shape
    if num_windows < 1 or num_buckets != int(np.prod(radices, dtype=np.int64)):
        raise ValueError(f"Expected errors of shape ({'*'.join(map(str, radices))}, W >= 1), got {window.shape}.")
    score = np.sqrt(window.mean(axis=1))
    # How often each window is drawn says all of a resample, in one product with all buckets.
    picks = rng.multinomial(num_windows, np.full(num_windows, 1 / num_windows), size=RESAMPLES)  # (R, W)
    resampled = np.sqrt(picks @ window.T / num_windows)  # (R, B)
    winner = resampled.argmin(axis=1)
    share = np.bincount(winner, minlength=num_buckets) / RESAMPLES
    factors = tuple(_evidence(name, axis, radices, score, share, num_windows) for axis, name in enumerate(names))
    return BucketEvidence(score, share, factors)


def _evidence(
    name: str, axis: int, radices: tuple[int, ...], score: FloatArray, share: FloatArray, num_windows: int
) -> FactorEvidence:
    others = tuple(index for index in range(len(radices)) if index != axis)
    # The last factor of `bucket_by` varies fastest, as in C order.
    marginal: FloatArray = share.reshape(radices).sum(axis=others)
    lowest: FloatArray = score.reshape(radices).min(axis=others)
    spread, threshold = float(np.ptp(lowest)), max(MATERIAL * float(lowest.min()), MATERIAL_ABS)
    reason = ""
    if radices[axis] < 2:
        reason = "only one interval"
    elif num_windows < FEWEST:
        count = "only one window" if num_windows == 1 else f"only {num_windows} windows"
        reason = f"{count}; at least {FEWEST} are needed"
    elif spread < threshold:
        reason = f"its intervals change the score by {spread:.2g}, less than {threshold:.2g}"
    elif marginal.max() < SURE:
        reason = f"no interval wins in {SURE:.0%} of the resamples (most: {marginal.max():.0%})"
    return FactorEvidence(name, marginal, lowest, not reason, reason)


def bucket_centres(edges: tuple[float, ...], whole: bool) -> NDArray[np.float64]:
    """The value that stands for each interval of a factor: its middle, for whole numbers the lowest of it."""
    values = np.asarray(edges, dtype=float)
    if not whole:
        return 0.5 * (values[:-1] + values[1:])
    high = values[1:].copy()
    # Intervals of whole numbers do not share their edges, but for the last, which holds its upper one.
    high[:-1] -= 1
    return np.floor(0.5 * (values[:-1] + high))
