"""Randomisation: labels of buckets, fresh draws, their spread, and the model in the simulator."""

import math
from typing import Any

import torch
from torch import Tensor

from surefoot.audit.alerts.alerts import Finding
from surefoot.audit.second_look.draws import UniformDraws
from surefoot.audit.second_look.look import TOLERANCE, Look, few


class FactorsLook(Look):
    """Values of the randomisation factors."""

    of_one_iteration = ("bucket", "stale_factor")

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self.shapes = {"bucket": (), "stale_factor": (len(env.buckets.values),)}
        self.model: tuple[tuple[str, ...], Tensor] | None = None
        """Of the last look: what the simulator's model holds that it should not."""
        self._limits = _intervals(self._manifest, env)
        factors = self._manifest.randomization.factors
        # Delays are whole numbers, which do not fill their intervals evenly.
        self._spread_names = [
            name
            for name in self._env.buckets.values
            if factors[name].edges[0] < factors[name].edges[-1] and not name.endswith("_delay")
        ]
        self._edges = {
            name: torch.tensor(factors[name].edges, dtype=torch.float64, device=self._device)
            for name in self._spread_names
        }
        if self._spread_names:
            count = len(self._spread_names)
            self.draws["factor"] = UniformDraws(self._spread_names, [0.0] * count, [1.0] * count, self._device)

    def begin(self) -> None:
        self._episode = self._env.streams.episode.clone()
        self._values = {name: value.clone() for name, value in self._env.buckets.values.items()}

    def look(self) -> None:
        """At the last step of an iteration."""
        env, sums = self._env, self.sums
        begun = env.streams.episode != self._episode
        outside = torch.zeros_like(begun)
        for index, (name, value) in enumerate(env.buckets.values.items()):
            if name in self._limits:
                low, high = (edge[env.buckets.ids] for edge in self._limits[name])
                outside |= (value < low - 1e-4) | (value > high + 1e-4)
            factor = self._manifest.randomization.factors[name]
            drawn_anew = factor.mode == "reset" and factor.edges[0] < factor.edges[-1] and not name.endswith("_delay")
            if drawn_anew:  # a delay is a whole number and may well come twice
                sums["stale_factor"][index] += (begun & (value == self._values[name])).sum()
            self._values[name].copy_(value)
        sums["bucket"].add_(outside.sum())
        self._episode.copy_(env.streams.episode)
        self.model = env.model_deviations()
        if self._spread_names:
            columns = [_quantile(env.buckets.values[name], self._edges[name]) for name in self._spread_names]
            self.draws["factor"].add(torch.stack(columns, dim=1))

    def silent(self) -> dict[str, str]:
        """Kinds that have not been judged, and why."""
        if self._env.model_deviations() is not None:
            return {}
        return {"factor_value": "this engine's model cannot be read back while it runs"}

    def findings(self, sums: dict[str, Tensor], looks: int) -> list[Finding]:
        found: list[Finding] = []
        if (rows := float(sums["bucket"])) > 0:
            names = ", ".join(self._limits)
            text = (
                f"{rows:.0f} environments have values of {names} outside of the intervals that their "
                f"bucket's label names"
            )
            found.append(Finding("bucket_label", "bucket", text))
        for name, rows in zip(self._env.buckets.values, sums["stale_factor"].tolist(), strict=True):
            if rows > 0:
                text = f"{rows:.0f} new episodes kept the value of the episode before; it should be drawn for each"
                found.append(Finding("factor_draws", name, text))
        return found

    def of_model(self, off: list[float]) -> list[Finding]:
        """What the deviations of the last look, on the host, say."""
        if self.model is None:
            return []
        text = "in the simulator differs from the robot definition with the recorded factors by {:.2g} of its size"
        found = [
            Finding("factor_value", name, text.format(share))
            for name, share in zip(self.model[0], off, strict=True)
            if not share <= TOLERANCE
        ]
        self.model = None
        return few(found)


def _quantile(values: Tensor, edges: Tensor) -> Tensor:
    """Where a value stands among intervals that are equally likely, 0 to 1; outside of them below 0 or above 1."""
    index = (torch.searchsorted(edges, values.double().contiguous(), right=True) - 1).clamp(0, len(edges) - 2)
    return (index + (values - edges[index]) / (edges[index + 1] - edges[index])) / (len(edges) - 1)


def _intervals(manifest: Any, env: Any) -> dict[str, tuple[Tensor, Tensor]]:
    """Lower and upper edge of each bucket's interval, by factor in its label. Shape (B,) each."""
    names = [name for name in manifest.randomization.bucket_by]
    factors = manifest.randomization.factors
    radices = [factors[name].num_intervals if name in factors else len(env.ground.layout.classes) for name in names]
    ids = torch.arange(math.prod(radices), device=env.device)
    found: dict[str, tuple[Tensor, Tensor]] = {}
    for place, name in enumerate(names):
        if name not in factors:
            continue
        index = ids // math.prod(radices[place + 1 :]) % radices[place]
        edges = torch.tensor(factors[name].edges, device=env.device)
        found[name] = (edges[index], edges[index + 1])
    return found
