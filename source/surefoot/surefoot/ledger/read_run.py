"""A run folder as rows of the ledger's tables. Files are read, never run, and each is bounded in size."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import ValidationError
from sqlalchemy import Table

from surefoot.errors import LedgerError, RunFolderError
from surefoot.jobs.job import read_document
from surefoot.ledger import tables
from surefoot.ledger.decision import FOLDER, Decision, read_decision
from surefoot.manifest.base import Section
from surefoot.runs.record_schema import Evaluation, Record

RECORD, MANIFEST, STARTS, ALERTS = "run_record.json", "manifest.yaml", "starts.jsonl", "alerts.jsonl"
_MAX_BYTES = 64 * 1024**2
_MAX_ALERTS = 10_000
Rows = dict[Table, list[dict[str, Any]]]

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Metric(Section):
    value: float | None
    low: float | None = None
    high: float | None = None
    version: int = 1


def fingerprint(run: Path) -> str:
    """Of what rows are made of: names, sizes and times of the files; equal as long as nothing was written."""
    parts: list[str] = []
    for path in _sources(run):
        try:
            stat = path.stat()
        except OSError:
            continue
        parts.append(f"{path.relative_to(run)} {stat.st_size} {stat.st_mtime_ns}")
    return hashlib.sha256("\n".join([str(run.resolve()), *parts]).encode()).hexdigest()


def _sources(run: Path) -> list[Path]:
    reports = (*run.glob("panel_*.json"), *run.glob("events/reports/*/*.json"), *run.glob(f"{FOLDER}/*.json"))
    return [*(run / name for name in (RECORD, MANIFEST, STARTS, ALERTS)), *sorted(reports)]


def read_run(run: Path) -> Rows:
    """All rows of one run.

    Raises:
        LedgerError: The folder holds no run record that can be trusted; one line, with the way out.
    """
    if not (run / RECORD).is_file():
        raise LedgerError(f"{run}: no {RECORD} in it; expected the folder of a run that has started.")
    try:
        _text(run / RECORD)  # bounds its size
        record = read_document(run / RECORD, Record, "run record")
        starts = [json.loads(line) for line in _text(run / STARTS).splitlines() if line.strip()]
        manifest = _manifest(run)
    except (RunFolderError, LedgerError) as error:
        raise LedgerError(str(error)) from None
    except (ValueError, RecursionError) as error:
        raise LedgerError(f"{run / STARTS}: cannot be read as the list of a run's starts ({error}).") from None
    identity = hashlib.sha256(f"{record.task}\n{run.resolve().name}\n{record.started}".encode()).hexdigest()[:16]
    rows: Rows = {table: [] for table in (tables.RUNS, *tables.OF_RUN, *tables.OF_EVALUATION)}
    rows[tables.STARTS] = [
        {"run_id": identity, "number": number, **_start(run, entry)} for number, entry in enumerate(starts, start=1)
    ]
    for entry in record.evaluations:
        _add_event(rows, run, identity, entry, record)
    for path in sorted(run.glob("panel_*.json")):
        _add_report(rows, path, identity)
    rows[tables.ALERTS] = [{"run_id": identity, **alert} for alert in _alerts(run)]
    rows[tables.FAULTS] = [
        {"run_id": identity, "kind": kind, "steps": steps} for kind, steps in sorted(record.faults.steps.items())
    ]
    for path in sorted((run / FOLDER).glob("*.json")):
        decision = read_decision(path)
        rows[tables.DECISIONS].append(_decision(decision, identity))
    rows[tables.RUNS] = [_run(run, identity, record, manifest, rows)]
    return rows


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise LedgerError(f"{path}: larger than {_MAX_BYTES // 1024**2} MiB; not what a run writes.")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LedgerError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error}).") from None


def _manifest(run: Path) -> dict[str, Any]:
    text = _text(run / MANIFEST)
    try:
        plain: Any = yaml.load(text, _LOADER)
        robot = plain["robot"]["name"]
    except (yaml.YAMLError, RecursionError, TypeError, KeyError) as error:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise LedgerError(f"{run / MANIFEST}: cannot be read as a manifest ({reason}).") from None
    return {"robot": str(robot)}


def _start(run: Path, entry: Any) -> dict[str, Any]:
    try:
        resumed = entry["resumed_from_iteration"]
        return {
            "time": str(entry["time"]),
            "manifest_sha256": str(entry["manifest_sha256"]),
            "resumed_from_iteration": None if resumed is None else int(resumed),
        }
    except (KeyError, TypeError, ValueError) as error:
        raise LedgerError(f"{run / STARTS}: a start lacks {error}.") from None


def _alerts(run: Path) -> Iterator[dict[str, Any]]:
    path = run / ALERTS
    if not path.is_file():
        return
    for number, line in enumerate(_text(path).splitlines()[:_MAX_ALERTS], start=1):
        try:
            plain = json.loads(line)
            yield {
                "iteration": int(plain["iteration"]),
                **{key: str(plain[key]) for key in ("kind", "subject", "action", "message")},
            }
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise LedgerError(f"{path}: line {number} is not an alert ({error}).") from None


def _add_event(rows: Rows, run: Path, run_id: str, entry: Evaluation, record: Record) -> None:
    identity = f"{run_id}/{entry.job}"
    rows[tables.EVALUATIONS].append(
        {
            "id": identity,
            "run_id": run_id,
            "source": "event",
            "engine": record.engine,
            "seed": None,
            "reasons": "; ".join(entry.reasons),
            **{
                key: getattr(entry, key)
                for key in (
                    "event", "kind", "content", "content_sha256", "iteration", "checkpoint_sha256", "status", "score",
                    "seconds", "report",
                )
            },
        }
    )  # fmt: skip
    for group in ("held_out", "in_distribution", "transfer"):
        for name, metric in getattr(entry, group).items():
            rows[tables.METRICS].append({"evaluation_id": identity, "grp": group, "name": name, **metric.model_dump()})
    rows[tables.TAGS] += [{"evaluation_id": identity, "tag": tag} for tag in entry.tags]
    # Numbers of a result that is not valid stay in its own file: nobody reads them here by mistake.
    if entry.report and entry.status == "valid" and entry.kind in ("panel", "grid"):
        path = run / entry.report / f"{entry.kind}.json"
        if path.is_file():
            rows[tables.CELLS] += _cells(_json(path), identity, path)


def _json(path: Path) -> dict[str, Any]:
    try:
        plain: Any = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise LedgerError(f"{path}: not whole JSON ({error}).") from None
    if not isinstance(plain, dict):
        raise LedgerError(f"{path}: expected a report, got {type(plain).__name__}.")
    return cast("dict[str, Any]", plain)


def _add_report(rows: Rows, path: Path, run_id: str) -> None:
    """A report that `surefoot evaluate --panel` left in the run."""
    plain, identity = _json(path), f"{run_id}/{path.name}"
    try:
        valid = bool(plain["valid"])
        entry: dict[str, Any] = {
            "id": identity,
            "run_id": run_id,
            "source": "by hand",
            "event": "",
            "kind": "panel",
            "content": str(plain["panel"]),
            "content_sha256": str(plain["panel_sha256"]),
            "iteration": int(plain["iteration"]),
            "checkpoint_sha256": str(plain["checkpoint_sha256"]),
            "engine": str(plain["engine"]),
            "seed": int(plain["seed"]),
            "status": "valid" if valid else "not valid",
            "reasons": "; ".join(map(str, plain["reasons"])),
            "score": plain["score"] if valid else None,
            "seconds": plain.get("seconds"),
            "report": path.name,
        }
        _Metric(value=entry["score"])
        units = plain["units"]
        metrics = [
            {"evaluation_id": identity, "grp": group, "name": name, "unit": str(units[name])}
            | _Metric(**{key: metric.get(key) for key in ("value", "low", "high", "version")}).model_dump()
            for group in ("held_out", "in_distribution")
            for name, metric in plain[group].items()
        ]
    except (KeyError, TypeError, ValueError, AttributeError, ValidationError) as error:
        reason = " ".join(str(error).split())[:160]
        raise LedgerError(f"{path}: not a whole report of a panel ({type(error).__name__}: {reason}).") from None
    rows[tables.EVALUATIONS].append(entry)
    if valid:
        rows[tables.METRICS] += metrics
        rows[tables.CELLS] += _cells(plain, identity, path)


def _cells(plain: dict[str, Any], identity: str, path: Path) -> list[dict[str, Any]]:
    try:
        return [
            {
                "evaluation_id": identity,
                "name": str(cell["name"]),
                "grp": str(cell["group"]),
                "sha256": str(cell["sha256"]),
                "episodes": int(cell["episodes"]),
                "valid": int(cell["valid"]),
                **{
                    name: _Metric(value=cell["metrics"][name]["value"]).value
                    for name in ("success_rate", "fall_rate", "lin_vel_error", "yaw_rate_error")
                },
            }
            for cell in plain["cells"]
        ]
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        raise LedgerError(f"{path}: a cell cannot be read ({type(error).__name__}: {error}).".split("\n")[0]) from None


def _decision(decision: Decision, run_id: str) -> dict[str, Any]:
    keys = ("sha256", "action", "verdict", "task", "time", "replaces", "panel", "panel_sha256", "panel_seed")
    return {
        "run_id": run_id,
        **{key: getattr(decision, key) for key in keys},
        "checkpoint_sha256": decision.candidate.checkpoint_sha256,
        "reasons": "; ".join(decision.reasons),
        "document": decision.model_dump_json(),
    }


def _run(run: Path, identity: str, record: Record, manifest: dict[str, Any], rows: Rows) -> dict[str, Any]:
    shown = _shown(rows)
    of = {
        row["name"]: row
        for row in rows[tables.METRICS]
        if shown and row["evaluation_id"] == shown["id"] and row["grp"] == "held_out"
    }
    success = of.get("success_rate", {})
    training = record.training
    return {
        "id": identity,
        "path": str(run.resolve()),
        "run": run.resolve().name,
        "robot": manifest["robot"],
        **{
            key: getattr(record, key)
            for key in (
                "task", "engine", "device", "hardware", "seed", "status", "reason", "started", "written",
                "manifest_sha256",
            )
        },
        "surefoot": record.versions.get("surefoot", ""),
        **{key: getattr(training, key) for key in ("iterations", "seconds", "samples_per_s", "num_envs")},
        "samples": float(training.samples),
        "panel": shown["content"] if shown else None,
        "panel_sha256": shown["content_sha256"] if shown else None,
        "score": shown["score"] if shown else None,
        "held_out_success": success.get("value"),
        "held_out_low": success.get("low"),
        "held_out_high": success.get("high"),
        "held_out_falls": of.get("fall_rate", {}).get("value"),
        "best_iteration": record.best.iteration if record.best else None,
        "best_score": record.best.score if record.best else None,
        "invalid_share": record.faults.invalid_share,
        "bad_evaluations": record.faults.evaluations,
        "unanswered": len(record.unanswered),
        "alerts": len(rows[tables.ALERTS]) or sum(record.alerts.by_kind.values()),
        "fingerprint": fingerprint(run),
    }  # fmt: skip


def _shown(rows: Rows) -> dict[str, Any] | None:
    """The evaluation whose held-out numbers stand beside the run: of the newest checkpoint, of several the largest."""
    scored = [row for row in rows[tables.EVALUATIONS] if row["status"] == "valid" and row["score"] is not None]
    cells = {row["evaluation_id"]: 0 for row in rows[tables.CELLS]}
    for row in rows[tables.CELLS]:
        cells[row["evaluation_id"]] += 1
    return max(scored, key=lambda row: (row["iteration"], cells.get(row["id"], 0), row["id"]), default=None)
