"""Leaks by value: an actor observation that is a copy of something that no robot can measure, whatever it is called.

Once per iteration every actor column is regressed on every privileged column over the environments. A copy, scaled and
shifted as may be, leaves nothing unexplained but rounding and the observation noise that was declared. A quantity that
is only related leaves more: a gyro about the body's axis against the yaw rate about the vertical, a velocity against
the command that it follows. Noise can hide the difference: then a measurable column that explains the observation as
well takes the blame away.

Not evidence, for or against: columns without spread; columns whose spread comes from a few environments, where any two
flags agree; columns that are mostly noise. Not found: delayed copies, sums of several columns, non-linear functions.

Axis letters: N environments, A actor columns, P privileged columns, M measurable columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from surefoot.audit.accounts.metrics import Flush, define
from surefoot.manifest.diagnostics import LeakAudit

SMALLEST_RESIDUAL = define(
    "leak/smallest_residual",
    "-",
    "smallest share of an actor column's variance over environments, less the variance of its declared noise, that a "
    "privileged column leaves unexplained by an affine map, of all pairs with enough spread; NaN without such a pair",
)
LEAKS = define("leak/columns", "-", "actor columns that were a copy of a privileged one for `patience` looks in a row")

NOISE_MARGIN = 4.0
"""The variance of noise drawn N times may differ from the declared one by this share, divided by sqrt(N)."""
FLAT = 1e-6
"""A column is flat if its standard deviation is below this share of its mean: only rounding differs."""
MIN_SIGNAL = 1.0
"""A column is looked at if its variance without noise is at least this many times the noise's."""
MEASURABLE_MARGIN = 1.5
"""A measurable column excuses a pair if its residual is up to this many times the privileged one's."""


@dataclass(frozen=True)
class Leak:
    """An actor column and the privileged column that it copies."""

    observation: str
    privileged: str
    residual: float
    """Share of variance that the copy leaves unexplained, noise included."""


class LeakDetector:
    """Looks at one batch per iteration.

    Args:
        observations: Names of the actor's columns.
        privileged: Names of the privileged columns.
        config: Thresholds.
        device: Of the matrices.
        noise_std: Standard deviation of the noise that is added to each actor column; default none. Shape (A,).
    """

    def __init__(
        self,
        observations: Sequence[str],
        privileged: Sequence[str],
        config: LeakAudit,
        device: str | torch.device,
        noise_std: Tensor | None = None,
    ) -> None:
        self._names = (tuple(observations), tuple(privileged))
        self._config = config
        shape = (len(observations), len(privileged))
        noise = torch.zeros(shape[0]) if noise_std is None else noise_std
        self._noise = noise.to(device=device, dtype=torch.float64).square()
        self._streak = torch.zeros(shape, dtype=torch.int64, device=device)
        self._residual = torch.full(shape, torch.inf, dtype=torch.float64, device=device)
        self._smallest = torch.tensor(torch.nan, dtype=torch.float64, device=device)

    def observe(self, actor: Tensor, privileged: Tensor, measurable: Tensor | None = None) -> None:
        """Look at one batch; nothing is read on the host.

        Args:
            actor: What the policy was given, noise included, before any normalisation. Shape (N, A).
            privileged: Of the same instant, without noise. Shape (N, P).
            measurable: What a robot can measure, of the same instant, without noise. Shape (N, M).
        """
        parts = [actor, privileged] if measurable is None else [actor, privileged, measurable]
        # Rows are masked and not chosen: how many are left would have to be read on the host.
        rows = torch.stack([torch.isfinite(part).all(dim=1) for part in parts]).all(dim=0)
        seen, hidden = _centred(actor, rows), _centred(privileged, rows)
        count = rows.sum().clamp(min=1)
        variance = seen.square().sum(dim=0) / count
        signal = variance - self._noise
        residual = _residual(seen, hidden)
        clear = (signal > 0) & (signal >= MIN_SIGNAL * self._noise)
        spread = _varied_envs(seen) >= self._config.min_envs
        evidence = (clear & spread).unsqueeze(1) & (_varied_envs(hidden) >= self._config.min_envs)

        unexplained = residual * variance.unsqueeze(1)
        excess = (unexplained - self._noise.unsqueeze(1)) / signal.unsqueeze(1)
        noise_share = (NOISE_MARGIN / count.sqrt() * self._noise / signal).unsqueeze(1)
        copy = excess <= self._config.max_residual + noise_share
        # Fields are related: what a measured one explains nearly as well need not have come from the privileged one.
        if measurable is not None:
            best = _residual(seen, _centred(measurable, rows)).amin(dim=1, keepdim=True)
            copy &= best > MEASURABLE_MARGIN * residual + self._config.max_residual
        # A batch without evidence neither continues a streak nor ends it.
        self._streak = torch.where(evidence, torch.where(copy, self._streak + 1, 0), self._streak)
        self._residual = torch.where(evidence, residual, self._residual)
        smallest = torch.where(evidence, excess, torch.inf).amin()
        self._smallest = torch.where(torch.isfinite(smallest), smallest, torch.nan)

    def found(self) -> list[Leak]:
        """Actor columns that have been a copy for `patience` batches with evidence in a row. Reads on the host."""
        streak, residual = self._streak.cpu(), self._residual.cpu()
        leaks: list[Leak] = []
        for column, name in enumerate(self._names[0]):
            copies = streak[column] >= self._config.patience
            if copies.any():
                source = int(torch.where(copies, residual[column], torch.inf).argmin())
                leaks.append(Leak(name, self._names[1][source], float(residual[column, source])))
        return leaks

    def metrics(self) -> Flush:
        """Metrics of the last batch. Reads on the host."""
        return {
            SMALLEST_RESIDUAL: self._smallest.cpu(),
            LEAKS: torch.tensor(float(len(self.found())), dtype=torch.float64),
        }

    def state_dict(self) -> dict[str, Any]:
        """How long each pair has been a copy."""
        return {"streak": self._streak.cpu().clone(), "residual": self._residual.cpu().clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        self._streak.copy_(state["streak"])
        self._residual.copy_(state["residual"])


def _centred(values: Tensor, rows: Tensor) -> Tensor:
    """Columns minus their mean over `rows`; 0 in the other rows and in flat columns. Float64."""
    kept = torch.where(rows.unsqueeze(1), values, 0.0).to(torch.float64)
    count = rows.sum().clamp(min=1)
    mean = kept.sum(dim=0) / count
    centred = torch.where(rows.unsqueeze(1), kept - mean, 0.0)
    flat = centred.square().sum(dim=0) <= count * (FLAT * mean).square()
    return torch.where(flat, 0.0, centred)


def _residual(seen: Tensor, other: Tensor) -> Tensor:
    """Share of each column's variance that each other column leaves unexplained; 1 where one has none."""
    product = seen.square().sum(dim=0).unsqueeze(1) * other.square().sum(dim=0)
    explained = (seen.T @ other).square() / torch.where(product > 0, product, 1.0)
    return (1.0 - explained).clamp(min=0)


def _varied_envs(centred: Tensor) -> Tensor:
    """Effective number of environments that make up each column's spread, (sum d^2)^2 / sum d^4; 0 in flat columns."""
    squares = centred.square()
    fourth = squares.square().sum(dim=0)
    return squares.sum(dim=0).square() / torch.where(fourth > 0, fourth, 1.0)
