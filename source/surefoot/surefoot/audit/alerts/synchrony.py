"""Resets that come together: more ends in one control step than chance allows.

Null hypothesis: every environment ends when it does, whatever the others do, and the rate of ends changes little within
a few steps. Then, given how many episodes end in a step and the w steps on either side, each of those ends is in that
step with probability 1 / (2 w + 1). A rate over a longer time is no null: after a common start robots fall at about the
same age, a hill of ends many steps wide that is no defect.
"""

from typing import Any

import torch
from scipy.special import bdtrc
from torch import Tensor

from surefoot.audit.accounts.account import Account
from surefoot.audit.accounts.block import Block
from surefoot.audit.accounts.episodes import Episodes
from surefoot.audit.accounts.metrics import Flush, define
from surefoot.audit.accounts.step import AuditLayout
from surefoot.manifest.audit import Audit

_TESTED = (
    "control steps that were tested in the iteration: a step is tested once its `half_window` next steps are known"
)
define(
    "termination/most_at_once",
    "-",
    f"largest share of the environments that ended (faults too) in one of the {_TESTED}",
)
define(
    "termination/at_once_p",
    "-",
    "smallest P(X >= k), X binomial with n trials and probability 1 / (2 w + 1), of those steps in which at least "
    "audit.synchrony.min_share of the environments ended: k ends in the step, n ends in the step and w = half_window "
    "steps before and after it; 1 without such a step",
)


class SynchronyAccount(Account):
    """Number of ends in each control step, tested on the host."""

    def __init__(self, layout: AuditLayout, config: Audit, device: str | torch.device) -> None:
        super().__init__({}, device)
        self._num_envs = layout.num_envs
        self._half = config.synchrony.half_window
        self._min_ends = max(2.0, config.synchrony.min_share * layout.num_envs)
        self._new: list[Tensor] = []
        self._ends: list[float] = []

    def add(self, block: Block, episodes: Episodes) -> None:
        self._new.append(block.ended.sum(dim=1).to(torch.float64))

    def pending(self) -> Tensor:
        return torch.cat(self._new) if self._new else self.sums.flat

    def report(self, values: Tensor) -> Flush:
        self._ends += [float(count) for count in values]
        half, ends = self._half, self._ends
        most, smallest = 0.0, 1.0
        tested = range(half, len(ends) - half)
        for step in tested:
            most = max(most, ends[step])
            if ends[step] >= self._min_ends:
                nearby = sum(ends[step - half : step + half + 1])
                smallest = min(smallest, binomial_tail(int(ends[step]), int(nearby), 1 / (2 * half + 1)))
        # Steps that wait for their next ones, and those before that their windows reach back to.
        self._ends = ends[max(0, len(ends) - 2 * half) :]
        return {
            "termination/most_at_once": torch.tensor(most / self._num_envs, dtype=torch.float64),
            "termination/at_once_p": torch.tensor(smallest, dtype=torch.float64),
        }

    def clear(self) -> None:
        self._new.clear()

    def state_dict(self) -> dict[str, Any]:
        return {"new": [float(count) for count in self.pending().cpu()], "ends": list(self._ends)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        device = self.sums.flat.device
        self._new = [torch.tensor(state["new"], dtype=torch.float64, device=device)] if state["new"] else []
        self._ends = list(state["ends"])


def binomial_tail(successes: int, trials: int, probability: float) -> float:
    """P(X >= successes) of a binomial distribution.

    Args:
        successes: 0 to trials.
        trials: At least 0.
        probability: Of one success, strictly between 0 and 1.
    """
    return float(bdtrc(successes - 1, trials, probability)) if successes > 0 else 1.0
