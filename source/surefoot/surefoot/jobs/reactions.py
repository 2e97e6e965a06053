"""What a result does to the run: alerts where it breaks a limit or is none."""

from surefoot.audit.alerts.alerts import Alert
from surefoot.jobs.plan import PlannedEvent
from surefoot.jobs.result import Metric, Result
from surefoot.manifest.audit import Action
from surefoot.manifest.schedule import Limit

LIMIT, FAULT, TRANSFER = "event_limit", "event_fault", "event_transfer"
"""Kinds of alerts."""


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
        metric = Metric(value=finding.score, low=finding.score, high=finding.score)
    else:
        groups = {
            "held_out": finding.held_out,
            "in_distribution": finding.in_distribution,
            "transfer": finding.transfer,
        }
        metric = groups[limit.group].get(limit.metric, Metric(value=None))
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
