"""Values of randomisation factors: which interval, and where inside it.

Axis letters: N environments.
"""

import torch
from torch import Tensor

from surefoot.manifest.factors import FACTORS
from surefoot.manifest.randomization import Factor
from surefoot.randomization.streams import Streams

_COLUMNS = {name: slice(2 * index, 2 * index + 2) for index, name in enumerate(FACTORS)}
"""Where each factor's two numbers stand in a draw: which factors a manifest has changes nobody's numbers."""


def unit_draws(streams: Streams, env_ids: Tensor, per_episode: bool, stream: str = "factors") -> Tensor:
    """Two numbers in [0, 1) for every factor there is. Shape (n, 2 * number of factors)."""
    return streams.uniform(stream, env_ids, 2 * len(FACTORS), per_episode=per_episode)


def columns_of(name: str) -> slice:
    """A factor's two numbers in `unit_draws`."""
    return _COLUMNS[name]


class FactorValues:
    """Turns a factor's two numbers into a value.

    The first number chooses the interval, unless the bucket fixes it, the second the place inside. So whether a factor
    is in `bucket_by` changes the interval, never the place inside.
    """

    def __init__(self, name: str, factor: Factor, device: str) -> None:
        self.by_reset = factor.mode == "reset"
        self._columns = _COLUMNS[name]
        self._intervals = factor.num_intervals
        self._whole = FACTORS[name].whole
        self.dtype = torch.int64 if self._whole else torch.float32
        edges = torch.tensor(factor.edges, dtype=torch.float32, device=device)
        self._low, self._high = edges[:-1], edges[1:].clone()
        if self._whole:  # whole numbers from low to high - 1; the last interval includes its upper edge
            self._high[-1] += 1

    def pick(self, draws: Tensor, interval: Tensor | None) -> Tensor:
        """Values from `unit_draws`.

        Args:
            draws: Shape (n, 2 * number of factors).
            interval: Interval of each environment, from 0; None draws it, all equally likely. Shape (n,).

        Returns:
            In the factor's unit; int64 for factors of whole numbers. Shape (n,).
        """
        unit = draws[:, self._columns]
        if interval is None:
            interval = (unit[:, 0] * self._intervals).long().clamp_(max=self._intervals - 1)
        low, high = self._low[interval], self._high[interval]
        value = low + (high - low) * unit[:, 1]
        if not self._whole:
            return torch.minimum(value, high)
        return torch.minimum(value.floor(), high - 1).long()


def interval_label(name: str, factor: Factor, index: int) -> str:
    """Readable name of an interval, such as `friction 0.4-0.6` or `payload_mass -0.5 to 0.3333 kg`."""
    kind = FACTORS[name]
    low, high = factor.edges[index], factor.edges[index + 1]
    if kind.whole and index < factor.num_intervals - 1:
        high -= 1
    between = "-" if min(factor.edges) >= 0 else " to "
    span = f"{low:g}" if low == high else f"{low:g}{between}{high:g}"
    return f"{name} {span}" + ("" if kind.unit == "-" else f" {kind.unit}")
