"""How far two engines' physics drift apart, beside what one engine drifts from itself."""

from dataclasses import dataclass

import numpy as np

from surefoot.crosscheck.probe_file import Probe

_QUANTITIES = {"joint_pos": "rad", "base_pos": "m", "base_lin_vel": "m/s"}
_STEPS = (1, 5, 25)


@dataclass(frozen=True)
class PhysicsDifference:
    """One quantity after some control steps, over the environments that had not ended on either side."""

    part: str
    quantity: str
    unit: str
    steps: int
    rms: float | None
    """None where no environment is left."""
    largest: float | None
    floors: tuple[float | None, float | None]
    """Largest difference of each engine from itself, in two processes."""
    num_envs: int


def compare_physics(a: Probe, b: Probe, repeated: tuple[Probe, Probe]) -> list[PhysicsDifference]:
    """Standing hold and open loop.

    Args:
        a: First engine.
        b: Second engine.
        repeated: Each of them once more.
    """
    rows: list[PhysicsDifference] = []
    for part in ("hold", "open_loop"):
        total = len(a.arrays[f"{part}/ended"])
        for quantity, unit in _QUANTITIES.items():
            for steps in (*(step for step in _STEPS if step < total), total):
                rms, largest, count = _apart(a, b, part, quantity, steps)
                floors = tuple(
                    _apart(probe, again, part, quantity, steps)[1]
                    for probe, again in zip((a, b), repeated, strict=True)
                )
                rows.append(PhysicsDifference(part, quantity, unit, steps, rms, largest, (floors[0], floors[1]), count))
    return rows


def _apart(a: Probe, b: Probe, part: str, quantity: str, steps: int) -> tuple[float | None, float | None, int]:
    # Whoever ended on one engine has started anew there, and is compared no more.
    ended = a.arrays[f"{part}/ended"][:steps].any(axis=0) | b.arrays[f"{part}/ended"][:steps].any(axis=0)
    one, two = (probe.arrays[f"{part}/{quantity}"][steps - 1][~ended].astype(np.float64) for probe in (a, b))
    if one.size == 0:
        return None, None, 0
    difference = np.abs(one - two)
    return float(np.sqrt((difference**2).mean())), float(difference.max()), int((~ended).sum())
