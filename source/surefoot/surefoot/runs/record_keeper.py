"""Keeps `run_record.json` of a training run up to date; never raises because of the disk."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np

from surefoot.audit.accounts.metrics import Flush
from surefoot.audit.alerts import learning
from surefoot.audit.record.record_file import read_record
from surefoot.audit.record.resilience import END_PAUSE, Retry
from surefoot.errors import CannotWrite, RecordError
from surefoot.jobs.plan import Mode
from surefoot.manifest import Manifest
from surefoot.runs.record_schema import Status
from surefoot.runs.run_record import Totals, write_run_record

_STEPS, _INVALID = "fault/steps", "fault/invalid_steps"


class RunRecordKeeper:
    """Sums up the iterations and writes the record.

    Args:
        folder: Run folder.
        manifest: In force.
        mode: How events are evaluated.
        resumed_at: PPO iterations done in the checkpoint that is continued; their sums come from the accounts.
    """

    def __init__(self, folder: Path, manifest: Manifest, mode: Mode, resumed_at: int = 0) -> None:
        self._folder = folder
        self._manifest = manifest
        self._mode: Mode = mode
        self._retry = Retry("Run record")
        self._totals, self._counted_until = _totals(folder, resumed_at) if resumed_at else (Totals(), 0)

    @property
    def failures(self) -> int:
        """Attempts to write that failed since the start."""
        return self._retry.failures

    def add(self, iteration: int, flush: Flush, fault_kinds: Sequence[str]) -> None:
        """Take in one iteration."""
        totals = self._totals
        samples, steps = int(flush[learning.SAMPLES]), max(1, iteration - self._counted_until)
        # Of several iterations since the last one only this has an account; all are taken to be of equal size.
        totals.uncounted += (samples - totals.samples) * (steps - 1) // steps
        totals.iterations, totals.samples, self._counted_until = iteration, samples, iteration
        totals.seconds += float(flush[learning.SECONDS])
        totals.invalid_steps += float(flush[_INVALID])
        # Kinds of faults and their counts come in one order, that of the accounts.
        counts = cast("list[float]", flush[_STEPS].tolist())  # pyright: ignore[reportUnknownMemberType]
        for kind, count in zip(fault_kinds, counts, strict=True):
            totals.fault_steps[kind] = totals.fault_steps.get(kind, 0.0) + count

    def write(self, status: Status, reason: str = "", *, now: bool = False) -> None:
        """Write it, unless that failed a moment ago.

        Args:
            status: Of the run.
            reason: Of its end.
            now: There is no later chance.
        """

        def write() -> None:
            write_run_record(self._folder, self._manifest, self._totals, status, mode=self._mode, reason=reason)

        if now:
            try:
                self._retry.insist(write, only=CannotWrite, patience=lambda: END_PAUSE)
                return
            except Exception:  # said once more below, and counted
                pass
        self._retry.attempt(write, now=now)


def _totals(folder: Path, iteration: int) -> tuple[Totals, int]:
    """Sums of the accounts up to an iteration, and the last one that has a row; 0 where there are none."""
    try:
        table = read_record(folder, (learning.SAMPLES, learning.SECONDS, _STEPS, _INVALID))
    except RecordError:
        return Totals(iterations=iteration), 0
    rows = table.iteration <= iteration

    def total(name: str) -> float:
        return float(np.nansum(table.values[name][rows])) if name in table.values else 0.0

    steps = np.nansum(table.values[_STEPS][rows], axis=0) if _STEPS in table.values else ()
    samples, iterations = table.values.get(learning.SAMPLES, np.zeros(0))[rows], table.iteration[rows]
    if not len(samples):
        return Totals(iterations=iteration), 0
    gaps = np.diff(iterations, prepend=0)  # more than 1 where rows are lost
    found = Totals(
        iterations=iteration,
        samples=int(samples[-1]),
        seconds=total(learning.SECONDS),
        fault_steps={kind: float(count) for kind, count in zip(table.names("fault"), steps, strict=False)},
        invalid_steps=total(_INVALID),
        uncounted=int((np.diff(samples, prepend=0.0) * (gaps - 1) / gaps).sum()),
    )
    return found, int(iterations[-1])
