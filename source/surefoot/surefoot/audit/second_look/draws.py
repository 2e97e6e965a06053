"""Whether numbers look like independent uniform draws from their declared ranges.

A number outside of its range is a proof. Else three sums are looked at, each with a known distribution where the draws
are uniform and independent: the mean, the variance, and how much the means of moments vary, which is one n-th of the
variance for n independent environments and the whole variance where all have the same number.

Axis letters: N environments, K kinds of number.
"""

from collections.abc import Sequence

import torch
from scipy.special import chdtrc
from torch import Tensor

from surefoot.audit.accounts.sums import Sums

MAX_Z = 7.0
"""Standard errors: by chance 3 in 10^12 looks, so less than one run in 1,000 of 10,000 iterations and 100 columns."""
MIN_P = 1e-12
"""The same for sums of squares, whose tail is heavier than that of a normal distribution."""
MIN_COUNT = 64
"""Draws without which only numbers outside of their range are judged."""
SLACK = 1e-4
"""Share of the width, for rounding."""


class UniformDraws:
    """Sums over draws of K kinds of number.

    Args:
        names: What each is, for messages.
        low, high: Declared ranges; a range of one point asks for that very number. Shape (K,).
        device: Of the draws.
    """

    def __init__(
        self, names: Sequence[str], low: Sequence[float], high: Sequence[float], device: str | torch.device
    ) -> None:
        self.names = tuple(names)
        self._low = torch.tensor(low, dtype=torch.float64, device=device)
        width = torch.tensor(high, dtype=torch.float64, device=device) - self._low
        self._point = width <= 0
        self._unit = torch.where(self._point, 1.0, width)
        kinds = len(self.names)
        names_of_sums = ("count", "sum", "square", "below", "above", "shared", "moments", "grouped", "grouped_sum")
        self.sums = Sums(dict.fromkeys(names_of_sums, (kinds,)), device)

    def add(self, values: Tensor, rows: Tensor | None = None) -> None:
        """Take in the draws of one moment.

        Args:
            values: Shape (N, K).
            rows: Those that were drawn now; None means all. Shape (N,), bool.
        """
        if rows is None:
            self.add_moments((values,))
            return
        unit = (values.to(torch.float64) - self._low) / self._unit
        kept = rows.to(torch.float64).unsqueeze(1)
        unit = torch.where(kept > 0, unit, torch.where(self._point, 0.0, 0.5))  # finite, and inside
        sums, top = self.sums, torch.where(self._point, 0.0, 1.0)
        z = (unit - 0.5) * 12**0.5 * kept
        total, n = z.sum(dim=0), kept.sum()
        sums["count"].add_(n)
        sums["sum"].add_(total)
        sums["square"].add_(z.square().sum(dim=0))
        sums["below"].copy_(torch.maximum(sums["below"], (-unit).amax(dim=0)))
        sums["above"].copy_(torch.maximum(sums["above"], (unit - top).amax(dim=0)))
        together = (n > 1).to(torch.float64)
        sums["shared"].add_(together * total.square() / n.clamp(min=1))
        sums["moments"].add_(together)
        sums["grouped"].add_(together * n)
        sums["grouped_sum"].add_(together * total)

    def add_moments(self, moments: Sequence[Tensor]) -> None:
        """Take in the draws of several moments at once. Shape (any, K) each."""
        sizes = [len(values) for values in moments]
        if sum(sizes) == 0:
            return
        unit = (torch.cat(list(moments)).to(torch.float64) - self._low) / self._unit
        sums, top = self.sums, torch.where(self._point, 0.0, 1.0)
        z = (unit - 0.5) * 12**0.5
        sums["count"].add_(len(z))
        sums["sum"].add_(z.sum(dim=0))
        sums["square"].add_(z.square().sum(dim=0))
        sums["below"].copy_(torch.maximum(sums["below"], (-unit).amax(dim=0)))
        sums["above"].copy_(torch.maximum(sums["above"], (unit - top).amax(dim=0)))
        of_row = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes)).to(z.device)
        totals = torch.zeros(len(sizes), z.shape[1], dtype=z.dtype, device=z.device).index_add_(0, of_row, z)
        n = torch.tensor(sizes, dtype=z.dtype, device=z.device).unsqueeze(1)
        together = (n > 1).to(z.dtype)
        sums["shared"].add_((together * totals.square() / n.clamp(min=1)).sum(dim=0))
        sums["moments"].add_(together.sum())
        sums["grouped"].add_((together * n).sum())
        sums["grouped_sum"].add_((together * totals).sum(dim=0))

    def judge(self, flat: Tensor) -> list[tuple[str, str]]:
        """Name and what is wrong, from a host copy of `sums.flat`."""
        columns = {name: value.tolist() for name, value in self.sums.unpack(flat).items()}
        low, unit, point = self._low.tolist(), self._unit.tolist(), self._point.tolist()
        found: list[tuple[str, str]] = []
        for index, name in enumerate(self.names):
            one = {key: value[index] for key, value in columns.items()}
            high = low[index] if point[index] else low[index] + unit[index]
            declared = f"declared {low[index]:g} to {high:g}"
            if text := _judge(one, point[index], low[index], unit[index]):
                found.append((name, f"{text} ({declared})"))
        return found


def _judge(one: dict[str, float], point: bool, low: float, unit: float) -> str:
    n = one["count"]
    if n == 0:
        return ""
    if max(one["below"], one["above"]) > SLACK:
        far = low - one["below"] * unit if one["below"] > one["above"] else low + (one["above"] + (not point)) * unit
        return f"{far:.3g} was seen, outside of the range"
    if point or n < MIN_COUNT:
        return ""
    if one["square"] / n < 1e-6 + (one["sum"] / n) ** 2:
        return f"all {n:.0f} draws are {low + (0.5 + one['sum'] / n / 12**0.5) * unit:.3g}"
    # Before the mean: where all environments share a draw, the mean is that of a few draws and not of many.
    middle, moments = one["sum"] / n, one["moments"] - 1
    shared = one["shared"] - 2 * middle * one["grouped_sum"] + middle**2 * one["grouped"]
    if moments > 0 and float(chdtrc(moments, max(shared, 0.0))) < MIN_P:
        return (
            f"environments share their draws: means of {one['moments']:.0f} moments vary {shared / moments:.3g} times "
            "as much as those of independent ones"
        )
    mean, spread = one["sum"] / n**0.5, (one["square"] - n) / (0.8 * n) ** 0.5
    if abs(mean) > MAX_Z:
        return (
            f"mean {low + (0.5 + one['sum'] / n / 12**0.5) * unit:.3g} of {n:.0f} draws, "
            f"{abs(mean):.0f} standard errors from the middle of the range"
        )
    if abs(spread) > MAX_Z:
        return f"standard deviation {(one['square'] / n) ** 0.5:.2f} times that of the range, over {n:.0f} draws"
    return ""
