"""What a result does to the run: alerts where it breaks a limit or is none, and what alerts do.

What was reacted to is kept on the disk: a killed trainer neither forgets nor repeats a reaction.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from surefoot.audit.alerts.alerts import Alert
from surefoot.files import make_way, read_file, write_atomically
from surefoot.jobs.job import Metric, Result
from surefoot.jobs.plan import PlannedEvent
from surefoot.manifest.audit import Action
from surefoot.manifest.schedule import Limit
from surefoot.reporting import say

LIMIT, FAULT, TRANSFER = "event_limit", "event_fault", "event_transfer"
"""Kinds of alerts."""
PAUSED = "PAUSED"
"""File in the run folder while a run waits; deleting it lets the run go on."""
_LOOK_EVERY = 0.5
"""s."""
_FILE_NAME = "handled.json"


def react(result: Result, planned: PlannedEvent | None, on_fault: Action, iteration: int) -> list[Alert]:
    """Alerts of one result.

    Args:
        result: Answer or fault.
        planned: Its event; None where the manifest no longer has it.
        on_fault: The manifest's `schedule.on_fault`.
        iteration: Where the run is now.
    """
    job = result.job
    if result.finding is None:
        return [Alert(FAULT, iteration, job.event, f"{job.id} has no result: {result.reason}", on_fault)]
    if not result.finding.valid:
        reasons = "; ".join(result.finding.reasons)
        return [Alert(FAULT, iteration, job.event, f"{job.id} is not valid: {reasons}", on_fault)]
    limits = planned.config.limits if planned is not None else {}
    return [
        Alert(LIMIT, iteration, f"{job.event}.{name}", f"iteration {job.iteration}: {problem}", limit.action)
        for name, limit in limits.items()
        if job.iteration >= limit.after and (problem := broken(limit, result)) is not None
    ]


def broken(limit: Limit, result: Result) -> str | None:
    """How a valid result breaks a limit; None where it keeps it. A number that is not there breaks it."""
    finding = result.finding
    assert finding is not None
    if limit.metric == "score":
        # A score has no interval: either end of it is the score itself.
        metric = Metric(value=finding.score, low=finding.score, high=finding.score)
    else:
        metric = finding.groups[limit.group].get(limit.metric, Metric(value=None))
    value = getattr(metric, limit.compare)
    what = limit.metric if limit.metric == "score" else f"{limit.group} {limit.metric}"
    what += "" if limit.compare == "value" else f" ({limit.compare} end of its interval)"
    if value is None:
        return f"{what} was not measured"
    if limit.minimum is not None and value < limit.minimum:
        return f"{what} is {value:.4g}, below {limit.minimum:g}"
    if limit.maximum is not None and value > limit.maximum:
        return f"{what} is {value:.4g}, above {limit.maximum:g}"
    return None


def new_failures(result: Result, before: Result | None, iteration: int) -> list[Alert]:
    """Alerts of what a result's tags say to fail, where it is news: nothing is told twice.

    A gap belongs to log and simulator, whatever the policy: the first failure is told, and one after a pass. A policy
    fails early in any training: only a failure after a pass is told.

    Args:
        result: Answer or fault.
        before: The valid result of the same event before it; None where it is the first.
        iteration: Where the run is now.
    """
    if result.finding is None or not result.finding.valid:
        return []
    old = before.finding.tags if before is not None and before.finding is not None else ()
    alerts: list[Alert] = []
    for tag in result.finding.tags:
        name, _, verdict = tag.rpartition("=")
        # A tag that was not there before is no pass.
        passed = f"{name}=pass" in old
        if verdict == "fail" and (passed or (name.startswith("gap/") and tag not in old)):
            text = f"iteration {result.job.iteration}: {_failure(name, result.finding.transfer)}"
            alerts.append(Alert(TRANSFER, iteration, f"{result.job.event}.{name}", text, "log"))
    return alerts


def _failure(name: str, metrics: dict[str, Metric]) -> str:
    place = name.removeprefix("gap/")
    numbers = [metrics.get(f"{place}/{part}", Metric(value=None)).value for part in ("gap", "limit", "floor")]
    if None in numbers:
        return f"{name} failed, and passed before"
    gap, limit, floor = numbers
    return f"gap score {gap:.3g} is above {limit:.3g} (floor {floor:.3g})"


def silencing(alert: Alert) -> str:
    """The override with which a run goes on in spite of an alert."""
    if alert.kind == FAULT:
        return "schedule.on_fault=log"
    if alert.kind == LIMIT:
        event, _, limit = alert.subject.rpartition(".")
        return f"schedule.events.{event}.limits.{limit}.action=log"
    return f"audit.actions.{alert.kind}=log"


def pause(alerts: Sequence[Alert], folder: Path | None, iteration: int, interrupted: Callable[[], bool]) -> None:
    """Wait until the file `PAUSED` in the run folder is deleted, or the run is interrupted.

    A run without a folder cannot be released, so it goes on.
    """
    if folder is None:
        return
    file = folder / PAUSED
    try:
        file.write_text("".join(f"iteration {iteration}: {_say(alert)}\n" for alert in alerts))
    except OSError as error:
        say(f"The run is not paused: {file} cannot be written ({error.strerror}).")
        return
    say(f"Paused after iteration {iteration}. Delete {file} to go on; Ctrl-C ends the run.")
    while file.exists() and not interrupted():
        time.sleep(_LOOK_EVERY)
    file.unlink(missing_ok=True)


def stop_message(alerts: Sequence[Alert], folder: Path | None, iteration: int) -> str:
    """Why a run was ended, and what to do with it."""
    reasons = "; ".join(_say(alert) for alert in alerts)
    silent = " ".join(sorted({silencing(alert) for alert in alerts}))
    lines = [f"Training stopped after iteration {iteration}: {reasons}"]
    if folder is not None:
        faults = folder / f"faults_{iteration}.pt"
        if faults.is_file():
            lines.append(f"The first faults can be replayed: surefoot replay-faults {faults}")
        lines.append(f"To go on all the same: surefoot train --resume {folder} {silent} --allow-manifest-change")
    # Lines up with `error: `, which the command line puts before the first.
    return "\n       ".join(lines)


def _say(alert: Alert) -> str:
    return f"{alert.kind} ({alert.subject}): {alert.message}"


@dataclass(frozen=True)
class Omitted:
    """An event that was due and has no job."""

    event: str
    iteration: int
    reason: str


class ReactionLog:
    """Results that were reacted to, and events that were left out, each with the iteration in which that happened.

    Args:
        folder: The run's folder of events.
        resumed_at: What came after this iteration is forgotten: the run goes on from there.
    """

    def __init__(self, folder: Path, resumed_at: int) -> None:
        self._path = folder / _FILE_NAME
        self.results: dict[str, int] = {}
        self.omitted: list[Omitted] = []
        plain = read_reaction_log(folder)
        self.results = {job: at for job, at in plain[0].items() if at <= resumed_at}
        self.omitted = [entry for entry in plain[1] if entry.iteration <= resumed_at]

    def add(self, job: str, iteration: int) -> None:
        """A result was reacted to in an iteration."""
        self.results[job] = iteration

    def omit(self, entry: Omitted) -> None:
        """An event has no job."""
        self.omitted.append(entry)

    def write(self) -> None:
        """Write all of it.

        Raises:
            RunFolderError: The folder cannot be written.
        """
        plain = {"results": self.results, "omitted": [asdict(entry) for entry in self.omitted]}
        make_way(self._path, say)
        write_atomically(self._path, json.dumps(plain).encode())


def read_reaction_log(folder: Path) -> tuple[dict[str, int], list[Omitted]]:
    """Results by job with the iteration, and omitted events; nothing where the file is absent or damaged."""
    try:
        plain = json.loads(read_file(folder / _FILE_NAME))
        results = {str(job): int(at) for job, at in plain["results"].items()}
        omitted = [Omitted(str(e["event"]), max(0, int(e["iteration"])), str(e["reason"])) for e in plain["omitted"]]
        return results, omitted
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}, []
