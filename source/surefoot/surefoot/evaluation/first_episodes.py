"""Which environments are still in their first episode, and how the others left it."""

import torch
from torch import Tensor


class Ends:
    """Watches every environment from its reset to its first end; later episodes are not seen.

    Args:
        num_envs: Environments.
        device: Where they live.
    """

    def __init__(self, num_envs: int, device: torch.device | str) -> None:
        self.steps = 0
        """Control steps so far."""
        self.lived = torch.zeros(num_envs, dtype=torch.long, device=device)
        """Control steps of each episode, the one that ended it included. Shape (num_envs,)."""
        self.running = torch.ones(num_envs, dtype=torch.bool, device=device)
        """Environments still in their first episode. Shape (num_envs,)."""
        self.failed = torch.zeros_like(self.running)
        self.truncated = torch.zeros_like(self.running)
        self.faulted = torch.zeros_like(self.running)

    def step(self, terminated: Tensor, truncated: Tensor, broken: Tensor) -> Tensor:
        """Take in one control step; a fault wins over a failure, a failure over a time-out. Shapes (num_envs,).

        Returns:
            Environments whose first episode failed in this step. Shape (num_envs,).
        """
        broken = self.running & broken
        fell = self.running & terminated & ~broken
        self.lived += self.running
        self.steps += 1
        self.faulted |= broken
        self.failed |= fell
        self.truncated |= self.running & truncated & ~terminated & ~broken
        self.running &= ~(terminated | truncated | broken)
        return fell
