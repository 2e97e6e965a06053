"""Running sums of each environment's episode, read where it ends."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from surefoot.audit.accounts.block import Block
from surefoot.audit.accounts.step import AuditLayout


@dataclass(frozen=True)
class Episodes:
    """The ends of episodes in a block, faults included.

    On a CPU there is one row for each end. Elsewhere the number of ends is not known without waiting for the device:
    there every row of the block has one, and the flags say which are ends. Axis letter: E rows.
    """

    index: Tensor
    """Row of the block, step by step: s * N + n. Shape (E,), int64."""
    rates: Tensor
    """Sum over the episode's steps of weight * term, per second, float64. Shape (E, T)."""
    reward: Tensor
    """Sum of what PPO received: the return. Shape (E,)."""
    lin_vel_error: Tensor
    """Sum over steps, m/s. Shape (E,)."""
    yaw_rate_error: Tensor
    """Sum over steps, rad/s. Shape (E,)."""
    moving: Tensor
    """Steps under a command to move, float64. Shape (E,)."""
    steps: Tensor
    """Steps that were seen, float64. Shape (E,)."""
    bucket: Tensor
    """Bucket of the last step. Shape (E,), int64."""
    failed: Tensor
    """Ended by failure, valid. Shape (E,), bool."""
    timed_out: Tensor
    """Ended by time-out and not by failure, valid. Shape (E,), bool."""
    whole: Tensor
    """A valid end of an episode whose steps were all seen and valid. Shape (E,), bool."""
    partial: Tensor
    """A valid end of an episode whose beginning was not seen. Shape (E,), bool."""

    def rows(self, mask: Tensor, num_buckets: int) -> Tensor:
        """Bucket of each row in `mask`, `num_buckets` elsewhere: an index for `add_by_bucket`. Shape (E,)."""
        return torch.where(mask, self.bucket, num_buckets)

    def of(self, values: Tensor) -> Tensor:
        """Values of a block, shape (S, N, ...), at the ends. Shape (E, ...)."""
        return values.flatten(0, 1)[self.index]


class EpisodeTracker:
    """One row of running sums per environment. A fault ends an episode that then counts nowhere.

    Args:
        layout: Axes.
        device: Of the tensors.
        compact: One row for each end.
    """

    def __init__(self, layout: AuditLayout, device: str | torch.device, compact: bool) -> None:
        self._terms = len(layout.reward_terms)
        self._sums = torch.zeros(layout.num_envs, self._terms + 5, dtype=torch.float64, device=device)
        self._compact = compact

    def add(self, block: Block) -> Episodes:
        """Advance by a block."""
        moving = (block.is_moving & block.valid).to(torch.float64)
        single = (block.reward, block.lin_vel_error, block.yaw_rate_error, moving, block.valid.to(torch.float64))
        others = torch.stack(single, dim=2)
        index, sums = (self._ends if self._compact else self._every_row)(block, others)
        reward, lin_vel_error, yaw_rate_error, moving, steps = sums[:, self._terms :].unbind(dim=1)
        failed, timed_out, bucket, length = (
            values.flatten()[index] for values in (block.failed, block.timed_out, block.bucket, block.episode_steps)
        )
        ended = failed | timed_out
        whole = ended & (steps == length)
        return Episodes(
            index=index,
            rates=sums[:, : self._terms],
            reward=reward,
            lin_vel_error=lin_vel_error,
            yaw_rate_error=yaw_rate_error,
            moving=moving,
            steps=steps,
            bucket=bucket,
            failed=failed,
            timed_out=timed_out,
            whole=whole,
            partial=ended & ~whole,
        )

    def _advance(self, rates: Tensor, others: Tensor) -> None:
        self._sums[:, : self._terms].add_(rates)
        self._sums[:, self._terms :].add_(others)

    def _ends(self, block: Block, others: Tensor) -> tuple[Tensor, Tensor]:
        """Rows that end, and their sums."""
        num_envs = len(self._sums)
        index: list[Tensor] = []
        sums: list[Tensor] = []
        for step, (rates, other, ended) in enumerate(zip(block.rates, others, block.ended, strict=True)):
            self._advance(rates, other)
            env_ids = ended.nonzero().squeeze(1)
            if len(env_ids) > 0:
                index.append(env_ids + step * num_envs)
                sums.append(self._sums[env_ids])
                self._sums[env_ids] = 0.0
        if not index:
            return torch.zeros(0, dtype=torch.int64), self._sums[:0]
        return torch.cat(index), torch.cat(sums)

    def _every_row(self, block: Block, others: Tensor) -> tuple[Tensor, Tensor]:
        """All rows, and the sums since the last end before each."""
        sums = torch.empty(*block.valid.shape, self._sums.shape[1], dtype=torch.float64, device=self._sums.device)
        for rates, other, ended, total in zip(block.rates, others, block.ended.unsqueeze(2), sums, strict=True):
            self._advance(rates, other)
            total.copy_(self._sums)
            self._sums.masked_fill_(ended, 0.0)
        index = torch.arange(block.valid.numel(), device=self._sums.device)
        return index, sums.flatten(0, 1)

    def state_dict(self) -> dict[str, Any]:
        """The running sums."""
        return {"sums": self._sums.cpu().clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        self._sums.copy_(state["sums"])
