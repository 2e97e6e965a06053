"""When a diagnostic number is an alert: rules that read metrics on the host and pool a few iterations."""

from typing import Any

import torch
from torch import Tensor

from surefoot.audit.accounts import action_account
from surefoot.audit.accounts.metrics import Flush
from surefoot.audit.accounts.step import AuditLayout
from surefoot.audit.accounts.sums import Window
from surefoot.audit.alerts import constant_terms, standing
from surefoot.audit.alerts.alerts import Finding
from surefoot.manifest.diagnostics import ConstantTermAudit, Diagnostics, StandingAudit

TOTAL = "total"
"""Subject of an alert about the sum of all terms."""


class DiagnosticRules:
    """All rules of the diagnostics.

    Args:
        layout: Names of the terms.
        config: Thresholds.
    """

    def __init__(self, layout: AuditLayout, config: Diagnostics) -> None:
        terms = len(layout.reward_terms)
        self._layout = layout
        self._config = config
        self._windows = {
            "constant": Window(config.constant_term.window, 3 * terms),
            "standing": Window(config.standing.window, 2 * terms + 3),
            "action": Window(config.action.window, 1),
        }
        self._iterations = 0
        self._rows = (0.0, 0.0)
        """Most rows of standing, and of following, in a window."""

    def check(self, flush: Flush) -> list[Finding]:
        """Findings of one iteration; call it once for each, in order."""
        self._iterations += 1
        return [*self._constant_terms(flush), *self._standing(flush), *self._saturation(flush)]

    def _constant_terms(self, flush: Flush) -> list[Finding]:
        config = self._config.constant_term
        names = (constant_terms.NONZERO_STEPS, constant_terms.SHARED_STEPS, constant_terms.TURNS)
        pooled = self._windows["constant"].push(torch.cat([flush[name] for name in names]))
        if self._layout.num_envs < config.min_envs:
            return []
        counts = pooled.view(3, -1).T.tolist()
        return [
            finding
            for term, (nonzero, shared, turns) in zip(self._layout.reward_terms, counts, strict=True)
            for finding in _constant_term(config, term, nonzero, shared, turns)
        ]

    def _standing(self, flush: Flush) -> list[Finding]:
        config, window = self._config.standing, self._windows["standing"]
        rows, following = flush[standing.ROWS], flush[standing.FOLLOWING_ROWS]
        sums = (
            torch.nan_to_num(flush[standing.RATE]) * rows,
            torch.nan_to_num(flush[standing.FOLLOWING_RATE]) * following,
            torch.stack((rows, following, flush[standing.MOVING_ROWS])),
        )
        pooled = window.push(torch.cat(sums))
        enough_envs = flush[standing.ENVS] >= config.min_envs
        if self._iterations < config.window or not enough_envs:
            return []
        terms = len(self._layout.reward_terms)
        rows, following, moving = pooled[2 * terms :].tolist()
        self._rows = (max(self._rows[0], rows), max(self._rows[1], following))
        findings: list[Finding] = []
        if rows >= config.min_rows and rows > config.max_standing * moving:
            message = f"{rows / moving:.0%} of the steps under a command to move are spent standing, limit"
            findings.append(Finding("standing", TOTAL, f"{message} {config.max_standing:.0%}"))
        if min(rows, following) >= config.min_rows and flush[standing.FOLLOWING_ENVS] >= config.min_envs:
            stands, follows = pooled[:terms] / rows, pooled[terms : 2 * terms] / following
            findings += _standing_pays(config, self._layout.reward_terms, stands, follows)
        return findings

    def _saturation(self, flush: Flush) -> list[Finding]:
        config = self._config.action
        share = self._windows["action"].push(flush[action_account.SATURATION].view(1)).item() / config.window
        if self._iterations < config.window or not share > config.max_saturation:
            return []
        message = f"{share:.0%} of the actions are clipped to {self._layout.action_clip:g}, limit"
        return [Finding("action_saturation", "action", f"{message} {config.max_saturation:.0%}")]

    def silent(self) -> dict[str, str]:
        """Kinds that have not been judged, and why."""
        config, found = self._config, dict[str, str]()
        if min(self._rows) < config.standing.min_rows:
            found["standing_pays"] = (
                f"{self._rows[0]:.0f} steps of standing and {self._rows[1]:.0f} of following a command in a window; "
                f"{config.standing.min_rows} of each are needed"
            )
        if self._layout.num_envs < config.constant_term.min_envs:
            found["constant_term"] = f"{self._layout.num_envs} environments, {config.constant_term.min_envs} are needed"
        return found

    def state_dict(self) -> dict[str, Any]:
        """What is in the windows."""
        windows = {name: window.state_dict() for name, window in self._windows.items()}
        return {"windows": windows, "iterations": self._iterations}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        for name, window in self._windows.items():
            window.load_state_dict(state["windows"][name])
        self._iterations = state["iterations"]


def _constant_term(config: ConstantTermAudit, term: str, nonzero: float, shared: float, turns: float) -> list[Finding]:
    if nonzero < config.min_steps or shared < config.min_share * nonzero or turns < config.min_turns:
        return []
    message = (
        f"gave all environments one value in {shared:.0f} of {nonzero:.0f} steps, and the value goes up and down: "
        "it looks computed over the batch, not for each environment"
    )
    return [Finding("constant_term", term, message)]


def _standing_pays(config: StandingAudit, terms: tuple[str, ...], stands: Tensor, follows: Tensor) -> list[Finding]:
    """Compare mean rates, 1/s, shape (T,)."""
    advantage = stands - follows
    earned = (-advantage).clamp(min=0).sum().item()
    paid = torch.where(stands > 0, advantage, 0.0)
    worst = int(paid.argmax())
    total, most = advantage.sum().item(), paid[worst].item()
    if total > 0:
        blame = terms[worst] if most > 0 else TOTAL
        what = f"standing under a command to move earns {stands.sum():.3g}/s, following it {follows.sum():.3g}/s"
    elif most > config.max_cancelled * earned:
        blame = terms[worst]
        what = f"cancels {most / earned:.0%} of what following a command earns, limit {config.max_cancelled:.0%}"
    else:
        return []
    detail = f"; this term {stands[worst]:.3g}/s and {follows[worst]:.3g}/s" if most > 0 else ""
    return [Finding("standing_pays", blame, f"{what}{detail}")]
