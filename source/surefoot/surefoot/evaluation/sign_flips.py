"""Tests of paired differences by flipping their signs, and Holm's correction for many of them.

Axis letters: R replicates, C cells, M metrics, B flips.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from surefoot.evaluation.bootstrap import Floats

FLIPS = 9999
_CHUNK = 1000


@dataclass(frozen=True)
class FlipTest:
    """A mean over cells of paired differences, against no difference."""

    mean: float
    higher: float
    """p-value of a mean this high or higher."""
    lower: float
    """p-value of a mean this low or lower."""
    scale: float
    """Standard deviation of the mean where signs are random: its standard error if there is no difference."""

    @property
    def two_sided(self) -> float:
        """p-value of a mean this far from 0."""
        return min(1.0, 2 * min(self.higher, self.lower))


def flip_tests(changes: Mapping[str, Floats], rng: np.random.Generator, flips: int = FLIPS) -> dict[str, FlipTest]:
    """Test several numbers of the same pairs; each pair's signs are flipped together.

    Where two policies are equal, A and B can change places in every pair without anything being different: every
    choice of signs is as likely as the one that was seen. So the p-value is exact for equal policies, whatever the
    numbers look like: zeros and ones, ties, outliers, few replicates. It is on the safe side where they differ from
    cell to cell but not on average. The choice that was seen counts as one of the flips, so that no p-value is 0.

    Args:
        changes: By name B - A of each pair, NaN where one has no number. Shape (R, C) each, one shape for all.
        rng: The only source of randomness.
        flips: Number of random choices.

    Returns:
        Without the names that have no number.

    Source: Fisher 1935; p-value of a random sample of flips: Phipson & Smyth 2010, "Permutation P-values Should Never
        Be Zero".
    """
    weighted = {name: weighted_changes(change) for name, change in changes.items() if not np.isnan(change).all()}
    if not weighted:
        return {}
    parts = np.stack(list(weighted.values()), axis=1)  # (R * C, M)
    parts = parts[(parts != 0).any(axis=1)]
    seen = parts.sum(axis=0)
    slack = 1e-9 * np.abs(parts).sum(axis=0)  # sums in another order differ in the last bits
    higher, lower = np.ones(len(seen)), np.ones(len(seen))
    for start in range(0, flips, _CHUNK):
        signs = rng.integers(0, 2, (min(_CHUNK, flips - start), len(parts)), dtype=np.int8).astype(np.float64) * 2 - 1
        drawn = signs @ parts
        higher += (drawn >= seen - slack).sum(axis=0)
        lower += (drawn <= seen + slack).sum(axis=0)
    scale = np.sqrt((parts**2).sum(axis=0))
    return {
        name: FlipTest(float(seen[m]), float(higher[m]) / (flips + 1), float(lower[m]) / (flips + 1), float(scale[m]))
        for m, name in enumerate(weighted)
    }


def weighted_changes(change: Floats) -> Floats:
    """What each pair adds to the mean over cells of the cells' means; 0 for a pair without a number. Shape (R * C,)."""
    known = ~np.isnan(change)
    counts = known.sum(axis=0)
    cells = int((counts > 0).sum())
    return (np.where(known, change, 0.0) / np.maximum(counts, 1) / max(cells, 1)).ravel()


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values for which 5 % is the chance that any of them is below 5 % where all nulls hold; in the order given.

    Source: Holm 1979, "A Simple Sequentially Rejective Multiple Test Procedure".
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
