"""Where reward comes from: every term, in every bucket, per second and per step.

Both scales are always named: `per_s` is weight * term, as in the manifest; `per_step` is what PPO receives.
"""

from typing import Any

import torch
from torch import Tensor

from surefoot.audit.account import Account
from surefoot.audit.block import Block, add_by_bucket
from surefoot.audit.episodes import Episodes
from surefoot.audit.metrics import Flush, define
from surefoot.audit.step import AuditLayout
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
    each("paying", "-", f"share of the {_STEPS}{over} with a rate above 0")
    each("costing", "-", f"share of the {_STEPS}{over} with a rate below 0")
    each("sign", "-", "paying - costing: 1 where the term always pays, -1 where it always costs")
    each(
        "saturation",
        "-",
        f"share of the {_STEPS}{over} with |rate| >= (1 - margin) M and M > 0; M is the largest |rate| of any valid "
        "step of the run up to this one; margin is audit.reward.saturation_margin",
    )
    each("inactive", "-", f"share of the {_STEPS}{over} with |rate| <= margin M: the term says nothing")
    define(f"{group}/steps", "steps", f"number of {_STEPS}{over}", axes=axes)


_define_composition("reward", (), "")
_define_composition("reward_by_bucket", ("bucket",), " in the bucket")
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

_MOMENTS = ("rate", "square", "positive", "paying", "costing", "saturated", "inactive")


class RewardAccount(Account):
    """Moments of each term's rate by bucket, and the sum that PPO received."""

    def __init__(self, layout: AuditLayout, config: Audit, device: str | torch.device) -> None:
        terms, slots = len(layout.reward_terms), len(layout.bucket_labels) + 1
        tables = dict.fromkeys(_MOMENTS, (slots, terms))
        super().__init__({**tables, "steps": (slots,), "received": (), "residual": (), "largest": (terms,)}, device)
        self._buckets = slots - 1
        self._dt = layout.step_dt
        self._margin = config.reward.saturation_margin
        self._largest = torch.zeros(terms, dtype=torch.float64, device=device)

    def add(self, block: Block, episodes: Episodes) -> None:
        sums, rates = self.sums, block.rates
        rows = block.rows(block.valid, self._buckets)
        size = rates.abs()
        largest = size.amax(dim=1).cummax(dim=0).values.maximum(self._largest)
        self._largest.copy_(largest[-1])
        sums["largest"].copy_(largest[-1])
        bound = largest.unsqueeze(1)
        near_bound = torch.where(bound > 0, (1 - self._margin) * bound, torch.inf)
        add_by_bucket(sums["rate"], rows, rates)
        add_by_bucket(sums["square"], rows, rates.square())
        add_by_bucket(sums["positive"], rows, rates.clamp(min=0))
        flags = torch.empty_like(rates)  # a comparison that writes float64 is twice as fast as one that is converted
        add_by_bucket(sums["paying"], rows, torch.gt(rates, 0.0, out=flags))
        add_by_bucket(sums["costing"], rows, torch.lt(rates, 0.0, out=flags))
        add_by_bucket(sums["saturated"], rows, torch.ge(size, near_bound, out=flags))
        add_by_bucket(sums["inactive"], rows, torch.le(size, self._margin * bound, out=flags))
        add_by_bucket(sums["steps"], rows, block.valid)

        sums["received"].add_(block.reward.sum())
        difference = (block.reward - self._dt * rates.sum(dim=2)).abs()
        residual = torch.where(difference == 0, 0.0, difference / (self._dt * size.sum(dim=2)))
        sums["residual"].copy_(sums["residual"].maximum(residual.amax()))

    def metrics(self, sums: dict[str, Tensor]) -> Flush:
        by_bucket = {name: sums[name][: self._buckets] for name in (*_MOMENTS, "steps")}
        overall = {name: table.sum(dim=0) for name, table in by_bucket.items()}
        received, accounted = sums["received"], self._dt * overall["rate"].sum()
        return {
            **_composition("reward", overall),
            **_composition("reward_by_bucket", by_bucket),
            "reward/largest_per_s": sums["largest"],
            "reward/total_per_s": overall["rate"].sum() / overall["steps"],
            "reward/total_per_step": received / overall["steps"],
            "reward/received": received,
            "reward/accounted": accounted,
            "reward/residual": sums["residual"],
        }

    def clear(self) -> None:
        super().clear()
        self.sums["largest"].copy_(self._largest)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "largest": self._largest.cpu().clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._largest.copy_(state["largest"])


def _composition(group: str, sums: dict[str, Tensor]) -> Flush:
    """Means and shares from sums, terms along the last axis; 0 / 0 is NaN."""
    steps = sums["steps"].unsqueeze(-1)
    mean = sums["rate"] / steps
    negative = torch.where(sums["costing"] > 0, sums["rate"] - sums["positive"], 0.0)
    paying, costing = sums["paying"] / steps, sums["costing"] / steps
    return {
        f"{group}/mean_per_s": mean,
        f"{group}/std_per_s": (sums["square"] / steps - mean.square()).clamp(min=0).sqrt(),
        f"{group}/positive_share": sums["positive"] / sums["positive"].sum(dim=-1, keepdim=True),
        f"{group}/negative_share": negative / negative.sum(dim=-1, keepdim=True),
        f"{group}/paying": paying,
        f"{group}/costing": costing,
        f"{group}/sign": paying - costing,
        f"{group}/saturation": sums["saturated"] / steps,
        f"{group}/inactive": sums["inactive"] / steps,
        f"{group}/steps": sums["steps"],
    }
