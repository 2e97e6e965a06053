"""What is wrong with a clock: duplicates, steps back, gaps, bursts, jumps and drift. Works on a stream of batches."""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from surefoot.traces.header import TraceFinding

_BLOCK = 32
"""Samples per block in which two clocks are compared: messages come late, never early, so the least lag counts."""
_BURST = 0.25
"""A step shorter than this share of the median is a burst."""
_MAX_DRIFT = 500e-6
"""s/s; crystals are within 100e-6."""
_MAX_KEPT = 100_000


@dataclass
class ClockLog:
    """Watches the stamps of one topic.

    Attributes:
        source: File or topic, for messages.
        column: Of the stamps.
        gap_factor: A step longer than this many median steps is a gap.
    """

    source: str
    column: str
    gap_factor: float = 5.0
    samples: int = 0
    _last: int | None = None
    _previous: int | None = None
    _median: float = 0.0
    _duplicates: list[int] = field(default_factory=list[int])
    _backward: list[tuple[int, float]] = field(default_factory=list[tuple[int, float]])
    _dropped: int = 0
    _gaps: list[tuple[int, float]] = field(default_factory=list[tuple[int, float]])
    _num_gaps: int = 0
    _bursts: list[int] = field(default_factory=list[int])
    _short: bool = False
    _lags: list[tuple[float, float, float]] = field(default_factory=list[tuple[float, float, float]])
    _first: tuple[int, int] | None = None

    def add(self, row: int, stamp: NDArray[np.int64], check: NDArray[np.int64] | None = None) -> NDArray[np.bool_]:
        """Watch a batch.

        Args:
            row: Of its first sample, from 0.
            stamp: ns. Shape (num_samples,).
            check: A second clock, ns. Shape (num_samples,).

        Returns:
            True for samples later than all before them: those that a trace can hold. Shape (num_samples,).
        """
        if len(stamp) == 0:
            return np.zeros(0, bool)
        # Before the first sample every stamp is later.
        low = np.iinfo(np.int64).min if self._last is None else self._last
        # Compared with all before, not with the last one: after a step back the clock is late until it has caught up.
        highest = np.maximum.accumulate(np.concatenate([[low], stamp[:-1]]))
        keep = stamp > highest
        self._count_bad(row, stamp, highest, keep)
        kept, rows = stamp[keep], row + np.flatnonzero(keep)
        if len(kept):
            self._count_steps(kept, rows)
            self._last = int(kept[-1])
        if check is not None and len(kept):
            self._compare(rows, kept, check[keep])
        self.samples += len(stamp)
        return keep

    def _count_bad(
        self, row: int, stamp: NDArray[np.int64], highest: NDArray[np.int64], keep: NDArray[np.bool_]
    ) -> None:
        same = np.flatnonzero(stamp == highest)
        self._duplicates += (row + same).tolist()
        back = np.flatnonzero(stamp < highest)
        if len(back):
            previous = stamp[0] if self._previous is None else self._previous
            joined = np.concatenate([[previous], stamp])
            # Where it turns back; the late samples that follow rise again, and are one finding with it.
            turns = back[np.diff(joined)[back] < 0]
            self._backward += [(row + int(at), float(highest[at] - stamp[at]) * 1e-9) for at in turns]
        self._dropped += int((~keep).sum())
        self._previous = int(stamp[-1])

    def _count_steps(self, kept: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
        joined = kept if self._last is None else np.concatenate([[self._last], kept])
        steps = np.diff(joined)
        if len(steps) == 0:
            return
        # The first batches tell the rate; later ones only refine it.
        median = float(np.median(steps))
        self._median = median if self._median == 0 else 0.9 * self._median + 0.1 * median
        # A step belongs to the sample at its end; the very first sample ends none.
        at = rows[len(rows) - len(steps) :]
        long = steps > self.gap_factor * self._median
        self._num_gaps += int(long.sum())
        self._gaps += [
            (int(r), float(s) * 1e-9) for r, s in zip(at[long][:_MAX_KEPT], steps[long][:_MAX_KEPT], strict=True)
        ]
        short = steps < _BURST * self._median
        # A burst is counted once, also where it goes on from the batch before.
        begins = short & ~np.concatenate([[self._short], short[:-1]])
        self._bursts += at[begins].tolist()
        self._short = bool(short[-1])

    def _compare(self, rows: NDArray[np.int64], stamp: NDArray[np.int64], check: NDArray[np.int64]) -> None:
        """Keep, for each block, its first row, the second clock, and the least lag of the stamps behind it."""
        if self._first is None:
            self._first = (int(stamp[0]), int(check[0]))
        time = (check - self._first[1]) * 1e-9
        lag = (stamp - self._first[0]) * 1e-9 - time
        for start in range(0, len(lag), _BLOCK):
            at = start + int(np.argmin(lag[start : start + _BLOCK]))
            self._lags.append((float(rows[start]), float(time[at]), float(lag[at])))

    @property
    def rate(self) -> float:
        """Hz."""
        return 1e9 / self._median if self._median else 0.0

    def findings(self) -> list[TraceFinding]:
        """Everything found, worst first."""
        out: list[TraceFinding] = []
        if self._backward:
            worst = max(back for _, back in self._backward)
            out.append(
                self._finding(
                    "backward", "refusal", [row for row, _ in self._backward],
                    f"the clock steps back, by up to {worst:.6g} s; {self._dropped - len(self._duplicates)} samples "
                    "are not later than one before them",
                )
            )  # fmt: skip
        if self._duplicates:
            rows = self._duplicates
            many = 2 * len(rows) > self.samples
            text = "the same stamp as before; the first sample counts"
            text += "; more than half of the log: stamps of single precision?" if many else ""
            out.append(self._finding("duplicate", "refusal" if many else "warning", rows, text))
        if self._gaps:
            longest = max(step for _, step in self._gaps)
            text = f"longer than {self.gap_factor:g} steps of {self._median * 1e-6:.3g} ms; the longest {longest:.4g} s"
            out.append(self._finding("gap", "warning", [row for row, _ in self._gaps], text, self._num_gaps))
        if self._bursts:
            text = f"steps shorter than {_BURST:g} of {self._median * 1e-6:.3g} ms: messages that waited came at once"
            out.append(self._finding("burst", "note", self._bursts, text))
        return out + self._against_check()

    def _against_check(self) -> list[TraceFinding]:
        # Three blocks on either side of a jump, and two to spare at the ends.
        if len(self._lags) < 8:
            return []
        rows, time, lag = np.array(self._lags).T
        out: list[TraceFinding] = []
        middle = np.arange(3, len(lag) - 2)
        # Medians of three blocks: a single late block is no jump.
        step = np.array([np.median(lag[at : at + 3]) - np.median(lag[at - 3 : at]) for at in middle])
        limit = max(0.005, 2 * self._median * 1e-9)
        jumped = np.flatnonzero(np.abs(step) > limit)
        peaks: list[int] = []
        if len(jumped):
            # One jump shows in several medians around it.
            groups = np.split(jumped, np.flatnonzero(np.diff(jumped) > 3) + 1)
            peaks = [int(group[np.argmax(np.abs(step[group]))]) for group in groups]
            text = f"jumps against the second clock, by {', '.join(f'{step[p]:+.4g}' for p in peaks[:5])} s"
            out.append(self._finding("jump", "warning", [int(rows[middle[p]]) for p in peaks], text))
        slope = _common_slope(time, lag, [int(middle[peak]) for peak in peaks])
        # A short log can have a steep slope by chance; what drifts must also have got somewhere.
        if abs(slope) > _MAX_DRIFT and abs(slope) * (time[-1] - time[0]) > limit:
            text = f"drifts by {slope * 1e6:+.0f} us/s against the second clock"
            out.append(self._finding("drift", "warning", [int(rows[0])], text))
        return out

    def _finding(self, kind: str, severity: str, rows: list[int], text: str, count: int | None = None) -> TraceFinding:
        return TraceFinding.model_validate(
            {
                "kind": kind, "severity": severity, "message": text, "source": self.source, "column": self.column,
                "row": rows[0] + 1, "count": count or len(rows),
            }
        )  # fmt: skip


def _common_slope(time: NDArray[np.float64], lag: NDArray[np.float64], breaks: list[int]) -> float:
    """Slope of the stretches between breaks, each with an offset of its own; blocks next to a break are left out."""
    edges = [0, *breaks, len(lag)]
    upper = lower = 0.0
    for begin, end in pairwise(edges):
        # Medians blur a break over the blocks next to it.
        part = slice(begin + 3 * (begin > 0), end - 3 * (end < len(lag)))
        if len(lag[part]) > 1:
            x = time[part] - time[part].mean()
            upper, lower = upper + float(x @ lag[part]), lower + float(x @ x)
    return upper / lower if lower > 0 else 0.0


def gaps(stamp: NDArray[np.int64], factor: float = 5.0) -> list[tuple[int, int]]:
    """Index pairs (last sample before, first sample after) of steps longer than `factor` median steps."""
    steps = np.diff(stamp)
    if len(steps) == 0:
        return []
    return [(int(at), int(at) + 1) for at in np.flatnonzero(steps > factor * np.median(steps))]
