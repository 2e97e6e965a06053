"""How episodes of a cell failed: which termination, when, after what."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from surefoot.evaluation.episodes import Episodes
from surefoot.evaluation.panel import Cell

AFTERMATH = 2.0
"""s within which a failure is put down to what came before it."""


@dataclass(frozen=True)
class FailureKind:
    """Failures of one cell that have cause and circumstance in common."""

    cause: str
    """Termination of the task."""
    after: str
    """`kick`, `command`, `start`: the last of these within 2 s before the end; `nothing` if there was none."""
    count: int
    first: float
    """s from the start to the end of the earliest of them."""
    median: float
    """s, likewise."""


def failure_kinds(cell: Cell, episodes: Episodes, row: int, causes: Sequence[str]) -> list[FailureKind]:
    """The failures of a cell, the most frequent kind first.

    Args:
        cell: Its conditions.
        episodes: Of the panel. Shape (cells, replicates).
        row: The cell's.
        causes: Names of the terminations.
    """
    times: dict[tuple[str, str], list[float]] = {}
    counted = episodes.valid & episodes.failed
    for place in range(counted.shape[1]):
        if not counted[row, place]:
            continue
        end = episodes.survival_time[row, place].item()
        after = circumstance(cell, end, episodes.kick_time[row, place].item())
        times.setdefault((causes[int(episodes.cause[row, place])], after), []).append(end)
    kinds = [FailureKind(*key, len(ends), min(ends), median(ends)) for key, ends in times.items()]
    return sorted(kinds, key=lambda kind: (-kind.count, kind.first, kind.cause, kind.after))


def circumstance(cell: Cell, end: float, kick: float) -> str:
    """What came last within `AFTERMATH` before an end.

    Args:
        cell: For its commands.
        end: s from the start.
        kick: s from the start to the last kick before the end; NaN without one.
    """
    changes = [time for time in cell.changes[1:] if time < end]
    events = {"start": 0.0, "command": max(changes, default=-math.inf), "kick": -math.inf if math.isnan(kick) else kick}
    last = max(events, key=lambda name: events[name])
    return last if end - events[last] <= AFTERMATH + 1e-6 else "nothing"
