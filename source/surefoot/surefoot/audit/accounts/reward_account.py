"""Where reward comes from: every term, in every bucket, per second and per step.

Both scales are always named: `per_s` is weight * term, as in the manifest; `per_step` is what PPO receives.
"""

from typing import Any

import torch
from torch import Tensor

from surefoot.audit.accounts.account import Account
from surefoot.audit.accounts.block import Block, Scratch, add_by_bucket
from surefoot.audit.accounts.episodes import Episodes
from surefoot.audit.accounts.metrics import Flush, define
from surefoot.audit.accounts.step import AuditLayout
from surefoot.manifest.audit import Audit

_STEPS = "valid steps of the iteration"


def _define_composition(group: str, axes: tuple[str, ...], over: str) -> None:
    """Metrics that exist for a run, and for each of its buckets."""

    def each(quantity: str, unit: str, definition: str) -> None:
        define(f"{group}/{quantity}", unit, definition, axes=(*axes, "term"))

    each("mean_per_s", "1/s", f"mean of weight * term over the {_STEPS}{over}; NaN without a step")
    each("std_per_s", "1/s", f"population standard deviation of weight * term over the {_STEPS}{over}")
    each("positive_share", "-", f"sum of the term's positive rates / that sum over all terms{over}; NaN if 0")
    each("negative_share", "-", f"sum of the term's negative rates / that sum over all terms{over}; NaN if 0")
    each(
        "sign", "-", f"mean sign of the rate over the {_STEPS}{over}: 1 where it always pays, -1 where it always costs"
    )
    each(
        "saturation",
        "-",
        f"share of the {_STEPS}{over} with |rate| >= (1 - margin) M and M > 0; M is the largest |rate| of any valid "
        "step of the run up to this one; margin is audit.reward.saturation_margin",
    )
    define(f"{group}/steps", "steps", f"number of {_STEPS}{over}", axes=axes)


_define_composition("reward", (), "")
_define_composition("reward_by_bucket", ("bucket",), " in the bucket")
define("reward/paying", "-", f"share of the {_STEPS} with a rate above 0", axes=("term",))
define("reward/costing", "-", f"share of the {_STEPS} with a rate below 0", axes=("term",))
define("reward/inactive", "-", f"share of the {_STEPS} with |rate| <= margin M: the term says nothing", axes=("term",))
define("reward/largest_per_s", "1/s", "M: largest |weight * term| of any valid step of the run so far", axes=("term",))
define("reward/total_per_s", "1/s", "sum over terms of mean_per_s")
define("reward/total_per_step", "-", f"mean over the {_STEPS} of the reward that PPO received")
define("reward/received", "-", f"sum over the {_STEPS} of the reward that PPO received")
define("reward/accounted", "-", f"control step * sum over terms and the {_STEPS} of weight * term")
define(
    "reward/residual",
    "-",
    f"largest |reward - control step * sum of rates| / (control step * sum of |rates|) of the {_STEPS}; "
    "float32 rounding explains about 1e-6",
)

_MOMENTS = ("rate", "square", "positive", "sign", "saturated")


class RewardAccount(Account):
    """Moments of each term's rate by bucket, and the sum that PPO received."""

    def __init__(self, layout: AuditLayout, config: Audit, device: str | torch.device) -> None:
        terms, slots = len(layout.reward_terms), len(layout.bucket_labels) + 1
        by_term = dict.fromkeys(("nonzero", "inactive", "largest"), (terms,))
        shapes = {"moments": (slots, len(_MOMENTS), terms), "steps": (slots,), "received": (), "residual": ()}
        super().__init__(shapes | by_term, device)
        self._buckets = slots - 1
        self._dt = layout.step_dt
        self._margin = config.reward.saturation_margin
        self._largest = torch.zeros(terms, dtype=torch.float64, device=device)
        # Of a step, or, where buckets are fixed, of each environment since the last `pending`.
        self._moments = torch.zeros(len(_MOMENTS), layout.num_envs, terms, dtype=torch.float64, device=device)
        self._bucket_of_env = torch.zeros(layout.num_envs, dtype=torch.int64, device=device)
        self._fixed = layout.fixed_buckets
        self._size, self._flags = Scratch(terms), Scratch(terms)

    def add(self, block: Block, episodes: Episodes) -> None:
        sums, rates = self.sums, block.rates
        rows = block.rows(block.valid, self._buckets)
        size = torch.abs(rates, out=self._size.rows(block))
        largest = size.amax(dim=1).cummax(dim=0).values.maximum(self._largest)
        self._largest.copy_(largest[-1])
        sums["largest"].copy_(largest[-1])
        bound = largest.unsqueeze(1)
        near_bound = torch.where(bound > 0, (1 - self._margin) * bound, torch.inf)

        # One step at a time: it stays in the cache.
        rate, square, positive, sign, saturated = self._moments
        scratch = torch.empty_like(rate)
        for now, now_size, now_near, now_rows in zip(rates, size, near_bound, rows.view_as(block.valid), strict=True):
            rate.add_(now)
            square.addcmul_(now, now)
            positive.add_(torch.clamp(now, min=0.0, out=scratch))
            sign.add_(torch.sign(now, out=scratch))
            saturated.add_(torch.ge(now_size, now_near, out=scratch))
            if not self._fixed:
                self._to_buckets(now_rows)
        self._bucket_of_env.copy_(block.bucket[-1])
        add_by_bucket(sums["steps"], rows, block.valid)

        flags = self._flags.rows(block)
        sums["nonzero"].add_(torch.gt(size, 0.0, out=flags).sum(dim=(0, 1)))
        sums["inactive"].add_(torch.le(size, self._margin * bound, out=flags).sum(dim=(0, 1)))
        sums["inactive"].sub_((~block.valid).sum())  # their rates are 0

        sums["received"].add_(block.reward.sum())
        difference = (block.reward - self._dt * rates.sum(dim=2)).abs()
        residual = torch.where(difference == 0, 0.0, difference / (self._dt * size.sum(dim=2)))
        sums["residual"].copy_(sums["residual"].maximum(residual.amax()))

    def _to_buckets(self, rows: Tensor) -> None:
        for moment, total in zip(self._moments, self.sums["moments"].unbind(dim=1), strict=True):
            total.index_add_(0, rows, moment)
        self._moments.zero_()

    def pending(self) -> Tensor:
        if self._fixed:  # invalid rows gave 0, so the bucket in force is theirs too
            self._to_buckets(self._bucket_of_env)
        return super().pending()

    def metrics(self, sums: dict[str, Tensor]) -> Flush:
        steps, moments = sums["steps"][: self._buckets], sums["moments"][: self._buckets]
        total = dict(zip(_MOMENTS, moments.sum(dim=0), strict=True))
        num_steps, received, accounted = steps.sum(), sums["received"], self._dt * total["rate"].sum()
        return {
            **_composition("reward", moments.sum(dim=0), num_steps),
            **_composition("reward_by_bucket", moments, steps),
            "reward/paying": (sums["nonzero"] + total["sign"]) / (2 * num_steps),
            "reward/costing": (sums["nonzero"] - total["sign"]) / (2 * num_steps),
            "reward/inactive": sums["inactive"] / num_steps,
            "reward/largest_per_s": sums["largest"],
            "reward/total_per_s": total["rate"].sum() / num_steps,
            "reward/total_per_step": received / num_steps,
            "reward/received": received,
            "reward/accounted": accounted,
            "reward/residual": sums["residual"],
        }

    def clear(self) -> None:
        super().clear()
        self.sums["largest"].copy_(self._largest)

    def state_dict(self) -> dict[str, Any]:
        self.pending()
        return {**super().state_dict(), "largest": self._largest.cpu().clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._largest.copy_(state["largest"])


def _composition(group: str, moments: Tensor, steps: Tensor) -> Flush:
    """Means and shares from sums of shape (..., moments, T) and steps of shape (...); 0 / 0 is NaN."""
    rate, square, positive, sign, saturated = moments.unbind(dim=-2)
    count = steps.unsqueeze(-1)
    mean = rate / count
    negative = torch.where(positive - rate > 1e-12 * positive, rate - positive, 0.0)  # a difference of rounding is none
    return {
        f"{group}/mean_per_s": mean,
        f"{group}/std_per_s": (square / count - mean.square()).clamp(min=0).sqrt(),
        f"{group}/positive_share": positive / positive.sum(dim=-1, keepdim=True),
        f"{group}/negative_share": negative / negative.sum(dim=-1, keepdim=True),
        f"{group}/sign": sign / count,
        f"{group}/saturation": saturated / count,
        f"{group}/steps": steps,
    }
