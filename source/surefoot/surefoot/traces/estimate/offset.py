"""How far one clock runs behind another, from a quantity that both topics show."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import correlate, correlation_lags

from surefoot.traces import rotation
from surefoot.traces.estimate.estimated import Estimated
from surefoot.traces.trace import Trace

FloatArray = NDArray[np.float64]
_MIN_CORRELATION = 0.7
_SECOND = 0.95
"""Another peak this high, as a share of the highest: periodic motion, the offset is known up to a period only."""
_MAX_SAMPLES = 500_000


@dataclass(frozen=True)
class OffsetEstimate:
    """Add `offset` to the second topic's stamps to have it agree with the first."""

    offset: Estimated
    correlation: float


def estimate_offset(
    stamp_a: NDArray[np.int64], a: FloatArray, stamp_b: NDArray[np.int64], b: FloatArray, max_offset: float = 1.0
) -> OffsetEstimate:
    """Offset between two clocks by cross-correlation of the same quantity, seen by both.

    Args:
        stamp_a: ns. Shape (num_a,).
        a: Shape (num_a, num_channels).
        stamp_b: ns. Shape (num_b,).
        b: The same quantity in the same frame; scale and bias do not matter. Shape (num_b, num_channels).
        max_offset: s.
    """
    # The finer clock's step, but no finer than stamps are good for.
    step = max(min(float(np.median(np.diff(stamp_a))), float(np.median(np.diff(stamp_b)))) * 1e-9, 1e-4)
    origin = int(min(stamp_a[0], stamp_b[0]))
    times: list[FloatArray] = [(stamp - origin).astype(np.float64) * 1e-9 for stamp in (stamp_a, stamp_b)]
    start, end = max(times[0][0], times[1][0] - max_offset), min(times[0][-1], times[1][-1] + max_offset)
    count = int((end - start) / step)
    if count < 20 or count > _MAX_SAMPLES:
        wanted = f"20 to {_MAX_SAMPLES} steps of {step:.3g} s"
        return _unknown(f"the topics share {max(end - start, 0):.3g} s; {wanted} are needed")
    grid: FloatArray = start + step * np.arange(count, dtype=np.float64)
    lags = correlation_lags(count, count)
    near = np.abs(lags) * step <= max_offset
    total = np.zeros(int(near.sum()))
    power = [0.0, 0.0]
    for channel in range(a.shape[1]):
        pair = [_resampled(grid, time, part[:, channel]) for time, part in zip(times, (a, b), strict=True)]
        if min(part.std() for part in pair) <= 1e-12:
            continue
        # Channels are added before they are normalised: those that move most say most.
        total += correlate(pair[0], pair[1])[near]
        power = [before + float(part @ part) for before, part in zip(power, pair, strict=True)]
    if min(power) <= 0:
        return _unknown("one of the signals does not move")
    coarse = _peak(total / np.sqrt(power[0] * power[1]), lags[near] * step, step, max_offset)
    return _refined(coarse, times, (a, b), step) if coarse.offset.identified else coarse


def mocap_offset(trace: Trace, max_offset: float = 0.5) -> OffsetEstimate:
    """Offset of motion capture behind the IMU, from the rate of turn: gyro against the derivative of `base_quat_w`.

    Raises:
        TraceError: The trace lacks one of them.
    """
    trace.require("gyro", "base_quat_w", purpose="comparing motion capture with the IMU")
    quat, time = rotation.continuous(trace.get("base_quat_w")), trace.time
    dot = np.gradient(quat, time, axis=0)
    turn = 2 * rotation.multiply(rotation.conjugate(quat), dot)[:, 1:]
    return estimate_offset(trace.stamp, trace.get("gyro"), trace.stamp, turn, max_offset)


def _resampled(grid: FloatArray, time: FloatArray, values: FloatArray) -> FloatArray:
    good = np.isfinite(values)
    if good.sum() < 2:
        return np.zeros(len(grid))
    out = np.interp(grid, time[good], values[good])
    out = out - out[(grid >= time[0]) & (grid <= time[-1])].mean()
    # Zero is the mean here: outside of its samples a topic says nothing.
    return np.where((grid >= time[0]) & (grid <= time[-1]), out, 0.0)


def _peak(correlation: FloatArray, offsets: FloatArray, step: float, max_offset: float) -> OffsetEstimate:
    best = int(np.argmax(correlation))
    high = float(correlation[best])
    # A maximum at the edge is no peak.
    if best in (0, len(correlation) - 1):
        return _unknown(f"the best agreement lies at the end of the search, {max_offset:g} s", high)
    # Parabola through the highest three.
    left, middle, right = correlation[best - 1 : best + 2]
    bend = left - 2 * middle + right
    offset = float(offsets[best]) + (step * 0.5 * float((left - right) / bend) if bend < 0 else 0.0)
    peaks = np.flatnonzero((correlation[1:-1] >= correlation[:-2]) & (correlation[1:-1] > correlation[2:])) + 1
    others = [float(correlation[at]) for at in peaks if at != best]
    reason = ""
    if high < _MIN_CORRELATION:
        reason = f"the signals correlate by {high:.2f} at best"
    elif others and max(others) > _SECOND * high:
        reason = "the motion repeats itself: another offset agrees as well"
    half = step / 2
    return OffsetEstimate(Estimated(offset, "s", (offset - half, offset + half), high**2, reason), high)


def _refined(
    coarse: OffsetEstimate, times: list[FloatArray], values: tuple[FloatArray, FloatArray], step: float
) -> OffsetEstimate:
    """The offset near the coarse one with the highest correlation over what both topics then share.

    The coarse correlation fills up what is not shared with zeros, which pulls its peak.
    """
    fine = coarse.offset.value + step * np.linspace(-2.0, 2.0, 33)
    scores = np.array([_agreement(times, values, float(offset)) for offset in fine])
    best = int(np.argmax(scores))
    offset, high = float(fine[best]), float(scores[best])
    half = step / 2
    reason = "" if high >= _MIN_CORRELATION else f"the signals correlate by {high:.2f} at best"
    return OffsetEstimate(Estimated(offset, "s", (offset - half, offset + half), high**2, reason), high)


def _agreement(times: list[FloatArray], values: tuple[FloatArray, FloatArray], offset: float) -> float:
    """Correlation of the first topic with the second, whose stamps are moved by `offset`."""
    late = times[1] + offset
    shared = (times[0] >= late[0]) & (times[0] <= late[-1])
    if shared.sum() < 20:
        return 0.0
    products = np.zeros(3)
    for channel in range(values[0].shape[1]):
        first, second = values[0][shared, channel], values[1][:, channel]
        known = np.isfinite(second)
        moved = np.interp(times[0][shared], late[known], second[known])
        good = np.isfinite(first)
        x, y = first[good] - first[good].mean(), moved[good] - moved[good].mean()
        products += [float(x @ y), float(x @ x), float(y @ y)]
    # Two constants have no correlation, and no 0/0.
    return float(products[0] / np.sqrt(max(products[1] * products[2], 1e-300)))


def _unknown(reason: str, correlation: float = 0.0) -> OffsetEstimate:
    nothing = (float("nan"), float("nan"))
    return OffsetEstimate(Estimated(float("nan"), "s", nothing, 0.0, reason), correlation)
