"""Limits on what is never measured are refused at the start, not broken by every result."""

import pytest

from surefoot.errors import SurefootError
from surefoot.jobs.kinds import check_limits
from surefoot.manifest.schedule import Event, Limit


def event(kind: str, **limit: object) -> Event:
    content = "quick_v1" if kind == "panel" else ""
    return Event(kind=kind, content=content, at_end=True, limits={"one": Limit(**{"maximum": 0.3} | limit)})


@pytest.mark.parametrize(
    ("kind", "limit", "message"),
    [
        ("panel", {"metric": "fall_rat"}, r"limits\.one\.metric: metric of a panel 'fall_rat' not found. Did you mean"),
        ("grid", {"metric": "fall_rate"}, r"limits\.one\.group: a grid measures nothing in this group"),
        ("grid", {"metric": "foot_slips", "group": "in_distribution"}, "'foot_slips' not found. Did you mean"),
        ("grid", {"metric": "score"}, r"limits\.one\.metric: a grid has no held-out score"),
    ],
)
def test_what_is_never_measured_is_refused(kind: str, limit: dict, message: str):
    with pytest.raises(SurefootError, match=message):
        check_limits(event(kind, **limit))


def test_what_is_measured_is_not():
    check_limits(event("panel", metric="score"))
    check_limits(event("panel", metric="recovery_time", group="in_distribution"))
    check_limits(event("grid", metric="fall_rate", group="in_distribution"))
