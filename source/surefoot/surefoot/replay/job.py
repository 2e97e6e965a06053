"""Kind `replay`: a suite of robots' logs, replayed, and the policy under their commands."""

import statistics
from pathlib import Path
from typing import Any

from surefoot.errors import ManifestError, TraceError, unknown_name
from surefoot.jobs.job import Job, Measurements, Metric
from surefoot.jobs.kinds import Content
from surefoot.jobs.queue import EventFolder, checkpoint_for
from surefoot.manifest import Manifest
from surefoot.manifest.schedule import Event
from surefoot.replay.gap import SCORE_VERSION
from surefoot.reporting import write_json

MEASURED = None
REPORT = "replay.json"
GAP = ("gap", "floor", "limit", "coverage", "best_bucket_share")
"""Metrics of a trace in an open-loop mode."""
_COMPARED = ("lin_vel_error", "yaw_rate_error", "following", "tilt")
POLICY = (*_COMPARED, *(f"{name}_of_log" for name in _COMPARED), "survived", "passed")
"""Metrics of a trace's closed loop."""


def check(manifest: Manifest, event: Event, manifests: Path, engine: str) -> Content:
    """Find the suite and its data, and see that they fit robot, task and engine.

    Raises:
        UnknownName: No such suite.
        TraceError: Data that is absent, is not what its card says, or does not serve for its modes.
        ManifestError: The suite or a card does not fit the schema, or its buckets do not fit the engine.
    """
    from surefoot.replay.suite import check_suite, data_folder, ready_suite  # heavy: only where something is scheduled

    data = data_folder()
    ready = ready_suite(event.content, manifests, data, engine)
    _check_limits(
        event, [(card.name, entry.modes) for card, entry in zip(ready.cards, ready.suite.traces, strict=True)]
    )
    return Content(ready.sha256, check_suite(ready, manifest, engine), str(data))


def _check_limits(event: Event, traces: list[tuple[str, tuple[str, ...]]]) -> None:
    """Refuse a limit on what the suite does not measure: every result would break it."""
    known = {"gap_above_floor"} if any(mode != "closed_loop" for _, modes in traces for mode in modes) else set[str]()
    for trace, modes in traces:
        known |= {f"{trace}/{mode}/{name}" for mode in modes for name in (POLICY if mode == "closed_loop" else GAP)}
    for name, limit in event.limits.items():
        if limit.group != "transfer":
            raise ManifestError("a replay measures nothing in this group; expected transfer", f"limits.{name}.group")
        if limit.metric not in known:
            raise unknown_name(f"limits.{name}.metric: metric of {event.content}", limit.metric, known)


def evaluate(run: Path, job: Job, out: Path) -> Measurements:
    """Replay the suite with a job's checkpoint; `replay.json` in the report folder has everything.

    Raises:
        TraceError: The suite or its data is not what the run was started with.
        CheckpointError: The checkpoint does not fit.
    """
    from surefoot.replay.suite import ready_suite
    from surefoot.replay.suite_run import run_suite
    from surefoot.runs.checkpoint import load

    ready = ready_suite(job.content, Path(job.manifests), Path(job.data), job.engine)
    if ready.sha256 != job.content_sha256:
        raise TraceError(
            f"suite {job.content}: expected SHA-256 {job.content_sha256[:12]}, as when the run was started, got "
            f"{ready.sha256[:12]}. Suites are frozen, with cards, profiles and floors; a changed one gets a new name."
        )
    checkpoint = checkpoint_for(run, job)
    report = run_suite(
        ready,
        load(checkpoint).manifest,
        checkpoint,
        machine=job.machine,
        seed=job.seed,
        out=out,
        # Of the run, not of the job: later jobs read what this one has measured.
        kept=EventFolder(run).path / "gaps",
    )
    plain = report.to_plain() | {"suite": job.content, "suite_sha256": ready.sha256, "iteration": job.iteration}
    write_json(out / REPORT, plain, indent=1)
    metrics, tags = _gaps(report.replays), [tag for one in report.replays for tag in _gap_tags(one)]
    for one in report.policies:
        metrics |= _policy(one)
        tags.append(_policy_tag(one))
    reasons = tuple(report.reasons)
    return Measurements(
        valid=not reasons, reasons=reasons, content_sha256=ready.sha256, transfer=metrics, tags=tuple(tags)
    )


def _gaps(replays: list[dict[str, Any]]) -> dict[str, Metric]:
    found: dict[str, Metric] = {}
    for one in replays:
        place = f"{one['trace']}/{one['mode']}"
        found[f"{place}/gap"] = Metric(value=one["score"], low=one["low"], high=one["high"], version=SCORE_VERSION)
        found[f"{place}/floor"] = Metric(value=one["floor"], version=SCORE_VERSION)
        found[f"{place}/limit"] = Metric(value=one["limit"], version=SCORE_VERSION)
        found[f"{place}/coverage"] = Metric(value=_coverage(one), unit="share of time")
        # The report is plain values, perhaps read from a file: buckets are found by their label.
        best = next(bucket for bucket in one["buckets"] if bucket["label"] == one["best_bucket"])
        found[f"{place}/best_bucket_share"] = Metric(value=best["share"], unit="share of resamples")
    above = [one["score"] - one["floor"] for one in replays if one["floor"] is not None]
    if above:
        found["gap_above_floor"] = Metric(value=max(above), version=SCORE_VERSION)
    return found


def _gap_tags(one: dict[str, Any]) -> tuple[str, str]:
    place = f"{one['trace']}/{one['mode']}"
    return f"gap/{place}={one['verdict']}", f"best_bucket/{place}={one['best_bucket']}"


def _policy(one: dict[str, Any]) -> dict[str, Metric]:
    place, found = f"{one['trace']}/closed_loop", dict[str, Metric]()
    for name, entry in one["metrics"].items():
        # None stands for a number that is not finite: a bucket that broke has no median.
        median = None if None in entry["policy"] else statistics.median(entry["policy"])
        found[f"{place}/{name}"] = Metric(value=median, unit=entry["unit"])
        found[f"{place}/{name}_of_log"] = Metric(value=entry["log"], unit=entry["unit"])
    survived = [value == 1.0 for value in one["survived"]]
    found[f"{place}/survived"] = Metric(value=sum(survived) / len(survived), unit="share of buckets")
    found[f"{place}/passed"] = Metric(value=float(_passed(one)))
    return found


def _policy_tag(one: dict[str, Any]) -> str:
    name = "beats_failed_run" if one["outcome"] == "failed" else "survives"
    return f"{name}/{one['trace']}={'pass' if _passed(one) else 'fail'}"


def _passed(one: dict[str, Any]) -> bool:
    """A failed run has to be beaten in everything; the others' commands have to be survived in every bucket."""
    return bool(one["passed"]) if one["outcome"] == "failed" else all(value == 1.0 for value in one["survived"])


def _coverage(one: dict[str, Any]) -> float | None:
    """Share of time in the band of the buckets, weighted as the score; None where there is no band."""
    total = 0.0
    for name, weight in one["weights"].items():
        inside = list(one["signals"][name]["coverage"].values())
        if None in inside:
            return None
        total += weight * statistics.mean(inside)
    return total
