"""Named float64 accumulators that lie in one flat tensor, so that one copy brings all of them to the host."""

import math
from typing import Any

import torch
from torch import Tensor

from surefoot.audit.accounts.state import check_state


class Sums:
    """Accumulators by name; `sums["count"]` is a view to add to.

    Float64: sums of float32 rates keep 29 bits for carries, so the order of addition hardly shows.

    Attributes:
        flat: All accumulators, one after the other, float64. Shape (size,).
    """

    def __init__(self, shapes: dict[str, tuple[int, ...]], device: str | torch.device) -> None:
        self._shapes = dict(shapes)
        self.flat = torch.zeros(sum(map(math.prod, shapes.values())), dtype=torch.float64, device=device)
        self._views = self.unpack(self.flat)

    def __getitem__(self, name: str) -> Tensor:
        return self._views[name]

    def unpack(self, flat: Tensor) -> dict[str, Tensor]:
        """Views of a tensor laid out like `flat`, by name."""
        sizes = [math.prod(shape) for shape in self._shapes.values()]
        parts = flat.split_with_sizes(sizes)
        return {name: part.view(shape) for (name, shape), part in zip(self._shapes.items(), parts, strict=True)}


class Window:
    """Sum of the last iterations' values, on the host."""

    def __init__(self, length: int, size: int) -> None:
        self._ring = torch.zeros(length, size, dtype=torch.float64)
        self._count = 0

    def push(self, values: Tensor) -> Tensor:
        """Add an iteration, drop the oldest beyond the length; returns the sum. Shape (size,)."""
        self._ring[self._count % len(self._ring)] = values
        self._count += 1
        return self._ring.sum(dim=0)

    def state_dict(self) -> dict[str, Any]:
        """All iterations that are still in the window."""
        return {"ring": self._ring.clone(), "count": self._count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken.

        Raises:
            ValueError: A window of another length or size; nothing is changed.
        """
        check_state(state, self.state_dict(), "window")
        self._ring.copy_(state["ring"])
        self._count = int(state["count"])
