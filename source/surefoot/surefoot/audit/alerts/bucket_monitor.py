"""How each randomisation bucket fares, and whether one of them is exploited."""

from typing import Any

import torch
from torch import Tensor

from surefoot.audit.accounts.account import Account
from surefoot.audit.accounts.block import Block
from surefoot.audit.accounts.bucket_statistics import Spread, spread
from surefoot.audit.accounts.episodes import Episodes
from surefoot.audit.accounts.metrics import Flush, define
from surefoot.audit.accounts.step import AuditLayout
from surefoot.audit.accounts.success import successes
from surefoot.audit.accounts.sums import Window
from surefoot.manifest.audit import Audit

MIN_ENVS = 4
"""Environments without which a bucket is not compared."""
_NOW = "whole valid episodes that ended in the iteration"
_POOLED = "whole valid episodes of the bucket in the last `audit.window` iterations"
_SUCCESS = "a time-out with a mean velocity error up to audit.success_error"
define("episode/return_mean", "-", f"mean return (sum of the rewards that PPO received) of {_NOW}")
define("episode/return_std", "-", f"population standard deviation of the return of {_NOW}")
define("episode/success_rate", "-", f"share of successes, {_SUCCESS}, among {_NOW}")
define("episode/lin_vel_error", "m/s", f"mean over {_NOW}, of their mean velocity error")
define("episode/yaw_rate_error", "rad/s", f"mean over {_NOW}, of their mean yaw rate error")
define("episode/count", "episodes", f"number of {_NOW}")
define("bucket/episodes", "episodes", f"number of {_POOLED}", axes=("bucket",))
define("bucket/return_mean", "-", f"mean return of {_POOLED}", axes=("bucket",))
define("bucket/return_std", "-", f"population standard deviation of the return of {_POOLED}", axes=("bucket",))
define("bucket/success_rate", "-", f"share of successes, {_SUCCESS}, among {_POOLED}", axes=("bucket",))
define("bucket/lin_vel_error", "m/s", f"mean over {_POOLED}, of their mean velocity error", axes=("bucket",))
define("bucket/lin_vel_error_std", "m/s", "population standard deviation of the same", axes=("bucket",))
define("bucket/yaw_rate_error", "rad/s", f"mean over {_POOLED}, of their mean yaw rate error", axes=("bucket",))
define(
    "bucket/reward_per_s",
    "1/s",
    "mean over the environments of the bucket of their reward per second in the last `audit.window` iterations",
    axes=("bucket",),
)
_UNIT = (
    "environments' rewards per second in a bucket, each the mean over its valid steps of the last `audit.window` "
    "iterations"
)
_LARGE = f"buckets with at least {MIN_ENVS} environments; NaN with fewer than two such buckets"
define("spread/return_icc", "-", f"one-way intraclass correlation of {_UNIT}; {_LARGE}", version=2)
define(
    "spread/return_icc_low", "-", "lower end of its 95 % interval (F distribution), environments as units", version=2
)
define(
    "spread/return_icc_high", "-", "upper end of its 95 % interval (F distribution), environments as units", version=2
)
define("spread/return_between", "1/s", f"standard deviation between buckets of {_UNIT}; {_LARGE}", version=2)
define("spread/return_within", "1/s", f"pooled standard deviation within a bucket of {_UNIT}; {_LARGE}", version=2)
define(
    "spread/return_gap",
    "1/s",
    "largest |mean of a bucket - median|, of the lower and the upper median of the buckets' means the farther; "
    f"of {_UNIT}; {_LARGE}",
    version=2,
)
define("spread/return_gap_z", "-", "return_gap over the standard error of that bucket's mean")
define("spread/return_ratio", "-", "variance between / variance within", version=2)
define("spread/return_median", "1/s", f"median over buckets (of two the lower) of their mean, of {_UNIT}; {_LARGE}")
define("spread/return_rms", "1/s", f"root mean square of {_UNIT}; {_LARGE}", version=2)
define(
    "spread/cross_bucket_variance",
    "-",
    "return_between^2 / return_rms^2: the share of the mean square reward that is differences between buckets, 0 to 1",
)
define("spread/buckets", "buckets", "buckets that are large enough to be compared")

_SUMS = ("episodes", "return", "return_square", "success", "error", "error_square", "yaw_error")


class BucketMonitor(Account):
    """Moments of the episodes of each bucket, pooled over a window of iterations."""

    def __init__(self, layout: AuditLayout, config: Audit, device: str | torch.device) -> None:
        slots = len(layout.bucket_labels) + 1
        super().__init__({"table": (slots, len(_SUMS))}, device)
        self._buckets = slots - 1
        self._success_error = config.success_error
        self._window = Window(config.window, len(self.sums.flat))
        self._rates = EnvironmentRates(layout, config.window, device)

    def add(self, block: Block, episodes: Episodes) -> None:
        self._rates.add(block)
        steps = episodes.steps.clamp(min=1)
        error = episodes.lin_vel_error / steps
        columns = (
            episodes.whole.to(torch.float64),
            episodes.reward,
            episodes.reward.square(),
            successes(episodes, self._success_error).to(torch.float64),
            error,
            error.square(),
            episodes.yaw_rate_error / steps,
        )
        rows = episodes.rows(episodes.whole, self._buckets)
        self.sums["table"].index_add_(0, rows, torch.stack(columns, dim=1))

    def pending(self) -> Tensor:
        return torch.cat((self.sums.flat, self._rates.flat))

    def clear(self) -> None:
        super().clear()
        self._rates.flat.zero_()

    def report(self, values: Tensor) -> Flush:
        values, rates = values.split_with_sizes((len(self.sums.flat), len(self._rates.flat)))
        now = self._columns(values)
        pooled = self._columns(self._window.push(values))
        overall = _means({name: column.sum() for name, column in now.items()})
        del overall["lin_vel_error_std"]
        return {
            "episode/count": now["episodes"].sum(),
            **{f"episode/{name}": value for name, value in overall.items()},
            "bucket/episodes": pooled["episodes"],
            **{f"bucket/{name}": value for name, value in _means(pooled).items()},
            **self._spread(rates),
        }

    def _columns(self, values: Tensor) -> dict[str, Tensor]:
        """Sums by name. Shape (B,) each."""
        return dict(zip(_SUMS, self.sums.unpack(values)["table"][: self._buckets].unbind(dim=1), strict=True))

    def _spread(self, values: Tensor) -> Flush:
        found, means = self._rates.spread(values)
        ratio = (found.between / found.within) ** 2 if found.within > 0 else float("nan")
        share = (found.between / found.rms) ** 2 if found.rms > 0 else float("nan")
        named = {
            "return_icc": found.icc,
            "return_icc_low": found.icc_low,
            "return_icc_high": found.icc_high,
            "return_between": found.between,
            "return_within": found.within,
            "return_gap": found.gap,
            "return_gap_z": found.certainty,
            "return_median": found.median,
            "return_ratio": ratio,
            "return_rms": found.rms,
            "cross_bucket_variance": share,
            "buckets": float(found.groups),
        }
        flush = {f"spread/{name}": torch.tensor(value, dtype=torch.float64) for name, value in named.items()}
        return flush | {"bucket/reward_per_s": means}

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "window": self._window.state_dict(), "rates": self._rates.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._window.load_state_dict(state["window"])
        self._rates.load_state_dict(state["rates"])


class EnvironmentRates:
    """What each environment earns per second, whatever ends its episodes: a fall shortens a return, not a rate.

    An environment is one unit of its bucket: what it earns in one second says something of the next. An iteration in
    which its bucket changed counts for neither.
    """

    def __init__(self, layout: AuditLayout, window: int, device: str | torch.device) -> None:
        self._num_envs, self._buckets, self._dt = layout.num_envs, len(layout.bucket_labels), layout.step_dt
        self.flat = torch.zeros(4 * layout.num_envs, dtype=torch.float64, device=device)
        """Of the iteration: reward, valid steps, sum of bucket ids and of their squares over all steps."""
        self._now = self.flat.view(4, -1)
        self._steps = 0
        self._ring = torch.zeros(window, 3, layout.num_envs, dtype=torch.float64)
        """Reward, valid steps and bucket of each environment in an iteration."""
        self._count = 0

    def add(self, block: Block) -> None:
        bucket = block.bucket.to(torch.float64)
        self._now[0].add_(block.reward.sum(dim=0))
        self._now[1].add_(block.valid.sum(dim=0))
        self._now[2].add_(bucket.sum(dim=0))
        self._now[3].add_(bucket.square().sum(dim=0))
        self._steps += len(bucket)

    def spread(self, values: Tensor) -> tuple[Spread, Tensor]:
        """Differences between buckets with the iteration whose `flat` is given, and their means, shape (B,)."""
        reward, steps, total, square = values.view(4, -1)
        bucket = (total / max(self._steps, 1)).round()
        stayed = total.square() == self._steps * square  # Cauchy and Schwarz; sums of small integers are exact
        self._ring[self._count % len(self._ring)] = torch.stack((reward * stayed, steps * stayed, bucket))
        self._count, self._steps = self._count + 1, 0
        reward, steps, bucket = self._pooled(self._ring[: self._count])
        known = steps > 0
        rate = reward[known] / (self._dt * steps[known])
        count = torch.zeros(3, self._buckets, dtype=torch.float64)
        count.index_add_(1, bucket[known].long(), torch.stack((torch.ones_like(rate), rate, rate.square())))
        return spread(*count, min_count=MIN_ENVS), count[1] / count[0]

    def _pooled(self, ring: Tensor) -> Tensor:
        """Sums of each environment in each bucket that it was in. Shape (3, any)."""
        used = ring[:, 1] > 0
        bucket = ring[-1, 2]
        if bool(((ring[:, 2] == bucket) | ~used).all()):
            return torch.stack((ring[:, 0].sum(dim=0), ring[:, 1].sum(dim=0), bucket))
        unit = (torch.arange(self._num_envs) * self._buckets + ring[:, 2].long()).flatten()
        units, index = unit.unique(return_inverse=True)
        sums = torch.zeros(2, len(units), dtype=torch.float64)
        sums.index_add_(1, index, ring[:, :2].transpose(0, 1).flatten(1))
        return torch.cat((sums, (units % self._buckets).unsqueeze(0).to(torch.float64)))

    def state_dict(self) -> dict[str, Any]:
        """The iterations in the window and the sums of the running one."""
        return {"flat": self.flat.cpu().clone(), "ring": self._ring.clone(), "count": self._count, "steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        self.flat.copy_(state["flat"])
        self._ring.copy_(state["ring"])
        self._count, self._steps = state["count"], state["steps"]


def _means(sums: dict[str, Tensor]) -> Flush:
    """Per-episode means and standard deviations; NaN without an episode."""
    n = sums["episodes"]
    mean, error = sums["return"] / n, sums["error"] / n
    return {
        "return_mean": mean,
        "return_std": (sums["return_square"] / n - mean.square()).clamp(min=0).sqrt(),
        "success_rate": sums["success"] / n,
        "lin_vel_error": error,
        "lin_vel_error_std": (sums["error_square"] / n - error.square()).clamp(min=0).sqrt(),
        "yaw_rate_error": sums["yaw_error"] / n,
    }
