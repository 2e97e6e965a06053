"""When the numbers of the update say that nothing is learned, or that it goes wrong. The run's own past is no norm:
thresholds are far outside of what healthy runs show (docs/alerts.md).
"""

from typing import Any

import torch

from surefoot.audit.accounts.metrics import Flush
from surefoot.audit.accounts.sums import Window
from surefoot.audit.alerts.alerts import Finding
from surefoot.audit.alerts.learning import LEARNING
from surefoot.manifest.diagnostics import LearnerAudit

_READ = ("kl", "action_std", "action_std_min", "explained_variance", "surrogate", "log_ratio", "pairing")


class LearnerRules:
    """Means over the last iterations.

    Args:
        config: Thresholds.
        init_std: Of the actions, at the start of a run.
        done: Iterations before the first that is seen.
    """

    def __init__(self, config: LearnerAudit, init_std: float, done: int = 0) -> None:
        self._config, self._init_std = config, init_std
        self._window = Window(config.window, len(_READ))
        self._iterations, self._done = 0, done

    def check(self, flush: Flush) -> list[Finding]:
        """Findings of one iteration; call it once for each, in order."""
        names = [LEARNING[name] for name in _READ]
        if any(name not in flush for name in names):
            return []
        now = torch.stack([flush[name].double() for name in names]).nan_to_num(0.0)
        mean: dict[str, float] = dict(zip(_READ, (self._window.push(now) / self._config.window).tolist(), strict=True))
        self._iterations += 1
        return self._judge(mean) if self._iterations >= self._config.window else []

    def _judge(self, mean: dict[str, float]) -> list[Finding]:
        config, found = self._config, list[Finding]()
        over = f"over {config.window} iterations"
        if mean["kl"] > config.max_kl:
            text = (
                f"each update moves the policy by a KL divergence of {mean['kl']:.2g} {over}, limit {config.max_kl:g}"
            )
            found.append(Finding("kl", "KL", f"{text}: lower ppo.learning_rate, or set ppo.schedule=adaptive"))
        if mean["kl"] < config.min_kl:
            text = f"updates move the policy by a KL divergence of {mean['kl']:.2g} {over}, limit {config.min_kl:g}"
            found.append(Finding("kl", "learning rate", f"{text}: the policy does not learn"))
        if mean["action_std_min"] < config.min_std:
            text = (
                f"the smallest standard deviation of an action is {mean['action_std_min']:.2g}, limit "
                f"{config.min_std:g}"
            )
            found.append(Finding("exploration", "std", f"{text}: nothing new is tried"))
        if mean["action_std"] > config.max_std_growth * self._init_std:
            text = (
                f"the actions' standard deviation is {mean['action_std']:.2g}, "
                f"{mean['action_std'] / self._init_std:.1f} times that of the start, limit {config.max_std_growth:g}"
            )
            found.append(Finding("exploration", "std", f"{text}: the entropy bonus outweighs the reward"))
        late = self._iterations + self._done >= config.warm_up
        if late and mean["explained_variance"] < config.min_explained_variance:
            text = f"the critic explains {mean['explained_variance']:.0%} of the returns' variance {over}"
            limit = f"limit {config.min_explained_variance:.0%}"
            found.append(Finding("critic", "critic", f"{text}, {limit}: it does not learn, or learns from other data"))
        if late and mean["surrogate"] > 0:
            text = f"updates make the surrogate loss worse, {mean['surrogate']:.2g} {over}"
            found.append(Finding("objective", "surrogate", f"{text}: the policy moves against its objective"))
        if late and mean["log_ratio"] > config.max_log_ratio:
            text = (
                f"before an update the policy gives stored actions another probability than when it acted: mean "
                f"|log ratio| {mean['log_ratio']:.2g} {over}, limit {config.max_log_ratio:g}"
            )
            found.append(Finding("mini_batches", "actions of mini-batches", text))
        if mean["pairing"] < 0.99:
            text = f"correlate by {mean['pairing']:.2f} with return - value of the same rows, not by 1"
            found.append(Finding("mini_batches", "advantages of mini-batches", text))
        return found

    def silent(self) -> dict[str, str]:
        """Kinds that have not been judged, and why."""
        done, config = self._iterations, self._config
        found: dict[str, str] = {}
        if done < config.window:
            reason = f"{done} iterations, {config.window} are needed"
            found |= dict.fromkeys(("kl", "exploration", "mini_batches"), reason)
        if done < config.window or done + self._done < config.warm_up:
            reason = f"{done + self._done} iterations, {max(config.window, config.warm_up)} are needed"
            found |= dict.fromkeys(("critic", "objective"), reason)
        return found

    def state_dict(self) -> dict[str, Any]:
        """What is in the window."""
        return {"window": self._window.state_dict(), "iterations": self._iterations}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        self._window.load_state_dict(state["window"])
        self._iterations = state["iterations"]
