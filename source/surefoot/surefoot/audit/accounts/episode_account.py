"""What each reward term brings over whole episodes, and whether that goes with success."""

from typing import Any

import torch
from torch import Tensor

from surefoot.audit.accounts.account import Account
from surefoot.audit.accounts.block import Block, zeroed
from surefoot.audit.accounts.episodes import Episodes
from surefoot.audit.accounts.metrics import Flush, define
from surefoot.audit.accounts.step import AuditLayout
from surefoot.audit.accounts.success import successes
from surefoot.audit.accounts.sums import Window
from surefoot.manifest.audit import Audit

Z_95 = 1.959963984540054
"""Two-sided 95 % quantile of the standard normal distribution."""

_WHOLE = "whole valid episodes that ended in the iteration"
_POOLED = "whole valid episodes of the last `audit.window` iterations"
_CORRELATION = (
    "Pearson correlation, over the {0}, of the term's mean rate in an episode with {1}; NaN if one is constant"
)
define("reward/mean_per_episode", "-", f"mean over the {_WHOLE}, of control step * sum of rates", axes=("term",))
define("reward/success_correlation", "-", _CORRELATION.format(_POOLED, "success (1 or 0)"), axes=("term",))
define(
    "reward/success_correlation_given_command",
    "-",
    "the same among episodes with a like share of steps under a command to move (three thirds): what is due to the "
    "command is taken out",
    axes=("term",),
)
define(
    "reward/success_correlation_high",
    "-",
    "upper end of the 95 % interval of success_correlation_given_command, from the standard errors of the means over "
    "successes and over others (Welch); NaN without two of each in a third",
    axes=("term",),
    version=2,
)
define("reward/error_correlation", "-", _CORRELATION.format(_POOLED, "its mean velocity error"), axes=("term",))
define(
    "reward_by_bucket/success_correlation",
    "-",
    _CORRELATION.format(_POOLED, "success (1 or 0)") + "; episodes of the bucket",
    axes=("bucket", "term"),
)
define("reward/pooled_successes", "episodes", f"successes among the {_POOLED}")
define("reward/pooled_others", "episodes", f"others among the {_POOLED}")

STRATA = 3
"""Episodes are compared with those that had a like share of moving commands."""

_BY_TERM = ("rate", "square", "with_success")
_GIVEN = ("rate", "square", "with_success", "square_with_success")
_BY_BUCKET = ("episodes", "success", "error", "error_square")


class EpisodeRewardAccount(Account):
    """Moments of each term's mean rate over an episode, together with success and velocity error."""

    def __init__(self, layout: AuditLayout, config: Audit, device: str | torch.device) -> None:
        terms, slots = len(layout.reward_terms), len(layout.bucket_labels) + 1
        columns = len(_BY_TERM) * terms + len(_BY_BUCKET)
        given = (STRATA + 1, len(_GIVEN) * terms + 2)
        shapes = {"table": (slots, columns), "total": (terms,), "with_error": (terms,), "given": given}
        super().__init__(shapes, device)
        self._buckets, self._terms = slots - 1, terms
        self._dt = layout.step_dt
        self._success_error = config.success_error
        self._window = Window(config.window, len(self.sums.flat))

    def _split(self, table: Tensor) -> dict[str, Tensor]:
        """Columns by name: moments of each term, and one number each. Shape (..., T) and (...)."""
        *by_term, by_bucket = table.split_with_sizes([*[self._terms] * len(_BY_TERM), len(_BY_BUCKET)], dim=-1)
        named: dict[str, Tensor] = dict(zip(_BY_TERM, by_term, strict=True))
        return named | dict(zip(_BY_BUCKET, by_bucket.unbind(dim=-1), strict=True))

    def add(self, block: Block, episodes: Episodes) -> None:
        whole = episodes.whole.to(torch.float64)
        steps = episodes.steps.clamp(min=1)
        rate = episodes.rates / steps.unsqueeze(1)
        error = episodes.lin_vel_error / steps
        success = successes(episodes, self._success_error)
        by_bucket = torch.stack((whole, success.to(torch.float64), error, error.square()), dim=1)
        columns = torch.cat((rate, rate.square(), zeroed(rate, success.unsqueeze(1)), by_bucket), dim=1)
        self.sums["table"].index_add_(0, episodes.rows(episodes.whole, self._buckets), columns)
        stratum = (STRATA * episodes.moving / steps).long().clamp(max=STRATA - 1)
        succeeded = zeroed(rate, success.unsqueeze(1))
        given = (rate, rate.square(), succeeded, succeeded.square(), by_bucket[:, :2])
        rows = torch.where(episodes.whole, stratum, STRATA)
        self.sums["given"].index_add_(0, rows, torch.cat(given, dim=1))
        self.sums["total"].add_(whole @ episodes.rates)
        self.sums["with_error"].add_((whole * error) @ rate)

    def report(self, values: Tensor) -> Flush:
        now, pooled = self.sums.unpack(values), self.sums.unpack(self._window.push(values))
        episodes = self._split(now["table"][: self._buckets])["episodes"].sum()
        by_bucket = self._split(pooled["table"][: self._buckets])
        overall = {name: value.sum(dim=0) for name, value in by_bucket.items()}
        given, high = given_command(pooled["given"][:STRATA], self._terms)
        return {
            "reward/mean_per_episode": self._dt * now["total"] / episodes,
            "reward/success_correlation": success_correlation(overall),
            "reward/success_correlation_given_command": given,
            "reward/success_correlation_high": high,
            "reward/error_correlation": _pearson(
                overall, pooled["with_error"], overall["error"], overall["error_square"]
            ),
            "reward_by_bucket/success_correlation": success_correlation(by_bucket),
            "reward/pooled_successes": overall["success"],
            "reward/pooled_others": overall["episodes"] - overall["success"],
        }

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "window": self._window.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._window.load_state_dict(state["window"])


def success_correlation(sums: dict[str, Tensor]) -> Tensor:
    """Correlation of rate and success; success is its own square. Shape (..., T)."""
    return _pearson(sums, sums["with_success"], sums["success"], sums["success"])


def _pearson(sums: dict[str, Tensor], product: Tensor, other: Tensor, other_square: Tensor) -> Tensor:
    """Pearson correlation from sums; NaN where a variance is not above the rounding of its sums."""
    n, other, other_square = (value.unsqueeze(-1) for value in (sums["episodes"], other, other_square))
    covariance = n * product - sums["rate"] * other
    spread = n * sums["square"] - sums["rate"].square()
    other_spread = n * other_square - other.square()
    known = (spread > 1e-12 * n * sums["square"]) & (other_spread > 1e-12 * n * other_square)
    return torch.where(known, covariance / (spread * other_spread).sqrt(), torch.nan).clamp(-1, 1)


def given_command(sums: Tensor, terms: int) -> tuple[Tensor, Tensor]:
    """Correlation of rate and success within strata, and the upper end of its 95 % interval.

    A point-biserial correlation is a difference of two means in another scale, and Welch's standard error of that
    difference holds for skewed rates too, where Fisher's z of a correlation covers too little.

    Args:
        sums: For each stratum the columns of `_GIVEN`, a block of terms each, then episodes and successes.
        terms: Number of terms.

    Returns:
        Shape (T,) each.
    """
    rate, square, hit, hit_square = sums[:, :-2].unflatten(1, (len(_GIVEN), terms)).unbind(dim=1)
    n, successes = (column.unsqueeze(1) for column in sums[:, -2:].unbind(dim=1))
    others = n - successes
    usable = (successes >= 2) & (others >= 2)
    high_mean, low_mean = hit / successes, (rate - hit) / others
    high_error = _squared_error(hit, hit_square, successes)
    low_error = _squared_error(rate - hit, square - hit_square, others)
    weight = torch.where(usable, successes * others / n, 0.0)  # n p q: what a stratum says of the common difference
    within = torch.where(usable, square - rate.square() / n, 0.0).sum(dim=0)
    total, share = torch.where(usable, n, 0.0).sum(dim=0), weight / weight.sum(dim=0)
    difference = (share * (high_mean - low_mean).nan_to_num()).sum(dim=0)
    error = (share.square() * (high_error + low_error).nan_to_num()).sum(dim=0).sqrt()
    scale = (weight.sum(dim=0) / within).sqrt()
    known = (within > 1e-12 * square.sum(dim=0)) & (total > 0)
    correlation = torch.where(known, difference * scale, torch.nan).clamp(-1, 1)
    return correlation, torch.where(known, (difference + Z_95 * error) * scale, torch.nan).clamp(-1, 1)


def _squared_error(total: Tensor, square: Tensor, n: Tensor) -> Tensor:
    """Squared standard error of a mean, from sums."""
    return ((square - total.square() / n) / (n - 1)).clamp(min=0) / n
