"""When a number of the reward, termination, bucket or fault account is an alert."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from surefoot.audit.accounts.bucket_statistics import Spread
from surefoot.audit.accounts.metrics import Flush
from surefoot.audit.accounts.step import AuditLayout
from surefoot.audit.alerts.alerts import Finding
from surefoot.manifest.audit import Audit, BucketAudit
from surefoot.manifest.task import RewardTerm

Sign = Literal["reward", "penalty", "any"]


def expected_signs(rewards: Mapping[str, RewardTerm], config: Audit) -> dict[str, Sign]:
    """What each term may do: as the manifest says, else by the name of its function.

    `_exp` promises a value from 0 to 1, which a task rewards; `_l1` and `_l2` promise an error, which a task penalises.
    """
    by_name: dict[str, Sign] = {}
    for name, term in rewards.items():
        by_name[name] = "reward" if term.func.endswith("_exp") else "any"
        if term.func.endswith(("_l1", "_l2")):
            by_name[name] = "penalty"
    return by_name | config.reward.expected_sign


MIN_CERTAINTY = 7.0
"""Standard errors by which an exploited bucket must be away from the median one; by chance 1 in 10^11."""


def is_exploitation(found: Spread, config: BucketAudit) -> bool:
    """Whether buckets surely differ, one of them by much, while each is tight. False where a number is NaN."""
    size = abs(found.median)
    return (
        found.icc_low >= config.min_icc
        and found.gap >= config.min_gap * size
        and found.within <= config.max_within * size
        and found.certainty >= MIN_CERTAINTY
    )


class AccountRules:
    """Rules over the metrics of `Accounts`.

    Args:
        layout: Names of the axes.
        config: Thresholds.
        signs: From `expected_signs`; by default what the manifest declares.
    """

    def __init__(self, layout: AuditLayout, config: Audit, signs: Mapping[str, Sign] | None = None) -> None:
        self._layout = layout
        self._config = config
        self._signs = config.reward.expected_sign if signs is None else signs
        self._fewest = 0.0
        """Most episodes that the smaller of successes and others has had."""

    def check(self, flush: Flush) -> list[Finding]:
        """Findings of one iteration."""
        return [
            *self._residual(flush),
            *self._signs_of_terms(flush),
            *self._against_success(flush),
            *self._synchrony(flush),
            *self._exploitation(flush),
            *self._faults(flush),
        ]

    def _residual(self, flush: Flush) -> Iterator[Finding]:
        residual, limit = float(flush["reward/residual"]), self._config.reward.max_residual
        if not residual <= limit:  # NaN too
            yield Finding(
                "reward_residual",
                "total",
                f"a step's reward differs from the sum of its terms by {residual:.2g} of their size, more than "
                f"{limit:.2g}; PPO received {float(flush['reward/received']):.6g}, the terms add up to "
                f"{float(flush['reward/accounted']):.6g}",
            )

    def _signs_of_terms(self, flush: Flush) -> Iterator[Finding]:
        paying, costing = _numbers(flush["reward/paying"]), _numbers(flush["reward/costing"])
        for index, term in enumerate(self._layout.reward_terms):
            sign = self._signs.get(term, "any")
            wrong, does = (paying[index], "pays") if sign == "penalty" else (costing[index], "costs")
            if sign != "any" and wrong > 0:
                yield Finding(
                    "reward_sign",
                    term,
                    f"a {sign} that {does} in {wrong:.1%} of the steps; check the sign of its weight, or set "
                    f"audit.reward.expected_sign.{term}=any",
                )

    def _against_success(self, flush: Flush) -> Iterator[Finding]:
        config = self._config.reward
        successes, others = float(flush["reward/pooled_successes"]), float(flush["reward/pooled_others"])
        self._fewest = max(self._fewest, min(successes, others))
        if min(successes, others) < config.min_episodes:
            return
        correlation = _numbers(flush["reward/success_correlation_given_command"])
        high, mean = _numbers(flush["reward/success_correlation_high"]), _numbers(flush["reward/mean_per_s"])
        for index, term in enumerate(self._layout.reward_terms):
            if mean[index] > 0 and high[index] < -config.sign_correlation:
                yield Finding(
                    "reward_against_success",
                    term,
                    f"pays {mean[index]:.3g}/s, and more where episodes fail: correlation with "
                    f"success, the command kept, "
                    f"{correlation[index]:.2f} over {successes:.0f} successes and {others:.0f} others, limit "
                    f"-{config.sign_correlation:g}",
                )

    def _synchrony(self, flush: Flush) -> Iterator[Finding]:
        probability, limit = float(flush["termination/at_once_p"]), self._config.synchrony.p_value
        if probability < limit:
            share = float(flush["termination/most_at_once"])
            way_out = "look for a termination that environments share, or for a reset of everything"
            if not self._layout.scattered_starts:
                way_out = f"set task.resets.randomize_episode_start=true, or {way_out}"
            yield Finding(
                "synchronised_resets",
                "resets",
                f"up to {share:.1%} of the environments ended together in one step; by chance p = {probability:.1g}, "
                f"limit {limit:.1g}; {way_out}",
            )

    def _exploitation(self, flush: Flush) -> Iterator[Finding]:
        config = self._config.bucket
        values = {name: float(flush[f"spread/return_{name}"]) for name in ("icc", "icc_low", "icc_high", "between",
                  "within", "gap", "median", "rms")}  # fmt: skip
        found = Spread(**values, certainty=float(flush["spread/return_gap_z"]), groups=int(flush["spread/buckets"]))
        if not is_exploitation(found, config):
            return
        means = flush["bucket/reward_per_s"].nan_to_num(found.median)
        best, worst = int(means.argmax()), int(means.argmin())
        success, labels = [_of_success(share) for share in flush["bucket/success_rate"]], self._layout.bucket_labels
        farther = best if means[best] - found.median >= found.median - means[worst] else worst
        yield Finding(
            "bucket_exploitation",
            labels[farther],
            f"earns {float(means[best]):.3g}/s{success[best]} in {labels[best]!r} against "
            f"{float(means[worst]):.3g}/s{success[worst]} in {labels[worst]!r}; the farthest bucket is "
            f"{found.gap / abs(found.median):.2f} of the median bucket away, {found.certainty:.0f} standard errors, "
            f"{found.within / abs(found.median):.2f} within a bucket, intraclass correlation at least "
            f"{found.icc_low:.2f}",
        )

    def _faults(self, flush: Flush) -> Iterator[Finding]:
        for kind, steps in zip(self._layout.fault_kinds, _numbers(flush["fault/steps"]), strict=True):
            if steps > 0:
                yield Finding("fault", kind, f"{steps:.0f} environment steps of the iteration")
        share, limit = float(flush["fault/invalid_share"]), self._config.fault.max_share
        if share > limit:
            yield Finding("too_many_faults", "all", f"{share:.2%} of the steps are invalid, limit {limit:.2%}")

    def silent(self) -> dict[str, str]:
        """Kinds that have not been judged, and why."""
        needed = self._config.reward.min_episodes
        if self._fewest >= needed:
            return {}
        return {"reward_against_success": f"{self._fewest:.0f} successes, or others, in a window; {needed} are needed"}

    def state_dict(self) -> dict[str, Any]:
        """Nothing: each iteration is judged by its own metrics."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to restore."""


def _numbers(values: Tensor) -> list[float]:
    return [float(value) for value in values]


def _of_success(share: Tensor) -> str:
    """Nothing where no success is defined."""
    return f" with {float(share):.0%} success" if torch.isfinite(share) else ""
