"""Buckets of quantities that nobody declared in advance: each is cut where its first values say.

What a simulator holds (a mass, a friction, a level of terrain) is read once, cut into intervals, and read again
whenever something may have written it; so the id of an environment is always that of what was simulated.

Axis letters: N environments, B buckets.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from surefoot.audit.accounts.factor_values import factor_metrics
from surefoot.audit.accounts.metrics import Flush

INTERVALS = 3
"""Of a quantity that varies, as long as `MOST_BUCKETS` allows."""
MOST_BUCKETS = 64
"""More buckets than this have too few episodes each to be compared."""


class BucketSource(Protocol):
    """Where the bucket of each environment comes from."""

    labels: tuple[str, ...]
    """One for each id."""
    ids: Tensor
    """Bucket in force, always the same tensor. Shape (N,), int64."""
    edges: Mapping[str, tuple[float, ...]]
    """Of the quantities that buckets are made of, in their units."""
    values: dict[str, Tensor]
    """Values in force, by quantity, classes left out. Shape (N,) each."""
    terrain_classes: tuple[str, ...]
    """Of generated ground; empty without it."""
    fixed: bool
    """No environment ever changes its bucket."""
    notes: tuple[str, ...]
    """Sentences about what could not be told apart."""

    def refresh(self) -> None:
        """Make `ids` and `values` those of the step whose rewards come next."""
        ...

    def metrics(self) -> Flush:
        """What the end of an iteration has to say of the values, on the host."""
        ...

    def release(self) -> None:
        """Give back whatever was taken hold of."""
        ...


@dataclass(frozen=True)
class Quantity:
    """One number of each environment that may differ between them."""

    name: str
    unit: str
    """SI, `-` for none."""
    read: Callable[[], Tensor]
    """The value in force. Shape (N,)."""
    changes: bool
    """It may be written again after the start."""
    classes: tuple[str, ...] = ()
    """Where the value is the number of a class: their names, one bucket digit each."""
    edges: tuple[float, ...] = ()
    """Inner edges that are known in advance; by default they come from the first values."""


@dataclass(frozen=True)
class _Cut:
    quantity: Quantity
    edges: tuple[float, ...]
    """Inner edges, rising: interval k holds edge k-1 <= value < edge k. Empty for classes."""
    labels: tuple[str, ...]

    def digit(self, values: Tensor) -> Tensor:
        if self.quantity.classes:
            return values.long()
        edges = torch.tensor(self.edges, dtype=torch.float64, device=values.device)
        return torch.bucketize(values.to(torch.float64), edges, right=True)


class ValueBuckets:
    """A `BucketSource` over quantities; a subclass says when they have to be read again.

    Args:
        quantities: In order of importance: where there would be too many buckets, the last ones are left out.
        num_envs: N.
        device: Of `ids`, and of what the quantities read.
        terrain_classes: See `BucketSource`.
        notes: Sentences that come before those of this class.
    """

    def __init__(
        self,
        quantities: Sequence[Quantity],
        num_envs: int,
        device: str | torch.device = "cpu",
        terrain_classes: tuple[str, ...] = (),
        notes: Sequence[str] = (),
    ) -> None:
        self.terrain_classes = terrain_classes
        first = {quantity.name: quantity.read() for quantity in quantities}
        self._cuts, said = _chosen(quantities, first)
        self.notes: tuple[str, ...] = (*notes, *said)
        combinations = itertools.product(*(cut.labels for cut in self._cuts))
        self.labels: tuple[str, ...] = tuple(" | ".join(parts) for parts in combinations) if self._cuts else ("all",)
        self.edges: Mapping[str, tuple[float, ...]] = {cut.quantity.name: cut.edges for cut in self._cuts if cut.edges}
        self.fixed = not any(cut.quantity.changes for cut in self._cuts)
        self._held = {cut.quantity.name: first[cut.quantity.name].clone() for cut in self._cuts}
        numbers = (cut.quantity.name for cut in self._cuts if not cut.quantity.classes)
        self.values: dict[str, Tensor] = {name: self._held[name] for name in numbers}
        self.ids = torch.zeros(num_envs, dtype=torch.int64, device=device)
        self._number()

    def read_again(self, names: Sequence[str] | None = None) -> None:
        """Take over the values that are now in force.

        Args:
            names: Quantities that may have changed; default: all that can.
        """
        for cut in self._cuts:
            name = cut.quantity.name
            if cut.quantity.changes and (names is None or name in names):
                self._held[name].copy_(cut.quantity.read())
        self._number()

    def _number(self) -> None:
        self.ids.zero_()
        for cut in self._cuts:
            self.ids.mul_(len(cut.labels)).add_(cut.digit(self._held[cut.quantity.name]))

    def refresh(self) -> None:
        """See `BucketSource`; here everything that can change is read."""
        self.read_again()

    def metrics(self) -> Flush:
        """Mean, smallest and largest value of each quantity."""
        return factor_metrics(self.values)

    def release(self) -> None:
        """Nothing was taken hold of."""


def _chosen(quantities: Sequence[Quantity], first: Mapping[str, Tensor]) -> tuple[list[_Cut], list[str]]:
    """What buckets are made of, and sentences about the rest."""
    notes: list[str] = []
    usable: list[Quantity] = []
    same: list[str] = []
    for quantity in quantities:
        values = first[quantity.name]
        if not bool(torch.isfinite(values).all()):
            notes.append(f"{quantity.name} is not a finite number in every environment, so it makes no buckets.")
        elif not quantity.changes and bool((values == values[0]).all()):
            same.append(_shown(quantity, values[0].item()))
        else:
            usable.append(quantity)
    if same:
        notes.append(f"Every environment has the same {', '.join(same)}, so there is nothing to tell apart.")
    intervals = INTERVALS
    while intervals > 1:
        cuts = [_cut(quantity, first[quantity.name], intervals) for quantity in usable]
        if math.prod(len(cut.labels) for cut in cuts) <= MOST_BUCKETS:
            return cuts, notes
        intervals -= 1
    cuts = []
    left_out: list[str] = []
    for quantity in usable:
        cut = _cut(quantity, first[quantity.name], 2)
        fits = math.prod(len(other.labels) for other in (*cuts, cut)) <= MOST_BUCKETS
        if fits:
            cuts.append(cut)
        else:
            left_out.append(quantity.name)
    notes.append(
        f"More than {MOST_BUCKETS} buckets would have too few episodes each, so {', '.join(left_out)} "
        f"{'makes' if len(left_out) == 1 else 'make'} none; name the quantities that matter with bucket_by."
    )
    return cuts, notes


def _cut(quantity: Quantity, values: Tensor, intervals: int) -> _Cut:
    if quantity.classes:
        return _Cut(quantity, (), quantity.classes)
    host = values.detach().to("cpu", torch.float64)
    nominal = host[0].item()
    same = not quantity.edges and bool((host == nominal).all())
    edges = quantity.edges or (_around(nominal) if same else _edges(host, intervals))
    if same:
        at = f"{nominal:.6g}"
        parts = [f"below {at}", f"at {at}", f"above {at}"]
    else:
        between = "-" if min(edges[0], float(host.min())) >= 0 else " to "
        pairs = itertools.pairwise(edges)
        inner = [f"{low:.6g}{between}{high:.6g}" for low, high in pairs]
        parts = [f"below {edges[0]:.6g}", *inner, f"from {edges[-1]:.6g}"]
    unit = "" if quantity.unit == "-" else f" {quantity.unit}"
    return _Cut(quantity, tuple(edges), tuple(f"{quantity.name} {part}{unit}" for part in parts))


def _edges(values: Tensor, intervals: int) -> tuple[float, ...]:
    """Inner edges that put about as many environments into each interval.

    Args:
        values: On the host, float64, finite, not all the same. Shape (N,).
        intervals: At least 2.
    """
    distinct = torch.unique(values)
    if len(distinct) <= intervals:
        cuts = (distinct[1:] + distinct[:-1]) / 2
    else:
        cuts = torch.quantile(values, torch.arange(1, intervals, dtype=torch.float64) / intervals)
    # Readable numbers, rounded to far less than the values differ by.
    step = 10.0 ** math.floor(math.log10((distinct[-1] - distinct[0]).item() / 50))
    rounded = sorted({round(round(cut / step) * step, 12) for cut in cuts.tolist()})
    occupied = torch.bucketize(values, torch.tensor(rounded, dtype=torch.float64), right=True).unique()
    if len(occupied) < 2:
        return ((distinct[0].item() + distinct[-1].item()) / 2,)
    return tuple(rounded)


def _around(nominal: float) -> tuple[float, float]:
    """Of what is the same everywhere and may change later: below, there (up to rounding), and above."""
    rounding = max(1e-5 * abs(nominal), 1e-9)
    return nominal - rounding, nominal + rounding


def _shown(quantity: Quantity, value: float) -> str:
    unit = "" if quantity.unit == "-" else f" {quantity.unit}"
    return f"{quantity.name} ({quantity.classes[int(value)] if quantity.classes else f'{value:.6g}{unit}'})"
