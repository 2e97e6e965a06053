"""What every account has in common."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor

from surefoot.audit.accounts.block import Block
from surefoot.audit.accounts.episodes import Episodes
from surefoot.audit.accounts.metrics import Flush
from surefoot.audit.accounts.sums import Sums


class Account(ABC):
    """Adds up blocks of steps on the device, and turns an iteration's sums into metrics on the host."""

    def __init__(self, shapes: dict[str, tuple[int, ...]], device: str | torch.device) -> None:
        self.sums = Sums(shapes, device)

    @abstractmethod
    def add(self, block: Block, episodes: Episodes) -> None:
        """Add a block. Nothing here may wait for the device."""

    def metrics(self, sums: dict[str, Tensor]) -> Flush:
        """Metrics of an iteration, from its sums on the host. Not called where `report` is overridden."""
        return {}

    def report(self, values: Tensor) -> Flush:
        """Metrics of an iteration, from the host's copy of `pending`. Called once per iteration, in order."""
        return self.metrics(self.sums.unpack(values))

    def pending(self) -> Tensor:
        """What `report` needs of this iteration, on the device, float64. Shape (any,)."""
        return self.sums.flat

    def clear(self) -> None:
        """Begin a new iteration."""
        self.sums.flat.zero_()

    def state_dict(self) -> dict[str, Any]:
        """Everything that later metrics depend on, on the host."""
        return {"sums": self.sums.flat.cpu().clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        self.sums.flat.copy_(state["sums"])
