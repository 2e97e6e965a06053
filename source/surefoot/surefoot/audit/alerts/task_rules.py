"""When numbers of the accounts show a task that is not the one that was meant: dead and drowning terms, time-outs that
count as failures, steps that are counted wrongly, buckets that drift apart.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from surefoot.audit.accounts.metrics import Flush, define
from surefoot.audit.accounts.step import AuditLayout
from surefoot.audit.accounts.sums import Window
from surefoot.audit.alerts.account_rules import Sign
from surefoot.audit.alerts.alerts import Finding
from surefoot.audit.alerts.memory import mann_kendall_z, theil_sen
from surefoot.manifest.audit import Audit

CLIMB = define(
    "spread/cross_bucket_climb",
    "-",
    "rise of cross_bucket_variance over the last `audit.window` iterations: Theil-Sen slope times their number; NaN "
    "before there are that many",
)
MIN_CLIMB_Z = 6.0
"""Mann-Kendall standard deviations; windows that overlap and values that depend on each other ask for a large one."""
MIN_FAILURES = 20
"""Failures of one cause without which their age is not judged."""
AT_THE_END = 0.9
"""Share of a cause's failures in the last bin of episode length, from which on it is a time-out."""


class TaskRules:
    """Rules over the metrics of `Accounts`.

    Args:
        layout: Names of the axes.
        config: Thresholds.
        signs: What each term is meant to do.
        weights: Of the terms in the manifest, where there is one.
    """

    def __init__(
        self, layout: AuditLayout, config: Audit, signs: Mapping[str, Sign], weights: Mapping[str, float] | None = None
    ) -> None:
        self._layout, self._config, self._signs = layout, config.diagnostics, signs
        self._weights = weights or {}
        terms, causes = len(layout.reward_terms), len(layout.causes)
        self._sizes = Window(config.diagnostics.term.window, terms)
        self._failures = Window(config.window, 2 * causes)
        self._variance: deque[float] = deque(maxlen=config.window)
        self._iterations = 0
        self.expected_rows: float | None = None
        """Environment steps of the iteration, from whoever steps; None where nobody says."""

    def check(self, flush: Flush) -> list[Finding]:
        """Findings of one iteration; call it once for each, in order."""
        self._iterations += 1
        return [
            *self._dead(flush),
            *self._drowning(flush),
            *self._late_failures(flush),
            *self._counted(flush),
            *self._cross_bucket(flush),
        ]

    def _dead(self, flush: Flush) -> Iterator[Finding]:
        config = self._config.term
        for term, largest in zip(self._layout.reward_terms, flush["reward/largest_per_s"].tolist(), strict=True):
            window = config.penalty_window if self._signs.get(term) == "penalty" else config.window
            if self._weights.get(term) == 0.0:
                yield Finding("dead_term", term, "has weight 0 in the manifest; leave it out if it is not wanted")
            # Told once: the largest rate is that of the whole run, which would say the same in every later iteration.
            elif largest == 0 and self._iterations == window:
                yield Finding("dead_term", term, f"was 0 in every environment and step of {window} iterations")

    def _drowning(self, flush: Flush) -> Iterator[Finding]:
        config = self._config.term
        size = (flush["reward/mean_per_s"].square() + flush["reward/std_per_s"].square()).sqrt()
        pooled = self._sizes.push(size.nan_to_num(0.0))
        total = float(pooled.sum())
        if self._iterations < config.window or total == 0 or len(pooled) < 3:
            return
        worst = int(pooled.argmax())
        if (share := float(pooled[worst]) / total) > config.max_share:
            yield Finding(
                "drowning_term",
                self._layout.reward_terms[worst],
                f"is {share:.0%} of the size (root mean square) of all terms, limit {config.max_share:.0%}: the others "
                "hardly matter; check its weight and its unit",
            )

    def _late_failures(self, flush: Flush) -> Iterator[Finding]:
        table = flush["termination/length_by_cause"]
        pooled = self._failures.push(torch.cat((table.sum(dim=1), table[:, -1])).double())
        causes = zip(self._layout.causes, self._layout.cause_is_time_out, pooled.view(2, -1).T.tolist(), strict=True)
        for cause, time_out, (episodes, last) in causes:
            if not time_out and episodes >= MIN_FAILURES and last >= AT_THE_END * episodes:
                text = (
                    f"{last:.0f} of its {episodes:.0f} failures came at the longest length of an episode: "
                    f"is it a time-out?"
                )
                yield Finding("episode_ends", cause, text)

    def _counted(self, flush: Flush) -> Iterator[Finding]:
        if self.expected_rows is None:
            return
        rows = float(flush["reward/steps"] + flush["fault/invalid_steps"])
        if rows != self.expected_rows:
            text = f"{rows:.0f} environment steps are in the accounts, {self.expected_rows:.0f} were made"
            yield Finding("step_count", "steps", f"{text}: {rows / self.expected_rows:.3g} times the right count")

    def _cross_bucket(self, flush: Flush) -> Iterator[Finding]:
        config = self._config.cross_bucket
        variance = float(flush["spread/cross_bucket_variance"])
        self._variance.append(variance)
        values = np.array(self._variance)
        full = len(values) == self._variance.maxlen and bool(np.isfinite(values).all())
        climb = theil_sen(values) * (len(values) - 1) if full else float("nan")
        flush[CLIMB] = torch.tensor(climb, dtype=torch.float64)
        if variance > config.max_variance:
            text = (
                f"{variance:.2f} of the mean square reward is differences between buckets, limit "
                f"{config.max_variance:g}"
            )
            yield Finding("cross_bucket_variance", "cross-bucket variance", text)
        elif climb > config.max_climb and mann_kendall_z(values) > MIN_CLIMB_Z:
            text = f"climbing: {climb:+.2f} in {len(values)} iterations, limit {config.max_climb:g}; now {variance:.2f}"
            yield Finding("cross_bucket_variance", "cross-bucket variance", text)

    def silent(self) -> dict[str, str]:
        """Kinds that have not been judged, and why."""
        found: dict[str, str] = {}
        window = self._config.term.window
        if self._iterations < window:
            found |= dict.fromkeys(
                ("dead_term", "drowning_term"), f"{self._iterations} iterations, {window} are needed"
            )
        if not np.isfinite(list(self._variance)).any():
            reason = "never two buckets with 4 environments each"
            found |= dict.fromkeys(("cross_bucket_variance", "bucket_exploitation"), reason)
        if self.expected_rows is None:
            found["step_count"] = "nobody says how many steps were made"
        return found

    def state_dict(self) -> dict[str, Any]:
        """What is in the windows."""
        return {
            "sizes": self._sizes.state_dict(),
            "failures": self._failures.state_dict(),
            "variance": [value if np.isfinite(value) else None for value in self._variance],
            "iterations": self._iterations,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        self._sizes.load_state_dict(state["sizes"])
        self._failures.load_state_dict(state["failures"])
        self._variance.extend(float("nan") if value is None else value for value in state["variance"])
        self._iterations = state["iterations"]
