"""Buckets: which combination of factor intervals each environment is in, and the values drawn inside.

Environment number n starts in bucket n modulo the number of buckets, so that counts differ by one at most. Intervals of
startup factors stay. Those of reset factors go round: with R combinations of them, environment n is in combination
(its own + episode) modulo R. So each environment meets every combination once in any R successive episodes, counts are
exact while episodes keep step, and neither the order of resets nor the number of environments changes anything.

A terrain class in `bucket_by` is a digit of the id that comes from outside: the class that an environment stands on.
The other factors' combinations are then numbered without it, and go round as above.

Axis letters: N environments, B buckets.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor

from surefoot.errors import EngineError, ManifestError
from surefoot.manifest.randomization import Randomization
from surefoot.manifest.terrain_classes import TERRAIN_CLASS
from surefoot.randomization.factors import FactorValues, columns_of, interval_label, unit_draws
from surefoot.randomization.streams import Streams


@dataclass(frozen=True)
class TerrainClasses:
    """Which class of ground each environment stands on, for good."""

    names: tuple[str, ...]
    ids: Tensor
    """Shape (N,), int64."""


class Buckets:
    """Bucket ids and factor values of a batch of environments.

    Args:
        randomization: Factors and `bucket_by`.
        streams: Keyed random numbers; its episode numbers are those that `resample` goes by.
        first_env: Number of this process's first environment among those of all processes.
        group: For evaluations: environments come in groups of so many neighbours, one command each. Then each factor's
            intervals are equally frequent within every group, up to one, and what is together is drawn, independently
            from group to group: no command goes with a bucket.
        imposed: Values in place of those that would be drawn, by factor, for every factor. Shape (N,) each.
        terrain: Needed where `bucket_by` names the terrain class.
    """

    def __init__(
        self,
        randomization: Randomization,
        streams: Streams,
        first_env: int = 0,
        group: int | None = None,
        imposed: dict[str, Tensor] | None = None,
        terrain: TerrainClasses | None = None,
    ) -> None:
        num_envs, device = streams.num_envs, streams.device
        self._streams = streams
        factors = randomization.factors
        self._factors = {name: FactorValues(name, factors[name], device) for name in sorted(factors)}
        self._bucket_by = randomization.bucket_by
        classes = terrain.names if terrain is not None else ()
        self._radices = tuple(
            len(classes) if name == TERRAIN_CLASS else factors[name].num_intervals for name in self._bucket_by
        )
        self._turning = tuple(
            group is None and name != TERRAIN_CLASS and factors[name].mode == "reset" for name in self._bucket_by
        )
        self.labels = bucket_labels(randomization, classes)
        """One for each bucket id."""
        self.has_reset_factors = any(factor.by_reset for factor in self._factors.values())
        if group is None:
            self._own = self._by_number(torch.arange(first_env, first_env + num_envs, device=device), terrain)
        else:
            self._own = self._drawn_in_groups(group, terrain)
        self.ids = self._own.clone()
        """Bucket of each environment in its running episode. Shape (N,), int64."""
        self.values: dict[str, Tensor] = {}
        """Values in force, by factor, each in its unit. Shape (N,)."""
        if imposed is not None:
            self.values = {name: imposed[name].to(device, self._factors[name].dtype) for name in self._factors}
            return
        everyone = torch.arange(num_envs, device=device)
        per_env, per_episode = (unit_draws(streams, everyone, by_reset) for by_reset in (False, True))
        for name, factor in self._factors.items():
            draws = per_episode if factor.by_reset else per_env
            self.values[name] = factor.pick(draws, self._interval(name, self.ids))

    def resample(self, env_ids: Tensor) -> None:
        """Draw the reset factors of the episodes that `env_ids` have just begun. Shape (n,)."""
        if not self.has_reset_factors:
            return
        ids = self._ids_in_episode(env_ids)
        self.ids[env_ids] = ids
        draws = unit_draws(self._streams, env_ids, per_episode=True)
        for name, factor in self._factors.items():
            if factor.by_reset:
                self.values[name][env_ids] = factor.pick(draws, self._interval(name, ids))

    def counts(self) -> Tensor:
        """Environments in each bucket. Shape (B,), int64."""
        counts = torch.zeros(len(self.labels), dtype=torch.int64, device=self.ids.device)
        return counts.scatter_add_(0, self.ids, torch.ones_like(self.ids))

    def to_plain(self) -> dict[str, Any]:
        """Labels, counts, ids and values as lists, for a log; waits for the device."""

        def listed(column: Tensor) -> list[Any]:
            return column.tolist()  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]

        return {
            "labels": list(self.labels),
            "counts": listed(self.counts()),
            "ids": listed(self.ids),
            "values": {name: listed(value) for name, value in self.values.items()},
        }

    def _by_number(self, env: Tensor, terrain: TerrainClasses | None) -> Tensor:
        """Bucket of each environment: the number modulo the combinations, the class's digit put in its place."""
        ids, stride = torch.zeros_like(env), 1
        for name, radix in zip(reversed(self._bucket_by), reversed(self._radices), strict=True):
            if name == TERRAIN_CLASS:
                assert terrain is not None
                digit = terrain.ids
            else:
                digit, env = env % radix, env // radix
            ids = ids + digit * stride
            stride *= radix
        return ids

    def _drawn_in_groups(self, group: int, terrain: TerrainClasses | None) -> Tensor:
        """Bucket of each environment; see `group`."""
        env = torch.arange(self._streams.num_envs, device=self._streams.device)
        head = env - env % group
        draws = unit_draws(self._streams, env, per_episode=False, stream="factors/groups")
        ids = torch.zeros_like(env)
        for name, radix in zip(self._bucket_by, self._radices, strict=True):
            if name == TERRAIN_CLASS:
                assert terrain is not None
                ids = ids * radix + terrain.ids
                continue
            order, offset = draws[:, columns_of(name)].double().unbind(dim=1)
            rank = (head + order).argsort().argsort() - head  # 0 to group - 1, shuffled
            ids = ids * radix + (rank + (offset[head] * radix).long()) % radix
        return ids

    def _interval(self, name: str, ids: Tensor) -> Tensor | None:
        if name not in self._bucket_by:
            return None
        position = self._bucket_by.index(name)
        stride = math.prod(self._radices[position + 1 :])
        return ids // stride % self._radices[position]

    def _ids_in_episode(self, env_ids: Tensor) -> Tensor:
        own = self._own[env_ids]
        turn = torch.zeros_like(own)  # combination of the reset factors' intervals
        for digit, radix, turns in zip(self._digits(own), self._radices, self._turning, strict=True):
            turn = turn * radix + digit if turns else turn
        combinations = math.prod(radix for radix, turns in zip(self._radices, self._turning, strict=True) if turns)
        turn = (turn + self._streams.episode[env_ids]) % combinations
        ids = torch.zeros_like(own)
        for digit, radix, turns in zip(self._digits(own), self._radices, self._turning, strict=True):
            if turns:
                combinations //= radix
                digit = turn // combinations % radix
            ids = ids * radix + digit
        return ids

    def _digits(self, ids: Tensor) -> list[Tensor]:
        strides = [math.prod(self._radices[position + 1 :]) for position in range(len(self._radices))]
        return [ids // stride % radix for stride, radix in zip(strides, self._radices, strict=True)]


def bucket_labels(randomization: Randomization, terrain_classes: Sequence[str] = ()) -> tuple[str, ...]:
    """Readable name of each bucket in the order of ids; a single `all` where nothing is bucketed."""
    if not randomization.bucket_by:
        return ("all",)
    intervals: list[Sequence[str]] = []
    for name in randomization.bucket_by:
        if name == TERRAIN_CLASS:
            intervals.append(terrain_classes)
        else:
            factor = randomization.factors[name]
            intervals.append([interval_label(name, factor, index) for index in range(factor.num_intervals)])
    return tuple(" | ".join(combination) for combination in product(*intervals))


def refuse_unsupported(randomization: Randomization, supported: Collection[str], engine: str) -> None:
    """Refuse a factor that an engine cannot write, before the engine is built.

    Raises:
        EngineError: Names the factor's key.
    """
    for name in randomization.factors:
        if name not in supported:
            raise EngineError(
                f"randomization.factors.{name}: engine {engine!r} has no such factor. It has "
                f"{', '.join(sorted(supported)) or 'none'}."
            )


def refuse_empty_buckets(randomization: Randomization, num_envs: int, terrain_columns: int = 1) -> None:
    """Training needs an environment in every bucket; evaluation and play may do with fewer.

    Args:
        randomization: Factors and `bucket_by`.
        num_envs: Of all processes together.
        terrain_columns: Columns of a generated terrain; only where `bucket_by` names its class do they count.

    Raises:
        ManifestError: More buckets than environments.
    """
    by_class = TERRAIN_CLASS in randomization.bucket_by
    needed = randomization.num_combinations * (terrain_columns if by_class else 1)
    if needed > num_envs:
        counts = {
            name: terrain_columns if name == TERRAIN_CLASS else randomization.factors[name].num_intervals
            for name in randomization.bucket_by
        }
        factors = " x ".join(f"{name} {count}" for name, count in counts.items())
        what = "combinations of buckets and terrain columns" if by_class else "buckets"
        raise ManifestError(
            f"{needed} {what} ({factors}) need at least as many environments, got {num_envs}: "
            f"{needed - num_envs} {what} would have none. Raise training.num_envs, use fewer "
            f"edges{' or terrain columns' if by_class else ''}, or name fewer factors.",
            key="randomization.bucket_by",
        )
