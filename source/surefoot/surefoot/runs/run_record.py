"""`run_record.json`: written at the start, at each checkpoint and at the end, always whole."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from surefoot.audit.record.record import read_alerts
from surefoot.errors import RecordError, RunFolderError
from surefoot.files import make_way, write_atomically
from surefoot.jobs.job import read_document, time_of_day, to_json
from surefoot.jobs.plan import Mode
from surefoot.manifest import Manifest
from surefoot.reading import MAX_RECORD, parse_json, read_text
from surefoot.reporting import say
from surefoot.runs.evaluations import (
    damaged_files,
    newest_valid,
    read_best,
    read_evaluations,
    read_omitted,
    transfer_of,
)
from surefoot.runs.record_schema import AlertCounts, Faults, ManifestSpan, Record, Status, Training

FILE_NAME = "run_record.json"
_STARTS = "starts.jsonl"
_START_KEYS = (
    "time", "manifest_sha256", "resumed_from_iteration", "device", "hardware", "surefoot", "python", "packages",
)  # fmt: skip


@dataclass
class Totals:
    """What a run has done so far."""

    iterations: int = 0
    samples: int = 0
    seconds: float = 0.0
    """Wall-clock of the iterations."""
    fault_steps: dict[str, float] = field(default_factory=dict[str, float])
    invalid_steps: float = 0.0
    uncounted: int = 0
    """Samples of iterations whose accounts are lost: neither seconds nor faults are known of them."""

    @property
    def counted(self) -> int:
        """Samples that `seconds` and the faults are about."""
        return self.samples - self.uncounted


def read_run_record(run: Path) -> Record:
    """Read a run's record, from the file or from the run folder.

    Raises:
        RecordError: Absent, damaged or of another version.
    """
    path = run / FILE_NAME if run.is_dir() else run
    try:
        return read_document(path, Record, "run record")
    except RunFolderError as error:
        raise RecordError(str(error), path) from None


def write_run_record(
    run: Path, manifest: Manifest, totals: Totals, status: Status, *, mode: Mode = "off", reason: str = ""
) -> Record:
    """Put together what the run folder holds, and write it.

    Raises:
        RunFolderError: The folder cannot be written, or does not hold a run; the record is as it was.
    """
    starts = _starts(run)
    begun, last = starts[0], starts[-1]
    seconds = totals.seconds
    record = Record(
        run=run.resolve().name,
        status=status,
        reason=reason,
        started=begun["time"],
        written=time_of_day(),
        task=manifest.name,
        # Older starts have no such key.
        engine=last.get("engine", ""),
        device=last["device"],
        hardware=last["hardware"],
        versions={"surefoot": last["surefoot"], "python": last["python"], **last["packages"]},
        seed=manifest.seed,
        manifest_sha256=manifest.sha256,
        manifests=_manifests(starts),
        training=Training(
            iterations=totals.iterations,
            until=manifest.training.max_iterations,
            num_envs=manifest.training.num_envs,
            samples=totals.samples,
            seconds=seconds,
            # Where accounts are lost there are samples without seconds.
            samples_per_s=totals.counted / seconds if seconds > 0 else None,
        ),
        scheduled=tuple(manifest.schedule.events),
        events_mode=mode,
        **_from_files(run, totals.fault_steps, totals.invalid_steps / totals.counted if totals.counted else None),
    )
    make_way(run / FILE_NAME, say)
    write_atomically(run / FILE_NAME, to_json(record))
    return record


def with_news(run: Path, record: Record) -> Record:
    """A record with what has come into the run folder since it was written, for example from a worker."""
    before = record.faults
    return record.model_copy(update=_from_files(run, before.steps, before.invalid_share))


def refresh(run: Path) -> None:
    """Write the record anew with what has come since; nothing happens where there is none.

    Raises:
        RunFolderError: The folder cannot be written.
    """
    try:
        record = read_run_record(run)
    except RecordError:
        return
    fresh = with_news(run, record)
    # Otherwise its time of writing stays as well.
    if fresh != record:
        write_atomically(run / FILE_NAME, to_json(fresh.model_copy(update={"written": time_of_day()})))


def _from_files(run: Path, fault_steps: dict[str, float], invalid_share: float | None) -> dict[str, Any]:
    evaluations, omitted, damaged = read_evaluations(run), read_omitted(run), damaged_files(run)
    quality = newest_valid(evaluations)
    bad = sum(entry.status != "valid" for entry in evaluations) + len(omitted) + len(damaged)
    alerts = read_alerts(run)
    return {
        "quality": quality,
        "evaluations": tuple(evaluations),
        "unanswered": tuple(entry.job for entry in evaluations if entry.status == "unanswered"),
        "omitted": omitted,
        "damaged_files": damaged,
        "best": read_best(run),
        "faults": Faults(
            steps={kind: count for kind, count in fault_steps.items() if count},
            invalid_share=invalid_share,
            evaluations=bad,
        ),
        "alerts": AlertCounts(
            by_kind=dict(Counter(alert["kind"] for alert in alerts)),
            by_action=dict(Counter(alert["action"] for alert in alerts)),
        ),
        "transfer": transfer_of(quality),
    }


def _starts(run: Path) -> list[dict[str, Any]]:
    path = run / _STARTS
    try:
        starts: list[dict[str, Any]] = [
            parse_json(line) for line in read_text(path, MAX_RECORD).splitlines() if line.strip()
        ]
        if not all(isinstance(start, dict) for start in starts):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError("a start is no JSON object")
        missing = next((key for start in starts for key in _START_KEYS if key not in start), None)
        if missing is not None or not starts:
            raise ValueError(f"a start lacks {missing!r}" if starts else "it is empty")
        return starts
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise RunFolderError(f"{path}: cannot be read as the list of a run's starts ({error}).") from error


def _manifests(starts: list[dict[str, Any]]) -> tuple[ManifestSpan, ...]:
    spans: list[ManifestSpan] = []
    for start in starts:
        first = (start["resumed_from_iteration"] or 0) + 1
        spans = [span for span in spans if span.from_iteration < first]  # what was trained beyond it is gone
        if not spans or spans[-1].sha256 != start["manifest_sha256"]:
            spans.append(ManifestSpan(from_iteration=first, sha256=start["manifest_sha256"]))
    return tuple(spans)
