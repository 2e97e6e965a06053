"""Rewards and ends of a step, computed again from the manifest, and the clock of the episode."""

from typing import Any

import torch
from torch import Tensor

from surefoot.audit.accounts.step import AuditStep
from surefoot.audit.alerts.alerts import Finding
from surefoot.audit.second_look.look import TOLERANCE, Look, raise_to, relative
from surefoot.audit.second_look.task_again import TaskAgain


class TermsLook(Look):
    """Reward terms, causes and kinds of ends, the episode's clock."""

    of_one_iteration = ("rates", "causes", "kinds", "unexplained", "clock")
    judged_always = True

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        task = self._manifest.task
        self._task = TaskAgain(self._manifest, self._state)
        self._terms, self._causes = tuple(task.rewards), tuple(task.terminations)
        kinds = [term.kind == "time_out" for term in task.terminations.values()]
        self._is_time_out = torch.tensor(kinds, device=self._device)
        count = (len(self._causes),)
        self.shapes = {"rates": (len(self._terms),), "causes": count, "kinds": count, "unexplained": (), "clock": ()}

    def begin(self) -> None:
        self._clock = self._env.episode_length_buf.clone()

    def before_resets(self, seen: AuditStep, valid: Tensor) -> None:
        """With the state that rewards and ends were computed from; `valid` says which environments have no fault."""
        sums = self.sums
        rates = self._task.rates(self._env.samples)
        raise_to(sums["rates"], relative(seen.rates, rates, valid))
        count = len(self._causes)  # what Python code added to the task comes after them
        causes, given = self._task.causes(), seen.causes[:, :count]
        sums["causes"].add_(((causes != given) & valid.unsqueeze(1)).sum(dim=0))
        # A failure wins over a time-out in the same step, as in the environment.
        failed = (given & ~self._is_time_out).any(dim=1)
        timed_out = (given & self._is_time_out).any(dim=1) & ~failed
        if seen.causes.shape[1] == count:
            wrong = valid & ((seen.terminated != failed) | (seen.truncated != timed_out))
            sums["kinds"].add_((given & wrong.unsqueeze(1)).sum(dim=0))
            sums["unexplained"].add_((wrong & ~given.any(dim=1)).sum())

    def follow(self, ended: Tensor) -> None:
        """After every step."""
        now = self._env.episode_length_buf
        self.sums["clock"].add_((now != torch.where(ended, 0, self._clock + 1)).sum())
        self._clock.copy_(now)

    def findings(self, sums: dict[str, Tensor], looks: int) -> list[Finding]:
        found: list[Finding] = []
        for term, off in zip(self._terms, sums["rates"].tolist(), strict=True):
            if off > TOLERANCE:
                text = f"differs from weight * term of the manifest, computed again, by {off:.2g} of the largest value"
                found.append(Finding("reward_term", term, text))
        for kind, text in (
            (
                "causes",
                "holds, or does not, where the manifest's term, computed again, says otherwise, in {0:.0f} rows",
            ),
            ("kinds", "is declared {1} and ended {0:.0f} episodes as the other kind"),
        ):
            for cause, time_out, rows in zip(
                self._causes, self._is_time_out.tolist(), sums[kind].tolist(), strict=True
            ):
                if rows > 0:
                    kinds = "time_out" if time_out else "failure"
                    found.append(Finding("episode_ends", cause, text.format(rows, kinds)))
        if float(sums["unexplained"]) > 0:
            rows = float(sums["unexplained"])
            found.append(Finding("episode_ends", "ends", f"{rows:.0f} episodes ended with no cause that holds"))
        if float(sums["clock"]) > 0:
            text = (
                f"the episode's clock did not advance by one control step, or begin at 0, in "
                f"{float(sums['clock']):.0f} steps"
            )
            found.append(Finding("episode_clock", "episode steps", text))
        return found
