"""Running sums of each environment's episode, read where it ends."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from surefoot.audit.block import Block
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
        self._terms = len(layout.reward_terms)
        self._running = torch.zeros(layout.num_envs, self._terms + 4, dtype=torch.float64, device=device)

    def add(self, block: Block) -> Episodes:
        """Advance by a block."""
        single = (block.reward, block.lin_vel_error, block.yaw_rate_error, block.valid.to(torch.float64))
        values = torch.cat((block.rates, torch.stack(single, dim=2)), dim=2)
        ended = block.ended.unsqueeze(2)
        running = self._running
        for now, end in zip(values, ended, strict=True):
            now += running
            running.copy_(now).masked_fill_(end, 0.0)
        steps = values[..., self._terms + 3]
        whole = block.valid & block.ended & (steps == block.episode_steps)
        return Episodes(
            rates=values[..., : self._terms],
            reward=values[..., self._terms],
            lin_vel_error=values[..., self._terms + 1],
            yaw_rate_error=values[..., self._terms + 2],
            steps=steps,
            whole=whole,
            partial=block.valid & block.ended & ~whole,
        )

    def state_dict(self) -> dict[str, Any]:
        """The running sums."""
        return {"running": self._running.cpu().clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        self._running.copy_(state["running"])
