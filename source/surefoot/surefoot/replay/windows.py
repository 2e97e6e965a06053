"""Windows of a trace that replay starts from, and the trace's signals on the simulator's clock.

A window starts at a recorded sample and lasts a fixed number of control steps. Axis letters: W windows, H control steps
of a window, K physics steps of a window, c components.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from surefoot.errors import TraceError
from surefoot.traces import rotation
from surefoot.traces.card import TraceCard
from surefoot.traces.signals import SIGNALS
from surefoot.traces.trace import FloatArray, Trace

_SNAP = 2e-6
"""s; a stamp that is closer to a wanted time than this is taken to be at it."""
_GAP = 1.6
"""Median steps of the stamps; a longer step is a gap in the log, if it is also longer than half a control step:
messages that are a little late leave none."""
_SHORTEST_QUAT = 0.5
"""Of a quaternion that says an orientation; drivers send zeros where they have none."""


@dataclass(frozen=True)
class Windows:
    """Stretches of a trace that can be replayed.

    Attributes:
        start: Sample that each window starts from. Shape (W,).
        num_steps: Control steps of a window.
        step_dt: s, control step.
        dropped: Windows that were left out, by reason.
    """

    start: NDArray[np.int64]
    num_steps: int
    step_dt: float
    dropped: dict[str, int] = field(default_factory=dict[str, int])

    def __len__(self) -> int:
        return len(self.start)

    def thinned(self, most: int) -> "Windows":
        """At most so many of them, evenly spread; the others are counted as dropped."""
        if len(self) <= most:
            return self
        chosen = np.linspace(0, len(self) - 1, most).round().astype(np.int64)
        dropped = self.dropped | {"more than asked for": len(self) - most}
        return Windows(self.start[chosen], self.num_steps, self.step_dt, dropped)


def cut_windows(
    trace: Trace,
    *,
    num_steps: int,
    step_dt: float,
    needs: Iterable[str],
    card: TraceCard | None = None,
    stride: int | None = None,
    at_start: Iterable[str] = (),
    commands: Iterable[str] = (),
    reach: tuple[float, float] = (0.0, 0.0),
) -> Windows:
    """Cut a trace into windows, without those that a gap, a missing sample or a segment makes invalid.

    Args:
        trace: The log.
        num_steps: Control steps of a window.
        step_dt: s.
        needs: Signals that must be numbers all through a window.
        card: Its segments say what may be replayed: only `policy` and `stand`, and `damping` where its gains are known,
            from the log or the card; and only where `valid`.
        stride: Control steps between starts; default: `num_steps`, so that windows do not overlap.
        at_start: Signals that must be numbers in a window's first sample.
        commands: Signals of `needs` that are held from sample to sample, and given in other places than states are.
        reach: s, from where to where commands are given, from a window's start and from its end: a delay reaches back,
            a lead beyond the end.

    Raises:
        TraceError: No window is left; says how many were dropped and why.
    """
    needs = tuple(needs)
    trace.require(*needs, purpose="replay")
    time = trace.time
    length = num_steps * step_dt
    every = (num_steps if stride is None else stride) * step_dt
    # A window that ends at the very last sample is whole.
    last = time[-1] - length + _SNAP
    wanted = np.arange(0.0, max(last, 0.0) + 1e-12, every) if last >= 0 else np.zeros(0)
    # In a gap several wanted times have one next sample.
    start = np.unique(np.searchsorted(time, wanted - _SNAP))
    start = start[time[start] <= last]
    end = np.searchsorted(time, time[start] + length - _SNAP)
    steps = np.diff(time)
    # Running counts: a difference says how many lie in a window, without a look at each sample.
    bad_step = np.concatenate([[0], np.cumsum(steps > max(_GAP * float(np.median(steps)), 0.5 * step_dt))])
    lost_before = _count_missing(trace, needs)
    missing = lost_before[end + 1] > lost_before[start]
    missing |= np.diff(_count_missing(trace, at_start))[start] > 0
    lost_before = _count_missing(trace, commands)
    first, final = (_in_force(time, time[at] + more) for at, more in zip((start, end), reach, strict=True))
    missing |= lost_before[final + 1] > lost_before[first]
    problems = {
        "gap": bad_step[end] > bad_step[start],
        "missing samples": missing,
        "segment": _outside_segments(time[start], time[end], card, trace.has("kp", "kd")),
    }
    keep = np.ones(len(start), dtype=bool)
    dropped: dict[str, int] = {}
    for reason, hit in problems.items():
        count = int((hit & keep).sum())
        if count:
            dropped[reason] = count
        keep &= ~hit
    if not keep.any():
        why = ", ".join(f"{count} for {reason}" for reason, count in dropped.items()) or "the trace is too short"
        raise TraceError(
            f"{trace.path}: no window of {length:g} s can be replayed ({why}); the trace has {time[-1]:g} s. Choose a "
            "shorter horizon, or correct the segments of its card."
        )
    return Windows(start[keep], num_steps, step_dt, dropped)


def _count_missing(trace: Trace, names: Iterable[str]) -> NDArray[np.int64]:
    """Samples before each one, and before the end, in which a signal is no number or a quaternion none."""
    lost = np.zeros(len(trace.stamp), dtype=bool)
    for name in names:
        values = trace.signals[name]
        lost |= ~np.isfinite(values).all(axis=1)
        if SIGNALS[name].along == "wxyz":
            lost |= np.linalg.norm(np.nan_to_num(values), axis=1) < _SHORTEST_QUAT
    return np.concatenate([[0], np.cumsum(lost)])


def _in_force(time: FloatArray, wanted: FloatArray) -> NDArray[np.int64]:
    """The last sample at or before each time; the first one where there is none."""
    return np.maximum(np.searchsorted(time, wanted + _SNAP, side="right") - 1, 0)


def _outside_segments(
    start: FloatArray, end: FloatArray, card: TraceCard | None, gains_known: bool
) -> NDArray[np.bool_]:
    """Windows that do not lie wholly in one segment that may be replayed; none where there are no segments."""
    if card is None or not card.segments:
        return np.zeros(len(start), dtype=bool)
    inside = np.zeros(len(start), dtype=bool)
    for segment in card.segments:
        damping = segment.mode == "damping" and (gains_known or segment.gains is not None)
        if segment.valid and (damping or segment.mode in ("policy", "stand")):
            inside |= (start >= segment.start - _SNAP) & (end <= segment.end + _SNAP)
    return ~inside


def interpolated(trace: Trace, windows: Windows, values: FloatArray, *, dt: float, count: int) -> FloatArray:
    """A signal at equally spaced times of each window, between samples on a straight line.

    Args:
        trace: For its stamps.
        windows: Where to start.
        values: Shape (num_samples, c).
        dt: s between the times.
        count: Number of times; the first is the window's start.

    Returns:
        Shape (count, W, c).
    """
    time = trace.time
    wanted = time[windows.start][None, :] + dt * np.arange(count)[:, None]
    # At least 1, so that there is a sample on the left of the first, too.
    right = np.clip(np.searchsorted(time, wanted - _SNAP), 1, len(time) - 1)
    left = right - 1
    share = (wanted - time[left]) / (time[right] - time[left])
    share = np.clip(np.where(np.abs(wanted - time[right]) < _SNAP, 1.0, share), 0.0, 1.0)
    share = np.where(np.abs(wanted - time[left]) < _SNAP, 0.0, share)[..., None]
    # Weights of exactly 0 and 1 leave a sample as it is, and a NaN beside it out.
    return np.where(share == 0, values[left], np.where(share == 1, values[right], _mix(values, left, right, share)))


def interpolated_quat(trace: Trace, windows: Windows, values: FloatArray, *, dt: float, count: int) -> FloatArray:
    """The same for unit quaternions: neighbours on one side of the sphere, normalised after."""
    # Between q and -q a straight line passes through 0.
    mixed = interpolated(trace, windows, rotation.continuous(values), dt=dt, count=count)
    return mixed / np.linalg.norm(mixed, axis=-1, keepdims=True)


def last_given(
    trace: Trace, windows: Windows, values: FloatArray, *, dt: float, count: int, first: int = 0, lead: float = 0.0
) -> FloatArray:
    """A command at equally spaced times of each window: the last one that was given, or the trace's first.

    Args:
        trace: For its stamps.
        windows: Where to start.
        values: Shape (num_samples, c).
        dt: s between the times.
        count: Number of times.
        first: Number of `dt` from the window's start to the first time; may be negative.
        lead: s that commands were given before their stamps.

    Returns:
        Shape (count, W, c).
    """
    time = trace.time
    wanted = time[windows.start][None, :] + dt * (first + np.arange(count))[:, None] + lead
    return values[_in_force(time, wanted)]


def _mix(values: FloatArray, left: NDArray[np.int64], right: NDArray[np.int64], share: FloatArray) -> FloatArray:
    return (1.0 - share) * values[left] + share * values[right]
