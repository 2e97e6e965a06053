"""How large and how jerky the policy's actions are.

Axis letters: those of `surefoot.audit.accounts.block`, A actions.
"""

from typing import Any

import torch
from torch import Tensor

from surefoot.audit.accounts.account import Account
from surefoot.audit.accounts.block import Block
from surefoot.audit.accounts.episodes import Episodes
from surefoot.audit.accounts.metrics import Flush, define
from surefoot.audit.accounts.step import AuditLayout

MAGNITUDE = define("action/magnitude", "-", "mean |a| over valid rows and actions, before clipping")
SATURATION = define(
    "action/saturation", "-", "share of valid rows and actions with |a| at the clip limit or beyond; NaN without limit"
)
WORST_SATURATION = define(
    "action/worst_saturation", "-", "the same of the action that is at the limit most often; NaN without limit"
)
CHANGE = define(
    "action/change",
    "-",
    "mean |a - a of the step before| over actions and valid rows whose step before is valid and of the same episode",
)


class ActionAccount(Account):
    """Size, saturation and smoothness of the actions."""

    def __init__(self, layout: AuditLayout, device: str | torch.device) -> None:
        super().__init__({"size": (), "clipped": (layout.num_actions,), "rows": (), "change": (), "pairs": ()}, device)
        self._num_actions = layout.num_actions
        self._clip = layout.action_clip
        self._last = torch.zeros(1, layout.num_envs, layout.num_actions, device=device)
        self._last_valid = torch.zeros(1, layout.num_envs, dtype=torch.bool, device=device)

    def add(self, block: Block, episodes: Episodes) -> None:
        action = block.action
        size = action.abs()
        self.sums["size"].add_(size.sum(dtype=torch.float64))
        if self._clip is not None:
            self.sums["clipped"].add_((size >= self._clip).sum(dim=(0, 1)))
        self.sums["rows"].add_(block.valid.sum())
        before = torch.cat((self._last, action[:-1]))
        before_valid = torch.cat((self._last_valid, block.valid[:-1]))
        pair = block.valid & before_valid & (block.episode_steps > 1)
        change = (action - before).abs_().sum(dim=2, dtype=torch.float64)
        self.sums["change"].add_(torch.where(pair, change, 0.0).sum())
        self.sums["pairs"].add_(pair.sum())
        self._last.copy_(action[-1:])
        self._last_valid.copy_(block.valid[-1:])

    def report(self, values: Tensor) -> Flush:
        sums = self.sums.unpack(values)
        clipped = sums["clipped"] / sums["rows"] if self._clip is not None else sums["clipped"] * torch.nan
        return {
            MAGNITUDE: sums["size"] / (sums["rows"] * self._num_actions),
            SATURATION: clipped.mean(),
            WORST_SATURATION: clipped.max(),
            CHANGE: sums["change"] / (sums["pairs"] * self._num_actions),
        }

    def state_dict(self) -> dict[str, Any]:
        last = {"last": self._last.cpu().clone(), "last_valid": self._last_valid.cpu().clone()}
        return super().state_dict() | last

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._last.copy_(state["last"])
        self._last_valid.copy_(state["last_valid"])
