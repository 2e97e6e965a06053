"""Stretches of a log in one mode: standing, a controller's targets, damping, or joints that do not follow.

Three things are looked for. Changes of the control law: tau = kp (q_des - q) - kd dq is fitted to stretches of time,
and the cuts are those with the least sum of n log(residual / n) plus a penalty for each cut (exact, by dynamic
programming over blocks), then moved to the sample. Changes of the targets: moving, or held for longer than a while.
Joints that cease to follow. Each piece is named after its law, its targets and its motion.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from surefoot.traces.card import Mode, Segment
from surefoot.traces.trace import Trace

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_MAX_BLOCKS = 1500
_MIN_SECONDS = 0.3
"""Shorter stretches are no mode."""
_SAME_LAW = 1.3
"""Two neighbours are one stretch if one law fits both with at most this many times their residuals."""
_PENALTY = 12.0
"""Of a cut, times log(samples). BIC takes half the number of parameters for independent residuals; these are not."""
_NO_STIFFNESS = 0.1
"""Share of the position gain's torque, up to which the law counts as damping alone."""
_FOLLOWS = 0.1
"""Motion of the joints as a share of that of their targets, below which they do not follow ..."""
_LARGE = 0.1
"""... if the targets' standard deviation is at least this, rad: friction holds a joint against less."""
_HELD = 1e-6
"""rad; targets that move less are held."""


@dataclass(frozen=True)
class _Law:
    """Fit of one stretch: gains, mean squared residual, and the parts of the torque's mean square."""

    kp: float
    kd: float
    residual: float
    from_position: float
    total: float


def find_modes(trace: Trace) -> tuple[Segment, ...]:
    """Cut a log into stretches in one mode.

    Args:
        trace: With q, dq, tau and q_des.

    Returns:
        Segments without gaps between them, from the first sample to the last, labelled as estimated.

    Raises:
        TraceError: Signals are absent.
    """
    trace.require("q", "dq", "tau", "q_des", purpose="finding modes")
    error, velocity, torque = _regressors(trace)
    gram = _gram(error, velocity, torque)
    cuts = {*_law_cuts(trace, gram), *_target_cuts(trace), *_fault_cuts(trace)}
    edges = sorted({0, len(trace.stamp), *cuts})
    edges = _without_short(edges, trace)
    pieces = [(a, b, *_name(trace, gram, a, b)) for a, b in pairwise(edges)]
    return tuple(_segment(trace, *piece) for piece in _joined(pieces))


def _regressors(trace: Trace) -> tuple[FloatArray, FloatArray, FloatArray]:
    error = trace.get("q_des") - trace.get("q")
    parts = (error, -trace.get("dq"), trace.get("tau"))
    good = _complete(np.concatenate(parts, axis=1))[:, None]
    # Zeros add nothing to the sums; indices stay those of the trace.
    error, velocity, torque = (np.where(good, part, 0.0) for part in parts)
    return error, velocity, torque


def _complete(values: FloatArray) -> NDArray[np.bool_]:
    """Rows without a missing sample."""
    return np.asarray(np.isfinite(values).all(axis=1))


def _gram(error: FloatArray, velocity: FloatArray, torque: FloatArray) -> FloatArray:
    """Running sums, over time and joints, of the products of (error, -velocity, torque). Shape (num_samples + 1, 6)."""
    e, v, t = error, velocity, torque
    pairs = ((e, e), (e, v), (v, v), (e, t), (v, t), (t, t))
    products = np.stack([(a * b).sum(axis=1) for a, b in pairs], axis=1)
    # Running sums: those of any stretch are one difference.
    return np.concatenate([np.zeros((1, 6)), np.cumsum(products, axis=0)])


def _solve(sums: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """kp, kd and residual sum of squares for each row of sums. Shape (..., 6)."""
    ee, ev, vv, et, vt, tt = np.moveaxis(sums, -1, 0)
    # Singular where nothing moves, or position and velocity move alike.
    tiny = 1e-12 * (ee * vv) + 1e-300
    det = ee * vv - ev * ev
    good = det > tiny
    safe = np.where(good, det, 1.0)
    kp = np.where(good, (et * vv - vt * ev) / safe, et / np.maximum(ee, 1e-300))
    kd = np.where(good, (vt * ee - et * ev) / safe, 0.0)
    # Not 0: its logarithm is a cost, and one perfect stretch would outweigh all others.
    return kp, kd, np.maximum(tt - kp * et - kd * vt, 1e-9 * tt + 1e-12)


def _law_cuts(trace: Trace, gram: FloatArray) -> list[int]:
    """Samples at which the law changes."""
    count = len(trace.stamp)
    # The search is quadratic in the number of blocks.
    size = max(4, -(-count // _MAX_BLOCKS))
    edges = np.append(np.arange(0, count, size), count)
    least = max(2, round(_MIN_SECONDS / max(trace.step, 1e-9) / size))
    cuts = _best_cuts(gram[edges], edges, least, _PENALTY * np.log(max(count, 2)))
    sharp = [_sharpen(gram, edges, cuts, at) for at in range(1, len(cuts) - 1)]
    return _merge_same(gram, [0, *sharp, count])[1:-1]


def _best_cuts(gram: FloatArray, edges: IntArray, least: int, penalty: float) -> list[int]:
    """Indices of the blocks' edges with the least cost. Optimal partitioning: Jackson et al. 2005, IEEE SPL 12(2)."""
    num = len(edges) - 1
    best = np.full(num + 1, np.inf)
    # The first stretch has no cut before it, and pays none.
    best[0] = -penalty
    previous = np.zeros(num + 1, dtype=np.int64)
    for end in range(1, num + 1):
        # Before `least` blocks there is only the stretch from the start.
        starts = np.arange(0, max(end - least, 0) + 1) if end >= least else np.array([0])
        residual = _solve(gram[end] - gram[starts])[2]
        rows = edges[end] - edges[starts]
        cost = best[starts] + rows * np.log(residual / rows) + penalty
        at = int(np.argmin(cost))
        best[end], previous[end] = cost[at], starts[at]
    cuts = [num]
    while cuts[-1] > 0:
        cuts.append(int(previous[cuts[-1]]))
    return cuts[::-1]


def _sharpen(gram: FloatArray, edges: IntArray, cuts: list[int], at: int) -> int:
    """The sample, within two blocks of a cut, at which the law before hands over to the law after."""
    first, cut, last = (int(edges[cuts[index]]) for index in (at - 1, at, at + 1))
    reach = 2 * int(edges[1] - edges[0])
    low, high = max(first + 1, cut - reach), min(last - 1, cut + reach)
    if high <= low:
        return cut
    # Laws from inside the stretches, away from the cut.
    costs = np.zeros(high - low)
    for sign, a, b in ((1, first, low), (-1, high, last)):
        # A stretch that lies within the reach altogether is taken whole.
        if b - a < 2:
            a, b = (first, cut) if sign > 0 else (cut, last)
        kp, kd, residual = (float(part) for part in _solve(gram[b] - gram[a]))
        variance = residual / (b - a)
        steps = np.diff(gram[low : high + 1], axis=0)
        ee, ev, vv, et, vt, tt = steps.T
        squares = tt - 2 * kp * et - 2 * kd * vt + kp * kp * ee + 2 * kp * kd * ev + kd * kd * vv
        # Log likelihood of normal residuals: without the variances the looser law would win every sample.
        loss = squares / variance + np.log(variance)
        running = np.concatenate([[0.0], np.cumsum(loss)])
        # The law before pays for the samples up to the cut, the law after for the rest.
        costs += running[:-1] if sign > 0 else running[-1] - running[:-1]
    return low + int(np.argmin(costs))


def _merge_same(gram: FloatArray, edges: list[int]) -> list[int]:
    """Drop cuts between stretches that one law fits nearly as well as two."""
    edges = list(edges)
    while len(edges) > 2:
        ratios: list[float] = []
        for a, b, c in zip(edges, edges[1:], edges[2:], strict=False):
            apart = float(_solve(gram[b] - gram[a])[2]) + float(_solve(gram[c] - gram[b])[2])
            ratios.append(float(_solve(gram[c] - gram[a])[2]) / apart)
        # The most alike first: each merge changes its neighbours' ratios.
        at = int(np.argmin(ratios))
        if ratios[at] > _SAME_LAW:
            break
        del edges[at + 1]
    return edges


def _target_cuts(trace: Trace) -> list[int]:
    """Samples at which targets begin to move, or have ceased to for longer than `_MIN_SECONDS`."""
    target = trace.get("q_des")
    known = _complete(target)
    moves = np.zeros(len(target), bool)
    both = known[1:] & known[:-1]
    moves[1:][both] = np.abs(np.diff(target, axis=0))[both].max(axis=1) > _HELD
    at = np.flatnonzero(moves)
    if len(at) == 0:
        return []
    time = trace.time
    rests = np.flatnonzero(np.diff(time[at]) > _MIN_SECONDS)
    begins = [int(at[0]), *(int(at[k + 1]) for k in rests)]
    ends = [*(int(at[k]) + 1 for k in rests), int(at[-1]) + 1]
    out = begins if time[at[0]] - time[0] > _MIN_SECONDS else begins[1:]
    return out + [end for end in ends if end < len(target) and time[-1] - time[end] > _MIN_SECONDS]


def _fault_cuts(trace: Trace) -> list[int]:
    """Samples at which joints cease to follow their targets, or follow again; to within twice `_MIN_SECONDS`."""
    least = max(2, round(_MIN_SECONDS / max(trace.step, 1e-9)))
    size = 2 * least
    if len(trace.stamp) < 2 * size:
        return []
    wanted, done = (_rolling_std(trace.get(name), size) for name in ("q_des", "q"))
    most = wanted.max(axis=1, keepdims=True)
    # Joints that are hardly told to move are no witnesses.
    moving = wanted > np.maximum(0.1 * most, _HELD)
    share = np.where(moving, done / np.where(moving, wanted, 1.0), np.inf)
    # The median over the joints that should move: infinite entries come last.
    middle = np.take_along_axis(np.sort(share, axis=1), moving.sum(axis=1, keepdims=True) // 2, axis=1)[:, 0]
    told = most[:, 0] > _LARGE  # smaller targets tell nothing: as before
    follows = np.where(told, middle >= _FOLLOWS, True)
    since = np.maximum.accumulate(np.where(told, np.arange(len(told)), 0))
    ceased = ~follows[since]
    edges = [0, *(np.flatnonzero(np.diff(ceased)) + 1).tolist(), len(ceased)]
    # A step of the targets is followed late: only a longer failure counts.
    stretches = [(a, b) for a, b in pairwise(edges) if ceased[a] and b - a > least]
    cuts = [cut for a, b in stretches for cut in (a + least // 2 if a else 0, b - 1 + least)]
    return [cut for cut in cuts if cut < len(trace.stamp)]


def _rolling_std(values: FloatArray, size: int) -> FloatArray:
    """Standard deviation of `size` samples from each one on. Shape (num_samples - size + 1, num_joints)."""
    # About the mean, or squares of large positions would cancel; a missing sample then is the mean.
    filled = np.nan_to_num(values - np.nanmean(values, axis=0))
    sums = [np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(part, axis=0)]) for part in (filled, filled**2)]
    mean, square = ((part[size:] - part[:-size]) / size for part in sums)
    return np.sqrt(np.maximum(square - mean**2, 0.0))


def _without_short(edges: list[int], trace: Trace) -> list[int]:
    """Drop the later edge of a stretch that is too short for a mode; the first and the last edge stay."""
    out = [edges[0]]
    time = trace.time
    for edge in edges[1:-1]:
        near_end = time[-1] - time[edge] < _MIN_SECONDS
        if time[edge] - time[out[-1]] >= _MIN_SECONDS and not near_end:
            out.append(edge)
    return [*out, edges[-1]]


def _law(gram: FloatArray, a: int, b: int) -> _Law:
    sums = gram[b] - gram[a]
    kp, kd, residual = (float(part) for part in _solve(sums))
    rows = max(b - a, 1)
    return _Law(kp, kd, residual / rows, kp * kp * float(sums[0]) / rows, float(sums[5]) / rows)


def _name(trace: Trace, gram: FloatArray, a: int, b: int) -> tuple[Mode, str]:
    """The mode of a stretch, and why."""
    law = _law(gram, a, b)
    r2 = 1 - law.residual / law.total if law.total > 0 else 0.0
    text = f"kp {law.kp:.3g} N m/rad, kd {law.kd:.3g} N m s/rad without offsets, R2 {r2:.3f}"
    target, q = trace.get("q_des")[a:b], trace.get("q")[a:b]
    with np.errstate(invalid="ignore"):
        wanted, done = np.nanstd(target, axis=0), np.nanstd(q, axis=0)
    if not np.isfinite(wanted).all() or r2 < 0.5:
        return "unknown", text
    # Both: little torque from position, and a stiffness that is small beside the damping.
    if law.kd > 0 and law.from_position < _NO_STIFFNESS * law.total and law.kp < _NO_STIFFNESS * 10 * law.kd:
        return "damping", text
    if wanted.max() <= _HELD:
        return "stand", text
    moving = wanted > 0.1 * wanted.max()
    share = float(np.median(done[moving] / wanted[moving]))
    if share < _FOLLOWS and wanted.max() > _LARGE:
        return "fault", f"joints move {share:.0%} of what their targets do; {text}"
    return "policy", text


def _joined(pieces: list[tuple[int, int, Mode, str]]) -> list[tuple[int, int, Mode, str]]:
    """Neighbours of one mode as one stretch; the text is the longer one's."""
    out: list[tuple[int, int, Mode, str]] = []
    for piece in pieces:
        if out and out[-1][2] == piece[2]:
            before = out.pop()
            text = before[3] if before[1] - before[0] >= piece[1] - piece[0] else piece[3]
            piece = (before[0], piece[1], piece[2], text)
        out.append(piece)
    return out


def _segment(trace: Trace, a: int, b: int, mode: Mode, note: str) -> Segment:
    time = trace.time
    # Ends are exclusive: the last one lies a step after the last sample.
    end = float(time[b]) if b < len(time) else float(time[-1]) + trace.step
    return Segment(
        mode=mode, start=round(float(time[a]), 6), end=round(end, 6), known_by="estimated", note=note,
        valid=mode in ("stand", "policy"),
    )  # fmt: skip
