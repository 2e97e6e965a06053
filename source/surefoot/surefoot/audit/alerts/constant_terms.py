"""Reward terms that give every environment one value: a mean over environments where a value of each was meant.

Three things look like it and are not. A term that is 0 everywhere, as a joint limit that nobody touches, is not looked
at. A bonus for being alive has one value that does not change. A weight that a curriculum changes makes such a bonus
rise or fall, but not both. What is left, a shared value that goes up and down, is a mistake.

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

TOLERANCE = 1e-6
"""Relative difference that counts as none; a float32 has 24 bits."""
TINY = 1e-9
"""1/s; a rate below this is 0."""

NONZERO_STEPS = define(
    "constant/nonzero_steps", "-", "steps in which the term is not 0 in some valid environment", axes=("term",)
)
SHARED_STEPS = define(
    "constant/shared_steps", "-", "non-zero steps in which all valid environments have one value", axes=("term",)
)
TURNS = define(
    "constant/turns",
    "-",
    "the smaller of: steps in which the shared value rose, steps in which it fell, against the step before",
    axes=("term",),
)


class ConstantTerms(Account):
    """Counts the steps in which a term has no spread over environments, and how its shared value moves."""

    def __init__(self, layout: AuditLayout, device: str | torch.device) -> None:
        terms = len(layout.reward_terms)
        super().__init__({name: (terms,) for name in ("nonzero", "shared", "rises", "falls")}, device)
        self._last = torch.full((1, terms), torch.nan, dtype=torch.float64, device=device)

    def add(self, block: Block, episodes: Episodes) -> None:
        if block.clean:
            high, low = block.rates.amax(dim=1), block.rates.amin(dim=1)
        else:
            invalid = ~block.valid.unsqueeze(2)
            high = block.rates.masked_fill(invalid, -torch.inf).amax(dim=1)
            low = block.rates.masked_fill(invalid, torch.inf).amin(dim=1)
        size = torch.maximum(high.abs(), low.abs())
        nonzero = (size > TINY) & block.valid.any(dim=1, keepdim=True)
        shared = nonzero & (high - low <= TOLERANCE * size)
        value = torch.where(shared, high, torch.nan)  # a comparison with NaN is false: a gap is no turn
        before = torch.cat((self._last, value[:-1]))
        threshold = TOLERANCE * before.abs()
        self._last.copy_(value[-1:])
        counts = {
            "nonzero": nonzero,
            "shared": shared,
            "rises": value - before > threshold,
            "falls": before - value > threshold,
        }
        for name, steps in counts.items():
            self.sums[name].add_(steps.sum(dim=0))

    def report(self, values: Tensor) -> Flush:
        sums = self.sums.unpack(values)
        return {
            NONZERO_STEPS: sums["nonzero"],
            SHARED_STEPS: sums["shared"],
            TURNS: torch.minimum(sums["rises"], sums["falls"]),
        }

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"last": self._last.cpu().clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._last.copy_(state["last"])
