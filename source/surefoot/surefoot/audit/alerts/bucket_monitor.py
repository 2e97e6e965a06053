"""How each randomisation bucket fares, and whether one of them is exploited."""

from typing import Any

import torch
from torch import Tensor

from surefoot.audit.accounts.account import Account
from surefoot.audit.accounts.block import Block
from surefoot.audit.accounts.bucket_statistics import spread
from surefoot.audit.accounts.episodes import Episodes
from surefoot.audit.accounts.metrics import Flush, define
from surefoot.audit.accounts.step import AuditLayout
from surefoot.audit.accounts.success import successes
from surefoot.audit.accounts.sums import Window
from surefoot.manifest.audit import Audit

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
_LARGE = "buckets with at least audit.bucket.min_episodes episodes in the window; NaN with fewer than two such buckets"
define("spread/return_icc", "-", f"one-way intraclass correlation of the return; {_LARGE}")
define("spread/return_icc_low", "-", "lower end of its 95 % interval (F distribution)")
define("spread/return_icc_high", "-", "upper end of its 95 % interval (F distribution)")
define("spread/return_between", "-", f"standard deviation of the return between buckets; {_LARGE}")
define("spread/return_within", "-", f"pooled standard deviation of the return within a bucket; {_LARGE}")
define(
    "spread/return_gap",
    "-",
    "largest |mean return of a bucket - median|, of the lower and the upper median of the buckets' mean returns the "
    f"farther; {_LARGE}",
)
define("spread/return_ratio", "-", "variance between / variance within")
define(
    "spread/return_largest_within",
    "-",
    f"largest, over buckets, of the return's sample standard deviation / root mean square in the bucket; {_LARGE}",
)
define("spread/return_rms", "-", f"root mean square of the return of all episodes of these buckets; {_LARGE}")
define("spread/buckets", "buckets", "buckets that are large enough to be compared")

_SUMS = ("episodes", "return", "return_square", "success", "error", "error_square", "yaw_error")


class BucketMonitor(Account):
    """Moments of the episodes of each bucket, pooled over a window of iterations."""

    def __init__(self, layout: AuditLayout, config: Audit, device: str | torch.device) -> None:
        slots = len(layout.bucket_labels) + 1
        super().__init__({"table": (slots, len(_SUMS))}, device)
        self._buckets = slots - 1
        self._success_error = config.success_error
        self._min_episodes = config.bucket.min_episodes
        self._window = Window(config.window, len(self.sums.flat))

    def add(self, block: Block, episodes: Episodes) -> None:
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

    def report(self, values: Tensor) -> Flush:
        now = self._columns(values)
        pooled = self._columns(self._window.push(values))
        overall = _means({name: column.sum() for name, column in now.items()})
        del overall["lin_vel_error_std"]
        return {
            "episode/count": now["episodes"].sum(),
            **{f"episode/{name}": value for name, value in overall.items()},
            "bucket/episodes": pooled["episodes"],
            **{f"bucket/{name}": value for name, value in _means(pooled).items()},
            **self._spread(pooled),
        }

    def _columns(self, values: Tensor) -> dict[str, Tensor]:
        """Sums by name. Shape (B,) each."""
        return dict(zip(_SUMS, self.sums.unpack(values)["table"][: self._buckets].unbind(dim=1), strict=True))

    def _spread(self, pooled: dict[str, Tensor]) -> Flush:
        found = spread(pooled["episodes"], pooled["return"], pooled["return_square"], self._min_episodes)
        ratio = (found.between / found.within) ** 2 if found.within > 0 else float("nan")
        named = {
            "return_icc": found.icc,
            "return_icc_low": found.icc_low,
            "return_icc_high": found.icc_high,
            "return_between": found.between,
            "return_within": found.within,
            "return_gap": found.gap,
            "return_ratio": ratio,
            "return_largest_within": found.largest_within,
            "return_rms": found.rms,
            "buckets": float(found.groups),
        }
        return {f"spread/{name}": torch.tensor(value, dtype=torch.float64) for name, value in named.items()}

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "window": self._window.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._window.load_state_dict(state["window"])


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
