"""Samples of one topic at the stamps of another, in one pass over both: memory does not grow with the log."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from surefoot.traces.profile import Merge
from surefoot.traces.signals import SIGNALS

FloatArray = NDArray[np.float64]


class Cursor:
    """A window that moves over a topic.

    Args:
        batches: Stamps, ns and rising, and signals by name.
        merge: How each signal is sampled.
        sizes: Number of components of each.
        tolerance: ns; samples further away do not count.
    """

    def __init__(
        self,
        batches: Iterator[tuple[NDArray[np.int64], Mapping[str, FloatArray]]],
        merge: Mapping[str, Merge],
        sizes: Mapping[str, int],
        tolerance: int,
    ) -> None:
        self._batches, self._merge, self._sizes, self._tolerance = batches, merge, sizes, tolerance
        self._stamp = np.zeros(0, np.int64)
        self._values: dict[str, FloatArray] = {}
        self.matched = 0
        self.span: tuple[int, int] | None = None
        """First and last stamp seen, ns."""

    def sample(self, stamp: NDArray[np.int64]) -> dict[str, FloatArray]:
        """Signals at rising stamps, later than those of the call before; NaN where no sample is near enough."""
        # Beyond the last stamp: the nearest sample may lie after it.
        self._advance(int(stamp[0]), int(stamp[-1]) + self._tolerance)
        if len(self._stamp) == 0:
            return {name: np.full((len(stamp), self._sizes[name]), np.nan) for name in self._merge}
        before = np.searchsorted(self._stamp, stamp, side="right") - 1
        after = np.minimum(before + 1, len(self._stamp) - 1)
        # The largest integer is beyond any tolerance.
        lag = np.where(before >= 0, stamp - self._stamp[np.maximum(before, 0)], np.iinfo(np.int64).max)
        lead = np.where(self._stamp[after] >= stamp, self._stamp[after] - stamp, np.iinfo(np.int64).max)
        self.matched += int((np.minimum(lag, lead) <= self._tolerance).sum())
        out = {name: self._one(name, rule, stamp, before, after, lag, lead) for name, rule in self._merge.items()}
        self._forget(int(stamp[-1]))
        return out

    def _one(
        self,
        name: str,
        rule: Merge,
        stamp: NDArray[np.int64],
        before: NDArray[np.int64],
        after: NDArray[np.int64],
        lag: NDArray[np.int64],
        lead: NDArray[np.int64],
    ) -> FloatArray:
        values = self._values[name]
        left, right = values[np.maximum(before, 0)], values[after]
        if rule == "hold":
            return np.where((lag <= self._tolerance)[:, None], left, np.nan)
        if rule == "nearest":
            chosen = np.where((lead < lag)[:, None], right, left)
            return np.where((np.minimum(lag, lead) <= self._tolerance)[:, None], chosen, np.nan)
        # A sample at the very stamp needs no neighbour after it.
        inside = (lag <= self._tolerance) & ((lead <= self._tolerance) | (lag == 0))
        span = (self._stamp[after] - self._stamp[np.maximum(before, 0)]).astype(np.float64)
        between = inside & (lag > 0) & (span > 0)
        share = np.where(between, np.where(between, lag, 0) / np.where(between, span, 1.0), 0.0)[:, None]
        if SIGNALS[name].along == "wxyz":
            # The short way round: q and -q are one rotation.
            right = np.where((left * right).sum(axis=1, keepdims=True) < 0, -right, right)
        mixed = np.where(share == 0, left, left * (1 - share) + right * share)
        if SIGNALS[name].along == "wxyz":
            mixed = mixed / np.where(share == 0, 1.0, np.linalg.norm(mixed, axis=1, keepdims=True))
        return np.where(inside[:, None], mixed, np.nan)

    def _advance(self, start: int, until: int) -> None:
        """Read on until a sample is not earlier than `until`; what lies wholly before `start` is let go."""
        stamps = [self._stamp] if len(self._stamp) else []
        values = [self._values] if len(self._stamp) else []
        while not stamps or stamps[-1][-1] < until:
            batch = next(self._batches, None)
            if batch is None:
                break
            if len(batch[0]) == 0:
                continue
            first = int(batch[0][0]) if self.span is None else self.span[0]
            self.span = (first, int(batch[0][-1]))
            # A sample at or before the first stamp makes all earlier ones unnecessary.
            if int(batch[0][0]) <= start:
                stamps, values = [], []
            stamps.append(batch[0])
            values.append(dict(batch[1]))
        if stamps:
            self._stamp = np.concatenate(stamps)
            self._values = {name: np.concatenate([part[name] for part in values]) for name in values[-1]}

    def _forget(self, upto: int) -> None:
        """Drop what no later stamp can ask for: all but the last sample at or before `upto`."""
        first = max(int(np.searchsorted(self._stamp, upto, side="right")) - 1, 0)
        if first:
            # A copy, because a view would keep the whole window in memory.
            self._stamp = self._stamp[first:].copy()
            self._values = {name: part[first:].copy() for name, part in self._values.items()}
