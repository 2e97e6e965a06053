"""Findings become alerts with the manifest's action, once in a while; terms have the sign that their name promises."""

from typing import Any

import pytest

from surefoot.audit.accounts.metrics import Flush
from surefoot.audit.alerts.account_rules import expected_signs
from surefoot.audit.alerts.alerts import Alert, Alerts, Finding, strongest
from surefoot.errors import ManifestError
from surefoot.manifest import Manifest, validate
from surefoot.manifest.audit import Audit
from surefoot_tasks import audit_config


class Scripted:
    """Rules that say what the flush holds."""

    def check(self, flush: Flush) -> list[Finding]:
        return [Finding(kind, "x", "because") for kind in flush]

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


def kinds(alerts: Alerts, iteration: int, *found: str) -> list[str]:
    return [alert.kind for alert in alerts.check(iteration, dict.fromkeys(found))]  # pyright: ignore[reportArgumentType]


def test_an_alert_is_repeated_only_after_a_while() -> None:
    config = audit_config().model_copy(update={"repeat_after": 10})
    alerts = Alerts(config, [Scripted()])
    assert kinds(alerts, 1, "fault") == ["fault"]
    assert kinds(alerts, 2, "fault", "reward_sign") == ["reward_sign"]
    assert kinds(alerts, 10, "fault") == []
    assert kinds(alerts, 11, "fault") == ["fault"]

    later = Alerts(config, [Scripted()])
    later.load_state_dict(alerts.state_dict())
    assert kinds(later, 20, "fault") == []
    assert kinds(later, 21, "fault") == ["fault"]


def with_action(action: str) -> Audit:
    """`fault` does this; silent for 10 iterations."""
    config = audit_config()
    actions = config.actions.model_copy(update={"fault": action})
    return config.model_copy(update={"repeat_after": 10, "actions": actions})


def resumed(alerts: Alerts, action: str) -> Alerts:
    other = Alerts(with_action(action), [Scripted()])
    other.load_state_dict(alerts.state_dict())
    return other


def test_a_stop_is_never_silent() -> None:
    alerts = Alerts(with_action("stop"), [Scripted()])
    assert kinds(alerts, 1, "fault") == ["fault"]
    assert kinds(resumed(alerts, "stop"), 2, "fault") == ["fault"]
    assert kinds(alerts, 2, "fault") == ["fault"]
    assert kinds(resumed(alerts, "log"), 3, "fault") == []  # it has been said


def test_an_alert_that_was_only_logged_silences_no_stop_and_no_pause() -> None:
    alerts = Alerts(with_action("log"), [Scripted()])
    assert kinds(alerts, 1, "fault") == ["fault"]
    for action in ("stop", "pause"):
        found = resumed(alerts, action).check(2, {}, [Finding("fault", "x", "because")])
        assert [alert.action for alert in found] == [action]


def test_a_pause_is_silent_after_a_pause_of_this_process_only() -> None:
    alerts = Alerts(with_action("pause"), [Scripted()])
    assert [kinds(alerts, iteration, "fault") for iteration in (1, 2, 10, 11)] == [["fault"], [], [], ["fault"]]
    again = resumed(alerts, "pause")
    assert [kinds(again, iteration, "fault") for iteration in (12, 13, 21, 22)] == [["fault"], [], [], ["fault"]]


def test_the_action_is_the_manifests() -> None:
    config = audit_config()
    config = config.model_copy(update={"actions": config.actions.model_copy(update={"fault": "pause"})})
    found = Alerts(config, [Scripted()]).check(7, {}, [Finding("fault", "nan", "3 steps")])
    assert found == [Alert("fault", 7, "nan", "3 steps", "pause")]


def test_the_strongest_action_wins() -> None:
    def alert(action: Any) -> Alert:
        return Alert("fault", 1, "x", "", action)

    assert strongest([alert("log"), alert("stop"), alert("pause")]) == "stop"
    assert strongest([alert("log"), alert("pause")]) == "pause"
    assert strongest([]) is None


def test_the_shipped_task_has_the_signs_that_its_terms_promise(go1_manifest: Manifest) -> None:
    rewards = go1_manifest.task.rewards
    signs = expected_signs(rewards, go1_manifest.audit)
    assert signs["track_lin_vel_xy"] == "reward"
    assert signs["torques"] == "penalty"
    for name, term in rewards.items():
        assert signs[name] in ("any", "reward" if term.weight > 0 else "penalty"), name


def test_a_declared_sign_overrules_the_name(go1_manifest: Manifest) -> None:
    reward = go1_manifest.audit.reward.model_copy(update={"expected_sign": {"torques": "any"}})
    audit = go1_manifest.audit.model_copy(update={"reward": reward})
    assert expected_signs(go1_manifest.task.rewards, audit)["torques"] == "any"


def test_a_sign_for_a_term_that_does_not_exist_is_refused(go1_manifest: Manifest) -> None:
    data = go1_manifest.to_plain()
    data["audit"]["reward"]["expected_sign"] = {"torqes": "penalty"}
    with pytest.raises(ManifestError, match=r"audit\.reward\.expected_sign\.torqes.*Did you mean 'torques'\?"):
        validate(data)
