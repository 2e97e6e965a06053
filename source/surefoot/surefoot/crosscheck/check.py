"""One comparison of two engines, and how close is equal."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from surefoot.crosscheck.probe_file import Array

Status = Literal["equal", "differs", "not exercised", "ambiguous"]


@dataclass(frozen=True)
class Tolerance:
    """Two values are equal where they differ by at most `relative` times the largest value plus `absolute`."""

    relative: float
    absolute: float
    reason: str


SINGLE = Tolerance(1e-4, 1e-6, "single precision")
"""For equal states. Measured between MuJoCo C and Newton: 1e-5 of the largest value at most."""
MOVED = Tolerance(1e-4, 2e-5, "single precision of positions up to 100 m from the origin")
SETTLED = Tolerance(0.05, 1e-3, "standing on the ground in two solvers")
LANDING = Tolerance(0.15, 1e-3, "still landing, and force one physics step old on some engines")
REACTION = Tolerance(0.05, 1e-5, "one control step of motion in two solvers")
ONE_STEP = Tolerance(0.05, 1e-3, "one control step of motion in two solvers")


@dataclass(frozen=True)
class Check:
    """One row of the report."""

    part: str
    name: str
    status: Status
    difference: float | None = None
    """Largest, in the quantity's own unit; None where it is no number."""
    largest: float | None = None
    """Largest value on either side."""
    tolerance: float | None = None
    reason: str = ""
    """Of the tolerance, or what differs."""


def check_equal(part: str, name: str, a: Any, b: Any) -> Check:
    """Plain values that must be the same."""
    if a == b:
        return Check(part, name, "equal")
    return Check(part, name, "differs", reason=f"{_short(a)} | {_short(b)}")


def check_values(
    part: str, name: str, a: Array, b: Array, tolerance: Tolerance = SINGLE, where: NDArray[np.bool_] | None = None
) -> Check:
    """Numbers of one quantity.

    Args:
        part: Section of the report.
        name: Of the quantity.
        a: First engine's.
        b: Second engine's, of the same shape.
        tolerance: How close is equal.
        where: Leading axes: which entries count; all by default.
    """
    if a.shape != b.shape:
        return Check(part, name, "differs", reason=f"shapes {a.shape} | {b.shape}")
    # NumPy refuses to subtract truth values, and unsigned numbers wrap.
    one, two = a.astype(np.float64), b.astype(np.float64)
    if where is not None:
        one, two = one[where], two[where]
    if one.size == 0:
        return Check(part, name, "not exercised", reason="no environment got there on both engines")
    finite = np.isfinite(one) & np.isfinite(two)
    broken = int((~finite & (one != two)).sum())  # an infinity on both is a value: no edge, no limit
    if broken:
        return Check(part, name, "differs", reason=f"{broken} of {finite.size} values are not finite")
    if not finite.any():
        return Check(part, name, "not exercised", reason="infinite everywhere on both engines")
    one, two = one[finite], two[finite]
    largest = float(max(np.abs(one).max(), np.abs(two).max()))
    difference, allowed = float(np.abs(one - two).max()), tolerance.relative * largest + tolerance.absolute
    # Two zeros agree without having been put to the test.
    if largest == 0.0:
        return Check(part, name, "not exercised", 0.0, 0.0, allowed, "zero everywhere on both engines")
    status: Status = "equal" if difference <= allowed else "differs"
    return Check(part, name, status, difference, largest, allowed, tolerance.reason)


def align_quaternions(a: Array, b: Array) -> Array:
    """`b` with the sign that is nearer to `a`: q and -q are the same rotation. Shape (..., 4)."""
    sign = np.where((a * b).sum(axis=-1, keepdims=True) < 0, -1.0, 1.0)
    return b * sign


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
