"""What robots earn that stand under a command to move, against those that follow it.

Everything that a standing robot earns counts, also from a bonus for being upright or alive: robots that follow earn it
too. Standing pays where the sum over all terms is larger for standing robots, or where one term alone pays for standing
most of what all the others pay for following.

Rows count from `warm_up` after the start of an episode on: everybody starts from standing. A robot that turns on the
spot as commanded does not stand: its velocity error is small.

Axis letters: those of `surefoot.audit.accounts.block`.
"""

from typing import Any

import torch
from torch import Tensor

from surefoot.audit.accounts.account import Account
from surefoot.audit.accounts.block import Block
from surefoot.audit.accounts.episodes import Episodes
from surefoot.audit.accounts.metrics import Flush, define
from surefoot.audit.accounts.step import AuditLayout
from surefoot.manifest.diagnostics import StandingAudit

MIN_ERROR = 2.0
"""Standing: the velocity error is above this many times `speed`, so the command is above `speed`."""
MIN_SPEED = 2.0
"""Following: faster than this many times `speed`, ..."""
MAX_ERROR = 0.5
"""... with a velocity error up to this share of the own speed."""

RATE = define(
    "standing/rate",
    "1/s",
    "mean rate of the term over standing rows; NaN without any",
    axes=("term",),
)
FOLLOWING_RATE = define(
    "standing/following_rate",
    "1/s",
    "mean rate of the term over following rows; NaN without any",
    axes=("term",),
)
ROWS = define(
    "standing/rows", "-", "valid rows under a command to move, slower than `speed`, velocity error above 2 `speed`"
)
FOLLOWING_ROWS = define(
    "standing/following_rows",
    "-",
    "valid rows under a command to move, faster than 2 `speed`, velocity error up to half the speed",
)
MOVING_ROWS = define("standing/moving_rows", "-", "valid rows under a command to move, after the warm-up")
ENVS = define("standing/envs", "-", "environments with a standing row")
FOLLOWING_ENVS = define("standing/following_envs", "-", "environments with a following row")


class Standing(Account):
    """Mean rate of every term over standing and over following rows."""

    def __init__(self, layout: AuditLayout, config: StandingAudit, device: str | torch.device) -> None:
        terms = len(layout.reward_terms)
        super().__init__({"rates": (2, terms), "rows": (2,), "moving": ()}, device)
        self._speed = config.speed
        self._warm_up_steps = config.warm_up / layout.step_dt
        self._envs = torch.zeros(2, layout.num_envs, dtype=torch.bool, device=device)

    def add(self, block: Block, episodes: Episodes) -> None:
        moving = block.is_moving & block.valid & (block.episode_steps > self._warm_up_steps)
        speed, error = block.lin_speed, block.lin_vel_error
        stands = moving & (speed < self._speed) & (error > MIN_ERROR * self._speed)
        follows = moving & (speed > MIN_SPEED * self._speed) & (error <= MAX_ERROR * speed)
        rows = torch.stack((stands, follows))
        self._envs |= rows.any(dim=1)
        self.sums["rates"].addmm_(rows.flatten(1).to(torch.float64), block.rates.flatten(0, 1))
        self.sums["rows"].add_(rows.sum(dim=(1, 2)))
        self.sums["moving"].add_(moving.sum())

    def pending(self) -> Tensor:
        return torch.cat((self.sums.flat, self._envs.sum(dim=1).to(torch.float64)))

    def report(self, values: Tensor) -> Flush:
        sums, envs = self.sums.unpack(values[:-2]), values[-2:]
        stands, follows = sums["rates"] / sums["rows"].unsqueeze(1)
        return {
            RATE: stands,
            FOLLOWING_RATE: follows,
            ROWS: sums["rows"][0],
            FOLLOWING_ROWS: sums["rows"][1],
            MOVING_ROWS: sums["moving"],
            ENVS: envs[0],
            FOLLOWING_ENVS: envs[1],
        }

    def clear(self) -> None:
        super().clear()
        self._envs.zero_()

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"envs": self._envs.cpu().clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._envs.copy_(state["envs"])
