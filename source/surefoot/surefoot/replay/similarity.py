"""Beyond the error: correlation, lag, spectrum, energy and contact timing of one bucket against the log.

Axis letters: H control steps of a window, W windows, c components.
"""

import numpy as np
from scipy import signal as scipy_signal

from surefoot.traces.trace import FloatArray

MAX_LAG = 0.1
"""s; lags are looked for up to this."""
_STILL = 1e-6
"""Share of its size, by which a number of single precision may change that stands still."""


def correlation(real: FloatArray, simulated: FloatArray) -> FloatArray:
    """Pearson correlation of each component over all windows; NaN where one of the two does not move.

    Args:
        real: Shape (H, W, c).
        simulated: Shape (H, W, c).

    Returns:
        Shape (c,).
    """
    a, b = _centred(real), _centred(simulated)
    norm = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(_moves(real) & _moves(simulated), (a * b).sum(axis=0) / norm, np.nan)


def lag(real: FloatArray, simulated: FloatArray, dt: float) -> FloatArray:
    """How much later the simulation does what the log does, s: where their correlation within windows is highest.

    Between control steps by a parabola through the three highest correlations. Negative: the simulation is ahead. The
    curve is the mean of two, the second with the roles changed: what a window's ends cut off of a period moves the tops
    of the two by opposite times.

    Args:
        real: Shape (H, W, c).
        simulated: Shape (H, W, c).
        dt: s, control step.

    Returns:
        Shape (c,); NaN where a signal does not move or the highest correlation is at the edge of `MAX_LAG`.
    """
    steps = real.shape[0]
    # Short windows: a third of their samples has to be left for comparing.
    reach = min(round(MAX_LAG / dt), steps // 3)
    shifts = np.arange(-reach, reach + 1)
    curve = np.stack(
        [
            0.5 * (_at_shift(real, simulated, int(shift), reach) + _at_shift(simulated, real, -int(shift), reach))
            for shift in shifts
        ]
    )
    out = np.full(real.shape[2], np.nan)
    for column in range(real.shape[2]):
        values = curve[:, column]
        if not np.isfinite(values).all():
            continue
        top = int(values.argmax())
        if 0 < top < len(shifts) - 1:
            before, at, after = values[top - 1 : top + 2]
            bend = before - 2 * at + after
            # Without a bend there is no parabola: the top is taken as it is.
            out[column] = dt * (shifts[top] + (0.5 * (before - after) / bend if bend < 0 else 0.0))
    return out


def spectral_distance(real: FloatArray, simulated: FloatArray, dt: float) -> FloatArray:
    """Root mean square difference of the two power spectra in dB, over frequencies with 99 % of the log's power.

    Args:
        real: Shape (H, W, c).
        simulated: Shape (H, W, c).
        dt: s, control step.

    Returns:
        dB. Shape (c,); NaN where the log does not move.
    """

    def power(values: FloatArray) -> FloatArray:
        _, density = scipy_signal.periodogram(values, fs=1 / dt, window="hann", detrend="constant", axis=0)
        # Without the mean, which `correlation` does not see either.
        return density[1:].mean(axis=1)  # (frequencies, c)

    mine, theirs = power(simulated), power(real)
    total = theirs.sum(axis=0)
    order = np.argsort(-theirs, axis=0)
    # Power of all stronger frequencies: the one that passes 99 % is still in.
    before = np.take_along_axis(theirs, order, axis=0).cumsum(axis=0) - np.take_along_axis(theirs, order, axis=0)
    used = np.zeros_like(theirs, dtype=bool)
    np.put_along_axis(used, order, before < 0.99 * total, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        # A simulation that stands still has no power, and no logarithm.
        decibel = 10 * np.log10(np.maximum(mine, 1e-12 * total) / theirs)
        mean = np.where(used, decibel**2, 0).sum(axis=0) / used.sum(axis=0)
    return np.where((total > 0) & _moves(real), np.sqrt(mean), np.nan)


def energy_ratio(tau: FloatArray, dq: FloatArray, real_tau: FloatArray, real_dq: FloatArray) -> float:
    """Mechanical power of all joints, sum |tau dq|, of the simulation over that of the log."""
    theirs = float(np.abs(real_tau * real_dq).sum())
    return float(np.abs(tau * dq).sum()) / theirs if theirs > 0 else float("nan")


def _moves(values: FloatArray) -> np.ndarray:
    """Whether each component changes by more than rounding. Shape (c,), bool."""
    flat = values.reshape(-1, values.shape[-1])
    return np.ptp(flat, axis=0) > _STILL * np.abs(flat).max(axis=0)


def _centred(values: FloatArray) -> FloatArray:
    flat = values.reshape(-1, values.shape[-1])
    return flat - flat.mean(axis=0)


def _at_shift(real: FloatArray, simulated: FloatArray, shift: int, reach: int) -> FloatArray:
    """Correlation of the log at h with the simulation at h + shift, the same samples of the log for all shifts."""
    steps = real.shape[0]
    inside = slice(reach, steps - reach)
    moved = slice(reach + shift, steps - reach + shift)
    return correlation(real[inside], simulated[moved])
