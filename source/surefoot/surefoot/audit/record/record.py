"""The record of a run: its accounts, iteration by iteration, and its alerts, kept in the run folder."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from surefoot.audit.accounts.metrics import AxisNames, Flush, check_flush, metric_of
from surefoot.audit.alerts.alerts import Alert
from surefoot.audit.record import record_file
from surefoot.audit.record.record_header import RecordHeader
from surefoot.audit.record.resilience import Retry
from surefoot.errors import RecordError
from surefoot.files import read_file, write_atomically

CLOSE_AFTER = 512
"""Rows in the small file, rewritten at every checkpoint, before they move to the end of the large one."""
ALERTS = "alerts.jsonl"
"""One line per alert: it is on the disk before anything is done about it."""


class RunRecord:
    """Collects iterations and writes them at each checkpoint; never raises because of the disk.

    Call `save` before the checkpoint is written: a checkpoint then never lacks its rows, and rows after it are dropped
    when the run is resumed from it.

    Args:
        folder: Run folder.
        axes: Names along the axes, fixed for the run.
        manifest_sha256: Of the manifest in force.
        bucket_edges: Interval edges of the factors that buckets are made of.
        resumed_at: PPO iterations done in the checkpoint that is continued; 0 for a new run.
        retry: Decides when to try again after a failure.
    """

    def __init__(
        self,
        folder: Path,
        axes: AxisNames,
        manifest_sha256: str,
        *,
        bucket_edges: Mapping[str, Sequence[float]] | None = None,
        resumed_at: int = 0,
        retry: Retry | None = None,
    ) -> None:
        self._path = folder / record_file.FILE_NAME
        self._open_path = folder / record_file.OPEN_FILE_NAME
        self._open_rows = 0
        self._alerts_path = folder / ALERTS
        self._retry = retry or Retry("Record of the accounts")
        edges = {factor: tuple(float(edge) for edge in values) for factor, values in (bucket_edges or {}).items()}
        self._header = RecordHeader(dict(axes), edges, {}, ((resumed_at + 1, manifest_sha256),))
        self._rows: list[record_file.Row] = []
        self._keep_until = resumed_at
        self._alert_lines: list[str] = []
        self._alerts_behind = False
        self._retry.attempt(lambda: self._drop_after(resumed_at), now=True)

    @property
    def failures(self) -> int:
        """Attempts to write that failed since the start."""
        return self._retry.failures

    def attempt(self, write: Callable[[], object], *, now: bool = False) -> bool:
        """Write something else into the run folder under the same guard; True if it succeeded."""
        return self._retry.attempt(write, now=now)

    def add(self, iteration: int, flush: Flush, alerts: Sequence[Alert] = ()) -> None:
        """Take one iteration's values; its alerts go to the disk at once.

        Args:
            iteration: PPO iterations done, this one included; higher than any before.
            flush: Host tensors by metric name.
            alerts: Raised by this iteration.

        Raises:
            ValueError: A value has not the shape of its metric, or the iteration is not a later one.
        """
        last = self._rows[-1][0] if self._rows else self._keep_until
        if iteration <= last:
            raise ValueError(f"Iteration {iteration} after {last}: rows must come in rising order.")
        check_flush(flush, self._header.axes)
        kept = {name: value.numpy().copy() for name, value in flush.items() if value.numel()}
        if new := {name: metric_of(name) for name in kept if name not in self._header.metrics}:
            self._header = replace(self._header, metrics={**self._header.metrics, **new})
        self._rows.append((iteration, {name: np.asarray(value) for name, value in kept.items()}))
        self.add_alerts(alerts)

    def add_alerts(self, alerts: Sequence[Alert]) -> None:
        """Take alerts that belong to no iteration's numbers; they go to the disk at once."""
        if alerts:
            self._alert_lines += [json.dumps(asdict(alert)) for alert in alerts]
            self._alerts_behind = True
        if self._alerts_behind:
            self._retry.attempt(self._write_alerts)

    def save(self, *, end: bool = False, now: bool = False) -> bool:
        """Write what was added since the last time; True if the disk has everything.

        What could not be written is kept and comes with a later call, once the back-off is over.

        Args:
            end: The run ends here: do not wait for the back-off, and leave one file.
            now: Do not wait for the back-off.
        """
        return self._retry.attempt(lambda: self._write(end), now=end or now)

    def _write(self, end: bool) -> None:
        if self._alerts_behind:
            self._write_alerts()
        if self._rows:
            self._unless_unusable(self._write_rows)
            self._keep_until = self._rows[-1][0]
            self._rows.clear()
        if self._open_rows >= CLOSE_AFTER or (end and self._open_path.is_file()):
            self._unless_unusable(lambda: record_file.absorb(self._path, self._open_path))
            self._open_rows = 0

    def _write_rows(self) -> None:
        self._open_rows = record_file.rewrite(self._open_path, self._header, self._rows, self._keep_until)

    def _unless_unusable(self, action: Callable[[], None]) -> None:
        """Run `action`; once more without the file that it names as unusable."""
        try:
            action()
        except RecordError as error:
            self._set_aside(error)
            action()

    def _write_alerts(self) -> None:
        write_atomically(self._alerts_path, "".join(line + "\n" for line in self._alert_lines).encode())
        self._alerts_behind = False

    def _drop_after(self, iteration: int) -> None:
        """Forget what an earlier process wrote beyond the checkpoint that is continued."""
        try:
            kept = [alert for alert in read_alerts(self._alerts_path) if alert["iteration"] <= iteration]
        except RecordError as error:
            self._set_aside(error)
            kept = []
        self._alert_lines = [json.dumps(alert) for alert in kept]
        if self._alerts_path.is_file():
            self._alerts_behind = True
            self._write_alerts()
        for path in (self._path, self._open_path):
            if path.is_file():
                try:
                    rows = record_file.rewrite(path, self._header, [], iteration)
                    self._open_rows = rows if path == self._open_path else 0
                except RecordError as error:
                    self._set_aside(error)

    def _set_aside(self, error: RecordError) -> None:
        """Keep an unusable file under another name."""
        path = error.path
        if path is None or not path.exists():
            raise error
        free = next(n for n in range(1, 10_000) if not (path.with_suffix(f".{n}{path.suffix}")).exists())
        aside = path.rename(path.with_suffix(f".{free}{path.suffix}"))
        self._retry.report(f"{error} It is now {aside.name}; a new one is begun.")


def read_alerts(path: Path) -> list[dict[str, Any]]:
    """Alerts of a run, oldest first; from the file or from the run folder that holds it. None without the file.

    Raises:
        RecordError: A line is not an alert.
    """
    path = path / ALERTS if path.is_dir() else path
    if not os.path.lexists(path):
        return []
    try:
        lines = read_file(path).decode(errors="replace").splitlines()
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror}).", path) from None
    alerts: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        try:
            alert: dict[str, Any] = json.loads(line)
            alert["iteration"] = int(alert["iteration"])
            if not all(isinstance(alert[key], str) for key in ("kind", "subject", "message", "action")):
                raise TypeError("kind, subject, message and action are texts")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise RecordError(f"{path}: line {number} is not an alert ({error}).", path) from None
        alerts.append(alert)
    return alerts
