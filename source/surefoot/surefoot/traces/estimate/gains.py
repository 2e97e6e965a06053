"""PD gains and control delay of a stretch of a log, by regression of torque on position error and velocity.

Model, for each joint j: tau = kp (q_des(t - delay) - q) - kd dq + offset_j, the same kp and kd for all joints, targets
held from stamp to stamp. The offset takes up friction and sensor bias, so that only motion tells the gains. Samples in
which a limit holds the torque are left out. The delay is the one with the least residual. Intervals: jackknife over
blocks of time, because neighbouring residuals depend on each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from surefoot.traces.estimate.estimated import Estimated
from surefoot.traces.trace import Trace

FloatArray = NDArray[np.float64]

MAX_DELAY = 0.04
"""s, end of the scan."""
_DELAY_STEP = 0.0005
_BLOCK = 0.2
"""s, of the jackknife; longer than a stance phase's correlation."""
_MIN_BLOCKS = 6
_MIN_R2 = 0.5
_RELATIVE = 0.25
"""Half width of the interval, as a share of the value, up to which a gain counts as identified ..."""
_STIFFNESS_FLOOR, _DAMPING_FLOOR = 2.0, 0.15
"""... or absolutely, N m/rad and N m s/rad: so that a gain of zero can be identified."""
_EXACT = 1e-6
"""Share of a torque's variance that no sensor and no current leaves unexplained."""
_CLIPPED, _AT_LIMIT = 0.03, 1e-4
"""A joint whose torque is within the second of its largest in more than the first of the samples is held by a limit
there: a sine is in 0.9 %."""
_MIN_DELAY_GAIN = 0.05
"""Share of the residual that the best delay must save against the worst within the scan."""


@dataclass(frozen=True)
class GainsEstimate:
    """What a stretch says about the motors' control law.

    Attributes:
        samples: Rows used.
    """

    stiffness: Estimated
    damping: Estimated
    delay: Estimated
    samples: int


@dataclass(frozen=True)
class _Sums:
    """Sums at one delay."""

    gram: FloatArray
    """Of the products of (error, -velocity, torque, 1). Shape (num_blocks, num_joints, 4, 4)."""

    def fit(self, drop: int | None = None) -> tuple[FloatArray, float, float]:
        """(kp, kd), residual and total sum of squares about each joint's mean, without one block."""
        gram = self.gram.sum(axis=0) - (0 if drop is None else self.gram[drop])
        count = gram[:, 3:4, 3:4]
        # Sums about each joint's mean: the offset of every joint is fitted without being solved for.
        centred = (gram[:, :3, :3] - gram[:, :3, 3:4] * gram[:, 3:4, :3] / count).sum(axis=0)
        # Least squares, because without motion in one regressor the matrix is singular.
        solution = np.linalg.lstsq(centred[:2, :2], centred[:2, 2], rcond=1e-12)[0]
        total = float(centred[2, 2])
        # Rounding may leave less than nothing of a perfect fit.
        return solution, max(total - float(solution @ centred[:2, 2]), 0.0), total


def estimate_gains(
    trace: Trace, start: float = 0.0, end: float = float("inf"), joints: Sequence[str] | None = None
) -> GainsEstimate:
    """Estimate gains and delay from a stretch in which the control law does not change.

    Args:
        trace: With q, dq, tau and q_des.
        start: s since the first sample.
        end: s, exclusive.
        joints: Names; default: all. Their gains are taken to be equal.

    Raises:
        TraceError: Signals or joints are absent.
    """
    trace.require("q", "dq", "tau", "q_des", purpose="estimating gains")
    stretch = _Stretch(trace, start, end, joints)
    origin = trace.header.signals["tau"].origin
    if origin == "computed":
        return _unknown("the torque was computed by a host; a fit would give back its formula", stretch)
    if stretch.num_blocks < _MIN_BLOCKS:
        reason = f"{stretch.samples} samples in {stretch.num_blocks} blocks of {_BLOCK} s; {_MIN_BLOCKS} needed"
        return _unknown(reason, stretch)
    # Half a step more, so that rounding does not cost the last delay.
    delays = np.arange(0.0, MAX_DELAY + _DELAY_STEP / 2, _DELAY_STEP)
    sums = [stretch.sums(float(delay)) for delay in delays]
    chosen, residuals = _least(delays, [part.fit()[1] for part in sums])
    (kp, kd), residual, total = sums[chosen].fit()
    r2 = 1 - residual / total if total > 0 else 0.0
    if 1 - r2 < _EXACT and origin != "simulated":
        return _unknown(f"the law gives the torque exactly (R2 1 - {1 - r2:.1g}): a host computed it", stretch)
    left_out = [_Left(sums, delays, block) for block in range(stretch.num_blocks)]
    fits = np.array([sums[chosen].fit(block)[0] for block in range(stretch.num_blocks)])
    names = (("N m/rad", _STIFFNESS_FLOOR), ("N m s/rad", _DAMPING_FLOOR))
    gains = [
        _gain(float(value), unit, floor, fits[:, column], r2)
        for column, (value, (unit, floor)) in enumerate(zip((kp, kd), names, strict=True))
    ]
    delay = _delay(float(delays[chosen]), residuals, [left.delay for left in left_out], gains[0], stretch, r2)
    return GainsEstimate(gains[0], gains[1], delay, stretch.samples)


class _Stretch:
    """The samples of a stretch, and its blocks."""

    def __init__(self, trace: Trace, start: float, end: float, joints: Sequence[str] | None) -> None:
        order = list(joints) if joints is not None else list(trace.header.joints)
        self._stamp = trace.stamp
        self._target = trace.get("q_des", order)
        time = trace.time
        rows = np.flatnonzero((time >= start) & (time < end))
        q, dq, tau = (trace.get(name, order)[rows] for name in ("q", "dq", "tau"))
        good = np.isfinite(q).all(1) & np.isfinite(dq).all(1) & np.isfinite(tau).all(1)
        self._rows, self._q, self._dq, self._tau = rows[good], q[good], dq[good], tau[good]
        self.samples = len(self._rows)
        self._free = _not_clipped(self._tau)
        self.step = trace.step
        seconds = time[self._rows]
        _, self._block = np.unique(((seconds - start) // _BLOCK).astype(np.int64), return_inverse=True)
        self.num_blocks = int(self._block.max()) + 1 if self.samples else 0
        moved = self._target[self._rows]
        self.targets_move = bool(self.samples) and float(np.nanmax(np.nanstd(moved, axis=0))) > 1e-6

    def sums(self, delay: float) -> _Sums:
        """Regressors at one delay; rows whose target is not known count for nothing."""
        # The target in force is the last one at or before; integers, so that an exact stamp is found.
        at = np.searchsorted(self._stamp, self._stamp[self._rows] - round(delay * 1e9), side="right") - 1
        error = np.where((at >= 0)[:, None], self._target[np.maximum(at, 0)], np.nan) - self._q
        good = np.isfinite(error).all(axis=1)
        columns = np.stack([error, -self._dq, self._tau, np.ones_like(error)], axis=-1)
        # A row of zeros adds nothing to any product, its count included: clipped samples are out.
        columns = np.where(self._free[..., None], columns, 0.0)[good]
        # Blocks are in order of time, so each is a slice, perhaps an empty one.
        edges = np.searchsorted(self._block[good], np.arange(self.num_blocks + 1))
        parts = [columns[a:b].transpose(1, 2, 0) for a, b in pairwise(edges.tolist())]
        return _Sums(np.stack([part @ part.transpose(0, 2, 1) for part in parts]))


def _not_clipped(tau: FloatArray) -> NDArray[np.bool_]:
    """Samples of each joint that no limit holds. Shape (num_samples, num_joints)."""
    if len(tau) == 0:
        return np.ones(tau.shape, bool)
    size = np.abs(tau)
    top = (size >= size.max(axis=0) * (1 - _AT_LIMIT)) & (size > 0)
    return ~(top & (top.mean(axis=0) > _CLIPPED))


class _Left:
    """The best delay without one block."""

    def __init__(self, sums: list[_Sums], delays: FloatArray, block: int) -> None:
        self.delay = float(delays[_least(delays, [part.fit(block)[1] for part in sums])[0]])


def _least(delays: FloatArray, residuals: list[float]) -> tuple[int, FloatArray]:
    """The delay in the middle of those with the least residual: between two stamps a held target does not change."""
    values = np.array(residuals)
    best = int(np.argmin(values))
    # Equal up to rounding, not exactly: sums are in another order for each delay.
    level = values[best] + 1e-9 * max(values.max(), 1e-300)
    last = best
    while last + 1 < len(delays) and values[last + 1] <= level:
        last += 1
    return (best + last) // 2, values


def _gain(value: float, unit: str, floor: float, fits: FloatArray, r2: float) -> Estimated:
    half = _half_width(fits)
    interval = (value - half, value + half)
    reason = ""
    if r2 < _MIN_R2:
        reason = f"the law explains {max(r2, 0):.0%} of the torque's variance"
    elif value + half < 0:
        reason = f"{value:.3g} {unit} is below zero: torque, position error or velocity has another sign"
    # Written so that NaN is not identified.
    elif not half <= max(_RELATIVE * abs(value), floor):
        reason = f"the motion leaves it between {interval[0]:.3g} and {interval[1]:.3g} {unit}"
    return Estimated(value, unit, interval, r2, reason)


def _delay(
    value: float, residuals: FloatArray, fits: list[float], stiffness: Estimated, stretch: _Stretch, r2: float
) -> Estimated:
    # Targets are known at stamps only: half a step is lost whatever the fit says.
    half = max(_half_width(np.array(fits)), stretch.step / 2)
    interval = (max(value - half, 0.0), value + half)
    reason = ""
    if not stretch.targets_move:
        reason = "targets do not move"
    elif not stiffness.identified:
        reason = f"without stiffness ({stiffness.reason})"
    elif stiffness.interval[0] <= 0:
        reason = "the stiffness may be zero, so that targets do not matter"
    elif residuals.max() <= 0 or 1 - residuals.min() / residuals.max() < _MIN_DELAY_GAIN:
        reason = f"residuals are the same within {_MIN_DELAY_GAIN:.0%} from 0 to {MAX_DELAY:g} s"
    # The least residual at the edge says that the true one lies beyond.
    elif value >= MAX_DELAY - _DELAY_STEP:
        reason = f"at the end of the scan, {MAX_DELAY:g} s"
    elif half > max(stretch.step, 0.5 * value):
        reason = f"the motion leaves it between {interval[0]:.4f} and {interval[1]:.4f} s"
    return Estimated(value, "s", interval, r2, reason)


def _half_width(fits: FloatArray) -> float:
    """95 % half width from leave-one-block-out values."""
    count = len(fits)
    # The jackknife's standard error: leave-one-out values are that much closer together than samples.
    error = np.sqrt((count - 1) / count * np.square(fits - fits.mean()).sum())
    return float(error * student.ppf(0.975, count - 1))


def _unknown(reason: str, stretch: _Stretch) -> GainsEstimate:
    nothing = (float("nan"), float("nan"))
    kp, kd, delay = (Estimated(float("nan"), unit, nothing, 0.0, reason) for unit in ("N m/rad", "N m s/rad", "s"))
    return GainsEstimate(kp, kd, delay, stretch.samples)
