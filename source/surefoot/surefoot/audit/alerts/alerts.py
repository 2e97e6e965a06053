"""What an account noticed and somebody should see."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from surefoot.audit.accounts.metrics import Flush
from surefoot.manifest.audit import Action, Audit

_STRENGTH: tuple[Action, ...] = ("stop", "pause", "log", "ignore")


@dataclass(frozen=True)
class Alert:
    """One finding of one iteration."""

    kind: str
    """Name of the rule, a key of the manifest's `audit.actions`."""
    iteration: int
    subject: str
    """Term, cause, bucket or fault that it is about."""
    message: str
    """One sentence with the numbers and the threshold."""
    action: Action


@dataclass(frozen=True)
class Finding:
    """What a rule has to say about one iteration."""

    kind: str
    """A key of the manifest's `audit.actions`."""
    subject: str
    message: str


class Rules(Protocol):
    """Looks at the metrics of every iteration, in order."""

    def check(self, flush: Flush) -> Sequence[Finding]:
        """What is wrong in this iteration; the same again as long as it lasts."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything that later findings depend on."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        ...


class Alerts:
    """Turns findings into alerts: with the manifest's action, and not the same one in every iteration.

    What ends a run is never silent: a run that was stopped and is resumed unchanged stops again. What pauses it is
    silent after a pause that this process made, so a resumed run pauses again.

    Args:
        config: Actions, and how long a finding stays silent after its alert.
        rules: Asked in this order.
    """

    def __init__(self, config: Audit, rules: Iterable[Rules]) -> None:
        self._config = config
        self._rules = list(rules)
        self._raised: dict[tuple[str, str], int] = {}
        self._paused: dict[tuple[str, str], int] = {}
        self._since: dict[tuple[str, str], int] = {}
        """First of the iterations in a row in which something was found."""

    def check(self, iteration: int, flush: Flush, further: Iterable[Finding] = ()) -> list[Alert]:
        """Alerts of an iteration.

        Args:
            iteration: Rises from call to call.
            flush: Metrics of the iteration.
            further: Findings of rules that need more than the metrics.
        """
        findings = [*(finding for rules in self._rules for finding in rules.check(flush)), *further]
        keys = {(finding.kind, finding.subject) for finding in findings}
        # What is not found any more is forgotten, and counts anew when it comes back.
        self._since = {key: self._since.get(key, iteration) for key in keys}
        news = [finding for finding in findings if self._is_news(iteration, finding)]
        return [self._alert(iteration, finding) for finding in news]

    def _is_news(self, iteration: int, finding: Finding) -> bool:
        key, action = (finding.kind, finding.subject), self._action(finding)
        if action == "ignore":
            return False
        last = (self._paused if action == "pause" else self._raised).get(key)
        if action != "stop" and last is not None and iteration - last < self._config.repeat_after:
            return False
        self._raised[key] = iteration
        if action == "pause":
            self._paused[key] = iteration
        return True

    def _action(self, finding: Finding) -> Action:
        return getattr(self._config.actions, finding.kind)

    def _alert(self, iteration: int, finding: Finding) -> Alert:
        since = self._since[finding.kind, finding.subject]
        message = finding.message if since == iteration else f"{finding.message}; since iteration {since}"
        return Alert(finding.kind, iteration, finding.subject, message, self._action(finding))

    def silent(self) -> dict[str, str]:
        """Kinds of alert that could not be raised in this run, and why."""
        found = {
            kind: f"switched off by audit.actions.{kind}"
            for kind in type(self._config.actions).model_fields
            if getattr(self._config.actions, kind) == "ignore"
        }
        for rules in self._rules:
            found = rules.silent() | found if hasattr(rules, "silent") else found  # pyright: ignore
        return found

    def state_dict(self) -> dict[str, Any]:
        """When each alert was last raised, and the rules' own state; pauses belong to the process."""
        raised = [[kind, subject, iteration] for (kind, subject), iteration in self._raised.items()]
        return {"raised": raised, "rules": [rules.state_dict() for rules in self._rules]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        self._raised = {(kind, subject): iteration for kind, subject, iteration in state["raised"]}
        for rules, own in zip(self._rules, state["rules"], strict=True):
            rules.load_state_dict(own)


def strongest(alerts: Iterable[Alert]) -> Action | None:
    """The action to take: stop before pause before log; None without an alert."""
    actions = {alert.action for alert in alerts}
    return next((action for action in _STRENGTH if action in actions), None)
