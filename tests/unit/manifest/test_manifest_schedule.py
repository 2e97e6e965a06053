"""The schedule section: off by default without a trace in the hash, and refused where it makes no sense."""

from typing import Any

import pytest

from surefoot.errors import ManifestError
from surefoot.manifest import Manifest, override_manifest, validate

PANEL = {"kind": "panel", "content": "quick_v1", "every": 50}


def with_events(manifest: Manifest, **events: dict[str, Any]) -> Manifest:
    plain = manifest.to_plain()
    plain["schedule"]["events"] = events
    return validate(plain, "a test")


def test_without_events_the_hash_is_that_of_a_manifest_without_the_section(go1_manifest: Manifest):
    assert go1_manifest.schedule.events == {}
    assert '"schedule":{' not in go1_manifest.canonical_json
    scheduled = with_events(go1_manifest, panel=PANEL)
    assert '"schedule":{' in scheduled.canonical_json and scheduled.sha256 != go1_manifest.sha256
    slower = override_manifest(go1_manifest, ["schedule.worker.threads=2"])
    assert slower.sha256 != go1_manifest.sha256


def test_a_limit_has_its_defaults(go1_manifest: Manifest):
    event = with_events(go1_manifest, panel=PANEL | {"limits": {"falls": {"metric": "fall_rate", "maximum": 0.2}}})
    limit = event.schedule.events["panel"].limits["falls"]
    assert (limit.group, limit.compare, limit.action, limit.after) == ("held_out", "value", "log", 0)


@pytest.mark.parametrize(
    ("event", "key", "reason"),
    [
        (PANEL | {"every": 0}, "events.a.every", "expected an occasion"),
        (PANEL | {"content": ""}, "events.a.content", "expected the name of a panel"),
        (PANEL | {"kind": "panels"}, "events.a.kind", "'panel'"),
        (PANEL | {"content": "../secret"}, "events.a.content", "pattern"),
        ({"kind": "grid", "every": 5, "content": "x"}, "events.a.content", "a grid has no content"),
        ({"kind": "grid", "every": 5, "keep_best": True}, "events.a.keep_best", "no held-out score"),
        (PANEL | {"on_best": True}, "events.a.on_best", "nothing is ever the best"),
        (PANEL | {"on_best": True, "keep_best": True}, "events.a.on_best", "cannot wait for it as well"),
        (PANEL | {"limits": {"l": {"metric": "m"}}}, "events.a.limits.l.minimum", "expected a minimum"),
        (PANEL | {"limits": {"l": {"metric": "m", "minimum": 2.0, "maximum": 1.0}}}, "limits.l.minimum", "at most"),
        (PANEL | {"evry": 5}, "events.a.evry", "Did you mean 'every'"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_key(
    go1_manifest: Manifest, event: dict[str, Any], key: str, reason: str
):
    with pytest.raises(ManifestError) as caught:
        with_events(go1_manifest, a=event)
    assert f"{key}: " in str(caught.value) and reason in str(caught.value)


def test_two_events_cannot_both_keep_the_best(go1_manifest: Manifest):
    with pytest.raises(ManifestError, match=r"schedule.events.b.keep_best: 'a' keeps the best already"):
        with_events(go1_manifest, a=PANEL | {"keep_best": True}, b=PANEL | {"keep_best": True})


def test_a_name_that_is_no_file_name_is_refused(go1_manifest: Manifest):
    with pytest.raises(ManifestError, match="pattern"):
        with_events(go1_manifest, **{"../x": {"kind": "grid", "every": 5}})
