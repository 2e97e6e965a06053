"""A few control steps kept together, so that the accounts run once for many steps and a step itself only copies.

Axis letters: S control steps of a block, and those of `surefoot.audit.accounts.step`.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from surefoot.audit.accounts.step import AuditLayout, AuditStep

MAX_STEPS = 8
MAX_ROWS = 2**16
"""S * N at most: the tables of 24 terms take about 100 MB."""


@dataclass(frozen=True)
class Block:
    """S consecutive control steps, oldest first. What an invalid row says is 0 here, never NaN."""

    rates: Tensor
    """weight * term, per second, float64. Shape (S, N, T)."""
    reward: Tensor
    """What PPO received, float64. Shape (S, N)."""
    lin_vel_error: Tensor
    """m/s, float64. Shape (S, N)."""
    yaw_rate_error: Tensor
    """rad/s, float64. Shape (S, N)."""
    lin_speed: Tensor
    """m/s, float64. Shape (S, N)."""
    is_moving: Tensor
    """The command asks for motion. Shape (S, N), bool."""
    action: Tensor
    """As the policy gave it. Shape (S, N, A)."""
    causes: Tensor
    """Termination causes that hold. Shape (S, N, C), bool."""
    fault: Tensor
    """Fault kinds that hold. Shape (S, N, F), bool."""
    bucket: Tensor
    """Bucket in force. Shape (S, N), int64."""
    episode_steps: Tensor
    """Control steps of the running episode. Shape (S, N), int64."""
    valid: Tensor
    """No fault. Shape (S, N), bool."""
    ended: Tensor
    """The episode ends with this row: failure, time-out or fault. Shape (S, N), bool."""
    failed: Tensor
    """A valid row that ends by failure. Shape (S, N), bool."""
    timed_out: Tensor
    """A valid row that ends by time-out and not by failure. Shape (S, N), bool."""
    clean: bool
    """Every row is valid, and it is known without waiting for the device; False says nothing."""

    def rows(self, mask: Tensor, num_buckets: int) -> Tensor:
        """Bucket of each row in `mask`, `num_buckets` elsewhere: an index for `add_by_bucket`. Shape (S * N,)."""
        return torch.where(mask, self.bucket, num_buckets).flatten()


def add_by_bucket(total: Tensor, rows: Tensor, values: Tensor) -> None:
    """Add each row's values to its bucket.

    Args:
        total: One slot per bucket, and a last one for rows that do not count. Shape (B + 1, ...).
        rows: From `Block.rows`. Shape (S * N,).
        values: Shape (S, N, ...).
    """
    if values.dtype == torch.bool:
        values = values.view(torch.uint8)  # converts to float64 four times as fast on a CPU
    total.index_add_(0, rows, values.flatten(0, 1).to(total.dtype))


def zeroed(values: Tensor, keep: Tensor, out: Tensor | None = None) -> Tensor:
    """Values where `keep` is True, 0 elsewhere, NaN or not: bits and a mask are five times as fast as a choice.

    Args:
        values: float32 or float64. Shape (...).
        keep: Broadcasts with `values`. Shape (...), bool.
        out: Where to write. Shape (...), of the same type as `values`.
    """
    integers = torch.int32 if values.dtype == torch.float32 else torch.int64
    mask = keep.to(integers).neg()  # all ones, or all zeros
    kept = torch.bitwise_and(values.view(integers), mask, out=None if out is None else out.view(integers))
    return kept.view(values.dtype)


class Scratch:
    """Room for what one block adds to a table, kept from block to block: new memory would have to be cleared.

    Args:
        shape: Of one row's numbers.
    """

    def __init__(self, *shape: int) -> None:
        self._shape = shape
        self._room = torch.empty(0)

    def rows(self, block: Block) -> Tensor:
        """Shape (S, N, ...), float64, with whatever was there."""
        steps, num_envs = block.valid.shape
        if len(self._room) < steps:
            self._room = torch.empty(steps, num_envs, *self._shape, dtype=torch.float64, device=block.valid.device)
        return self._room[:steps]


class StepBuffer:
    """Copies of the steps that the accounts have not seen yet.

    Args:
        layout: Axes.
        device: Of the tensors.
        look: Find out whether a block has an invalid row; on a GPU that would wait for the device.
    """

    def __init__(self, layout: AuditLayout, device: str | torch.device, look: bool) -> None:
        self._look = look
        self._steps = max(1, min(MAX_STEPS, MAX_ROWS // layout.num_envs))
        self._len = 0

        def new(*width: int, dtype: torch.dtype = torch.float32) -> Tensor:
            return torch.zeros(self._steps, layout.num_envs, *width, dtype=dtype, device=device)

        self._kept = {
            "rates": new(len(layout.reward_terms)),
            "reward": new(),
            "lin_vel_error": new(),
            "yaw_rate_error": new(),
            "lin_speed": new(),
            "is_moving": new(dtype=torch.bool),
            "action": new(layout.num_actions),
            "causes": new(len(layout.causes), dtype=torch.bool),
            "terminated": new(dtype=torch.bool),
            "truncated": new(dtype=torch.bool),
            "bucket": new(dtype=torch.int64),
            "episode_steps": new(dtype=torch.int64),
        }
        words = max(1, -(-len(layout.fault_kinds) // 8))  # flags are looked at eight by eight, as one integer
        padded = new(8 * words, dtype=torch.bool)
        self._kept["fault"] = padded[..., : len(layout.fault_kinds)]
        self._fault_words = padded.view(torch.int64).unbind(dim=2)

    def __len__(self) -> int:
        return self._len

    @property
    def full(self) -> bool:
        """No room for another step."""
        return self._len == self._steps

    def append(self, step: AuditStep) -> None:
        """Copy a step."""
        for name, kept in self._kept.items():
            kept[self._len].copy_(getattr(step, name))
        self._len += 1

    def take(self) -> Block:
        """The steps so far; the buffer is empty afterwards."""
        kept = {name: values[: self._len] for name, values in self._kept.items()}
        valid = torch.stack([words[: self._len] == 0 for words in self._fault_words]).all(dim=0)
        clean = self._look and bool(valid.all())
        self._len = 0

        def counted(name: str) -> Tensor:
            values = kept[name]
            return values.to(torch.float64) if clean else masked(values).to(torch.float64)

        def masked(values: Tensor) -> Tensor:
            return zeroed(values, valid if values.dim() == 2 else valid.unsqueeze(2))

        terminated, truncated = kept["terminated"], kept["truncated"]
        return Block(
            rates=counted("rates"),
            reward=counted("reward"),
            lin_vel_error=counted("lin_vel_error"),
            yaw_rate_error=counted("yaw_rate_error"),
            lin_speed=counted("lin_speed"),
            is_moving=kept["is_moving"],
            action=kept["action"] if clean else masked(kept["action"]),
            causes=kept["causes"],
            fault=kept["fault"],
            bucket=kept["bucket"],
            episode_steps=kept["episode_steps"],
            valid=valid,
            ended=terminated | truncated | ~valid,
            failed=terminated & valid,
            timed_out=truncated & ~terminated & valid,
            clean=clean,
        )
