"""Units that a log may use, and the factor to SI."""

import math

from surefoot.errors import did_you_mean
from surefoot.traces.signals import Signal

_FACTORS: dict[str, dict[str, float]] = {
    "rad": {"rad": 1.0, "deg": math.pi / 180, "turn": 2 * math.pi},
    "rad/s": {"rad/s": 1.0, "deg/s": math.pi / 180, "rpm": 2 * math.pi / 60},
    "m": {"m": 1.0, "cm": 0.01, "mm": 0.001},
    "m/s": {"m/s": 1.0, "cm/s": 0.01, "mm/s": 0.001},
    "m/s^2": {"m/s^2": 1.0, "g": 9.80665},
    "N m": {"N m": 1.0, "N mm": 0.001},
}

STAMP_NS: dict[str, int] = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
"""ns for each unit of time."""


def factor(signal: Signal, unit: str) -> float:
    """What a number in `unit` is multiplied by to be in the signal's unit.

    Raises:
        ValueError: A unit of another quantity, or an unknown one.
    """
    # Counts, flags and gains come in one unit only.
    known = _FACTORS.get(signal.unit, {signal.unit: 1.0})
    if unit not in known:
        raise ValueError(f"signal {signal.name!r} is in {signal.unit}; {unit!r} is none. {did_you_mean(unit, known)}")
    return known[unit]
