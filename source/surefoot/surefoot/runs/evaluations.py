"""What the folder `events` of a run says: every job with its result, or without."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from surefoot.errors import RunFolderError
from surefoot.jobs.best import read_provenance
from surefoot.jobs.job import Job, Result
from surefoot.jobs.queue import EventFolder
from surefoot.jobs.reactions import read_reaction_log
from surefoot.runs.record_schema import Best, Evaluation, OmittedEvent, Transfer


def read_evaluations(run: Path) -> list[Evaluation]:
    """Of a run folder, in the order of the jobs."""
    folder = EventFolder(run)
    found: list[Evaluation] = []
    for identity in sorted({*folder.job_ids(), *folder.result_ids()}):
        result = folder.result(identity)
        if result is not None:
            found.append(_of_result(result))
            continue
        try:
            found.append(_of_job(folder.job(identity), "unanswered", ("no result",)))
        except RunFolderError:
            continue  # a damaged file; the worker puts it aside, where it is counted
    return found


def _of_job(job: Job, status: str, reasons: tuple[str, ...], **further: object) -> Evaluation:
    plain = {key: getattr(job, key) for key in ("event", "kind", "content", "content_sha256", "iteration")}
    return Evaluation.model_validate(
        {
            **plain,
            "job": job.id,
            "checkpoint_sha256": job.checkpoint_sha256,
            "status": status,
            "reasons": reasons,
            **further,
        }
    )


def _of_result(result: Result) -> Evaluation:
    finding = result.finding
    if finding is None:
        return _of_job(result.job, "fault", (result.reason,), seconds=result.seconds)
    if not finding.valid:  # its numbers stay in its own file: nobody reads them here by mistake
        return _of_job(result.job, "not valid", finding.reasons, seconds=result.seconds, report=result.report)
    return _of_job(
        result.job,
        "valid",
        (),
        score=finding.score,
        held_out=finding.held_out,
        in_distribution=finding.in_distribution,
        transfer=finding.transfer,
        tags=finding.tags,
        seconds=result.seconds,
        report=result.report,
    )


def newest_valid(evaluations: Sequence[Evaluation]) -> dict[str, Evaluation]:
    """By event; of two of one checkpoint the later job's."""
    found: dict[str, Evaluation] = {}
    for entry in evaluations:
        before = found.get(entry.event)
        # By iteration, not by job: a checkpoint may be evaluated after later ones.
        if entry.status == "valid" and (before is None or entry.iteration >= before.iteration):
            found[entry.event] = entry
    return found


def transfer_of(quality: dict[str, Evaluation]) -> Transfer:
    """Metrics and tags of the events that have any; with the event's name before them where these are several."""
    found = {event: entry for event, entry in quality.items() if entry.transfer or entry.tags}
    several = len(found) > 1
    metrics = {
        f"{event}/{name}" if several else name: metric
        for event, entry in found.items()
        for name, metric in entry.transfer.items()
    }
    tags = (f"{event}/{tag}" if several else tag for event, entry in found.items() for tag in entry.tags)
    return Transfer(metrics=metrics, tags=tuple(tags))


def read_best(run: Path) -> Best | None:
    """Where the best checkpoint comes from; None without one, or where its description is damaged."""
    plain = read_provenance(run)
    keys = ("iteration", "score", "event", "job", "checkpoint_sha256")
    try:
        return None if plain is None else Best.model_validate({key: plain.get(key) for key in keys})
    except ValidationError:
        return None


def read_omitted(run: Path) -> tuple[OmittedEvent, ...]:
    """Events that were due and have no job."""
    _, omitted = read_reaction_log(EventFolder(run).path)
    return tuple(OmittedEvent(event=entry.event, iteration=entry.iteration, reason=entry.reason) for entry in omitted)


def damaged_files(run: Path) -> tuple[str, ...]:
    """Jobs and results that were put aside, relative to the run folder."""
    folder = EventFolder(run)
    found = [path for part in (folder.jobs, folder.results) for path in part.glob("*.broken*")]
    return tuple(sorted(str(path.relative_to(run)) for path in found))
