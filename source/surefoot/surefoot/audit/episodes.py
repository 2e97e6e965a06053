"""Running sums of each environment's episode, read where it ends."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from surefoot.audit.block import Block, zeroed
from surefoot.audit.step import AuditLayout


@dataclass(frozen=True)
class Episodes:
    """Sums from the start of each row's episode up to and including the row. They are episode totals where `whole`."""

    rates: Tensor
    """Sum over steps of weight * term, per second. Shape (S, N, T)."""
    reward: Tensor
    """Sum of what PPO received: the return so far. Shape (S, N)."""
    lin_vel_error: Tensor
    """Sum over steps, m/s. Shape (S, N)."""
    yaw_rate_error: Tensor
    """Sum over steps, rad/s. Shape (S, N)."""
    steps: Tensor
    """Steps that were seen, float64. Shape (S, N)."""
    whole: Tensor
    """A valid end of an episode whose steps were all seen and valid. Shape (S, N), bool."""
    partial: Tensor
    """A valid end of an episode whose beginning was not seen. Shape (S, N), bool."""


class EpisodeTracker:
    """One row of running sums per environment. A fault ends an episode that then counts nowhere."""

    def __init__(self, layout: AuditLayout, device: str | torch.device) -> None:
        self._rates = torch.zeros(layout.num_envs, len(layout.reward_terms), dtype=torch.float64, device=device)
        self._others = torch.zeros(layout.num_envs, 4, dtype=torch.float64, device=device)

    def add(self, block: Block) -> Episodes:
        """Advance by a block."""
        rates = _running(self._rates, block.rates, block.ended)
        single = (block.reward, block.lin_vel_error, block.yaw_rate_error, block.valid.to(torch.float64))
        reward, lin_vel_error, yaw_rate_error, steps = _running(
            self._others, torch.stack(single, dim=2), block.ended
        ).unbind(dim=2)
        ended = block.valid & block.ended
        whole = ended & (steps == block.episode_steps)
        return Episodes(rates, reward, lin_vel_error, yaw_rate_error, steps, whole=whole, partial=ended & ~whole)

    def state_dict(self) -> dict[str, Any]:
        """The running sums."""
        return {"rates": self._rates.cpu().clone(), "others": self._others.cpu().clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        self._rates.copy_(state["rates"])
        self._others.copy_(state["others"])


def _running(carry: Tensor, values: Tensor, ended: Tensor) -> Tensor:
    """Sums since the last end before each row, (S, N, K); `carry` goes from before the first to after the last."""
    sums = torch.empty_like(values)
    goes_on = (~ended).unsqueeze(2)
    for value, keep, total in zip(values, goes_on, sums, strict=True):
        torch.add(value, carry, out=total)
        zeroed(total, keep, out=carry)
    return sums
