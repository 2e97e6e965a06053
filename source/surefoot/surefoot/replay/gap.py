"""How far a simulation is from a log: errors per signal, component and horizon, and one score.

Axis letters: H control steps of a window, B buckets, W windows, c components, S signals.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from surefoot.replay.bucket_evidence import FEWEST
from surefoot.traces.trace import FloatArray

SCORE_VERSION = 1


@dataclass(frozen=True)
class GapSignal:
    """A signal that is compared.

    Attributes:
        weight: Share in the score, before those of absent signals are given to the others.
        scale: Smallest divisor of its error, in its unit: what counts as a small motion of that signal.
    """

    name: str
    unit: str
    weight: float
    scale: float
    meaning: str


SIGNALS: dict[str, GapSignal] = {
    signal.name: signal
    for signal in (
        GapSignal("q", "rad", 0.30, 0.02, "joint position"),
        GapSignal("dq", "rad/s", 0.20, 0.20, "joint velocity"),
        GapSignal("tau", "N m", 0.20, 0.50, "joint torque"),
        GapSignal("gravity", "-", 0.10, 0.02, "direction of gravity in the base frame"),
        GapSignal("gyro", "rad/s", 0.10, 0.10, "angular velocity, base frame"),
        GapSignal("base_lin_vel", "m/s", 0.10, 0.05, "velocity of the base, base frame"),
        GapSignal("acc", "m/s^2", 0.0, 0.5, "specific force at the IMU, base frame"),
    )
}
"""In the order of reports; without weight: compared beside the score."""


@dataclass(frozen=True)
class Gap:
    """Errors of a replay.

    Attributes:
        nrmse: Normalised error of each bucket, by signal. Shape (B, c).
        window: Normalised mean square error of each bucket and window, weighted over signals. Shape (B, W).
        scale: Divisor of each component, in its unit. Shape (c,).
        weights: By signal, sum 1.
        absent: Signals that the log does not have.
    """

    nrmse: dict[str, FloatArray]
    window: FloatArray
    scale: dict[str, FloatArray]
    weights: dict[str, float]
    absent: tuple[str, ...]

    @property
    def scores(self) -> FloatArray:
        """Gap score of each bucket: weighted mean over signals of the mean over components. 0 means identical."""
        return sum_weighted({name: error.mean(axis=1) for name, error in self.nrmse.items()}, self.weights)

    @property
    def best(self) -> int:
        """The bucket with the lowest score."""
        return int(np.argmin(self.scores))


def scale_of(name: str, real: FloatArray) -> FloatArray:
    """What a signal's error is divided by: its standard deviation in the log, at least the published minimum.

    Args:
        name: Of the signal.
        real: Shape (H, W, c).

    Returns:
        Shape (c,).
    """
    return np.maximum(real.reshape(-1, real.shape[-1]).std(axis=0), SIGNALS[name].scale)


def weights_of(present: Mapping[str, object]) -> dict[str, float]:
    """Weights of the signals that are there, sum 1."""
    # Weights of absent signals go to the others, so that scores of poor logs are not small by themselves.
    total = sum(SIGNALS[name].weight for name in present)
    return {name: SIGNALS[name].weight / total for name in SIGNALS if name in present}


def measure(real: Mapping[str, FloatArray], simulated: Mapping[str, FloatArray]) -> Gap:
    """Compare a simulation with a log.

    Args:
        real: By signal, the log at the end of each control step. Shape (H, W, c).
        simulated: The same signals. Shape (H, B, W, c).

    Raises:
        ValueError: The simulation lacks a signal, has another shape, or holds a number that is not finite.
    """
    weights = weights_of(real)
    nrmse: dict[str, FloatArray] = {}
    scale: dict[str, FloatArray] = {}
    window: FloatArray | None = None
    for name, weight in weights.items():
        mine, theirs = simulated[name], real[name]
        if mine.shape[0] != theirs.shape[0] or mine.shape[2:] != theirs.shape[1:]:
            raise ValueError(f"{name}: expected (H, B, W, c) beside {theirs.shape}, got {mine.shape}.")
        if not (np.isfinite(mine).all() and np.isfinite(theirs).all()):
            raise ValueError(f"{name}: numbers that are not finite; leave those windows out.")
        scale[name] = scale_of(name, theirs)
        square = ((mine - theirs[:, None]) / scale[name]) ** 2
        # Over steps and windows; components are averaged after the root (`scores`).
        nrmse[name] = np.sqrt(square.mean(axis=(0, 2)))
        part = weight * square.mean(axis=(0, 3))
        window = part if window is None else window + part
    assert window is not None
    return Gap(nrmse, window, scale, weights, tuple(name for name in SIGNALS if name not in real))


def score_interval(
    real: Mapping[str, FloatArray], simulated: Mapping[str, FloatArray]
) -> tuple[float, float] | tuple[None, None]:
    """95 % interval of the score of one bucket: jackknife over whole windows, of the logarithm, with Student's t.

    Args:
        real: By signal, the log. Shape (H, W, c).
        simulated: The same signals of one bucket. Shape (H, W, c).

    Returns:
        None where there are too few windows.
    """
    count = next(iter(real.values())).shape[1]
    if count < FEWEST:
        return None, None
    score, without = 0.0, np.zeros(count)
    for name, weight in weights_of(real).items():
        square = (((simulated[name] - real[name]) / scale_of(name, real[name])) ** 2).mean(axis=0)  # (W, c)
        total = square.sum(axis=0)
        score += weight * float(np.sqrt(total / count).mean())
        # Rounding may leave less than nothing where one window has all of the error.
        without += weight * np.sqrt(np.maximum(total - square, 0.0) / (count - 1)).mean(axis=1)
    if without.min() <= 0.0:  # all but one window are identical
        return 0.0, score
    spread = np.log(without)
    # The logarithm keeps the interval above 0, where scores end.
    half = float(student.ppf(0.975, count - 1) * np.sqrt((count - 1) * spread.var()))
    return score * math.exp(-half), score * math.exp(half)


def by_horizon(real: FloatArray, simulated: FloatArray, scale: FloatArray) -> FloatArray:
    """Normalised error after each control step of a window.

    Args:
        real: Shape (H, W, c).
        simulated: Of one bucket. Shape (H, W, c).
        scale: Shape (c,).

    Returns:
        Shape (H, c).
    """
    return np.sqrt((((simulated - real) / scale) ** 2).mean(axis=1))


def persistence(first: Mapping[str, FloatArray], real: Mapping[str, FloatArray]) -> float:
    """Score of a simulator that leaves everything as it was at the window's start; what a useful one must beat.

    Args:
        first: By signal, the log at the start. Shape (W, c).
        real: Shape (H, W, c).
    """
    still = {name: np.broadcast_to(first[name], real[name].shape)[:, None] for name in real}
    return float(measure(real, still).scores[0])


def sum_weighted(values: Mapping[str, FloatArray], weights: Mapping[str, float]) -> FloatArray:
    """Weighted sum over signals. Shape of each value."""
    return np.sum([weights[name] * values[name] for name in weights], axis=0)


def coverage(real: FloatArray, simulated: FloatArray, low: float = 0.05, high: float = 0.95) -> FloatArray:
    """Share of time that a real signal lies inside the band of the simulated buckets; NaN where there is one bucket.

    Args:
        real: Shape (H, W, c).
        simulated: Shape (H, B, W, c).

    Returns:
        Shape (c,).
    """
    if simulated.shape[1] < 2:
        return np.full(real.shape[2], np.nan)
    lower, upper = np.quantile(simulated, (low, high), axis=1)
    return ((real >= lower) & (real <= upper)).mean(axis=(0, 1))


def excess(real: FloatArray, simulated: FloatArray, low: float = 0.05, high: float = 0.95) -> FloatArray:
    """Mean of how far the real signal is below (negative) or above the band, where it is outside. Shape (c,).

    NaN where there is one bucket, and no band.
    """
    if simulated.shape[1] < 2:
        return np.full(real.shape[2], np.nan)
    lower, upper = np.quantile(simulated, (low, high), axis=1)
    outside = np.where(real < lower, real - lower, np.where(real > upper, real - upper, 0.0))
    # A component that never leaves the band gets 0, not 0/0.
    count = (outside != 0).sum(axis=(0, 1))
    return outside.sum(axis=(0, 1)) / np.maximum(count, 1)


def valid_windows(simulated: Mapping[str, FloatArray]) -> NDArray[np.bool_]:
    """Windows in which every bucket stayed finite. Shape (W,)."""
    return np.all([np.isfinite(values).all(axis=(0, 1, 3)) for values in simulated.values()], axis=0)
