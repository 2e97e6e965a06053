"""Limits: which numbers break them, and what the alert says."""

import json
from pathlib import Path

import pytest

from event_cases import add_job, finding, make_run
from surefoot.audit.alerts.alerts import Alert
from surefoot.jobs.job import Measurements, Metric, Result, answered, fault, read_result, to_json
from surefoot.jobs.kinds import Content
from surefoot.jobs.plan import PlannedEvent
from surefoot.jobs.reactions import broken, new_failures, react, silencing
from surefoot.manifest.schedule import Event, Limit


@pytest.fixture
def result(tmp_path: Path) -> Result:
    """Fall rate 0.1 [0.05, 0.2], score 0.5, a gap of 0.3 above the floor, of iteration 2."""
    found = finding(0.5, fall_rate=0.1).model_copy(update={"transfer": {"gap_above_floor": Metric(value=0.3)}})
    return answered(add_job(make_run(tmp_path), "", iteration=2), found, "", 1, 1.0)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ({"metric": "fall_rate", "maximum": 0.1}, None),
        ({"metric": "fall_rate", "maximum": 0.09}, "held_out fall_rate is 0.1, above 0.09"),
        (
            {"metric": "fall_rate", "maximum": 0.1, "compare": "high"},
            "held_out fall_rate (high end of its interval) is 0.2, above 0.1",
        ),
        ({"metric": "fall_rate", "maximum": 0.05, "compare": "low"}, None),
        (
            {"metric": "fall_rate", "minimum": 0.2, "group": "in_distribution"},
            "in_distribution fall_rate is 0.1, below",
        ),
        ({"metric": "score", "minimum": 0.5}, None),
        ({"metric": "score", "minimum": 0.6}, "score is 0.5, below 0.6"),
        ({"metric": "slip", "maximum": 9.0}, "held_out slip was not measured"),
        ({"metric": "gap_above_floor", "maximum": 0.2, "group": "transfer"}, "transfer gap_above_floor is 0.3, above"),
    ],
)
def test_a_limit(result: Result, limit: dict[str, object], expected: str | None):
    found = broken(Limit.model_validate(limit), result)
    assert (found is None) if expected is None else (found is not None and found.startswith(expected))


def planned(**limits: Limit) -> PlannedEvent:
    return PlannedEvent("panel", Event(kind="panel", content="x", every=1, limits=limits), Content())


def test_a_broken_limit_is_an_alert_with_its_action_and_before_its_time_none(result: Result):
    limits = {
        "falls": Limit(metric="fall_rate", maximum=0.01, action="stop"),
        "later": Limit(metric="fall_rate", maximum=0.01, after=3),
    }
    assert react(result, planned(**limits), "log", iteration=7) == [
        Alert("event_limit", 7, "panel.falls", "iteration 2: held_out fall_rate is 0.1, above 0.01", "stop")
    ]


def test_a_fault_and_a_result_that_is_not_valid_do_what_on_fault_says(result: Result):
    limits = planned(falls=Limit(metric="fall_rate", maximum=0.01, action="stop"))
    invalid = answered(result.job, Measurements(valid=False, reasons=("a", "b")), "", 1, 1.0)
    for bad, reason in ((fault(result.job, "gone", 1), "has no result: gone"), (invalid, "is not valid: a; b")):
        (alert,) = react(bad, limits, "pause", iteration=7)
        assert (alert.kind, alert.subject, alert.action) == ("event_fault", "panel", "pause")
        assert alert.message.endswith(reason)


def test_an_event_that_the_manifest_no_longer_has_breaks_nothing(result: Result):
    assert react(result, None, "stop", iteration=7) == []


@pytest.mark.parametrize(
    ("kind", "subject", "override"),
    [
        ("event_limit", "panel.falls", "schedule.events.panel.limits.falls.action=log"),
        ("event_fault", "panel", "schedule.on_fault=log"),
        ("too_many_faults", "nan", "audit.actions.too_many_faults=log"),
    ],
)
def test_the_way_on_is_an_override_of_the_manifest(kind: str, subject: str, override: str):
    assert silencing(Alert(kind, 1, subject, "", "stop")) == override


GAP, POLICY = "gap/log/open_loop", "beats_failed_run/log"


@pytest.mark.parametrize(
    ("before", "now", "news"),
    [
        (None, (f"{GAP}=pass", f"{POLICY}=pass"), []),
        (None, (f"{GAP}=fail",), [GAP]),
        (None, (f"{GAP}=unknown",), []),
        (None, (f"{POLICY}=fail",), []),  # every training begins like that
        ((f"{GAP}=fail", f"{POLICY}=fail"), (f"{GAP}=fail", f"{POLICY}=fail"), []),
        ((f"{GAP}=pass", f"{POLICY}=pass"), (f"{GAP}=fail", f"{POLICY}=fail"), [GAP, POLICY]),
        ((f"{GAP}=unknown",), (f"{GAP}=fail",), [GAP]),
        ((f"{GAP}=fail", f"{POLICY}=fail"), (f"{GAP}=pass", f"{POLICY}=pass"), []),
    ],
)
def test_a_failure_is_told_where_it_is_news(
    result: Result, before: tuple[str, ...] | None, now: tuple[str, ...], news: list[str]
):
    numbers = {f"log/open_loop/{name}": Metric(value=v) for name, v in (("gap", 0.5), ("limit", 0.2), ("floor", 0.05))}

    def tagged(tags: tuple[str, ...] | None) -> Result | None:
        if tags is None:
            return None
        return answered(result.job, Measurements(valid=True, transfer=numbers, tags=tags), "", 1, 1.0)

    this = tagged(now)
    assert this is not None
    alerts = new_failures(this, tagged(before), iteration=7)
    assert [(alert.kind, alert.subject, alert.action) for alert in alerts] == [
        ("event_transfer", f"panel.{name}", "log") for name in news
    ]
    said = {GAP: "gap score 0.5 is above 0.2 (floor 0.05)", POLICY: f"{POLICY} failed, and passed before"}
    assert [alert.message for alert in alerts] == [f"iteration 2: {said[name]}" for name in news]


def test_results_of_before_jobs_named_their_data_are_read(tmp_path: Path, result: Result):
    """Their hash was over a job without the key."""
    plain = json.loads(to_json(result))
    assert plain["job"].pop("data") == ""
    path = tmp_path / f"{result.job.id}.json"
    path.write_text(json.dumps(plain))
    assert read_result(path) == result
    with_data = result.model_copy(update={"job": result.job.model_copy(update={"data": "/x"})}).sealed()
    assert with_data.sha256 != result.sha256
