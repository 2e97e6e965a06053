"""Names of the scalars that TensorBoard or W&B get of a flush: `Group/<member>/quantity`.

A metric without axes is `Group/quantity`. Of the metrics with one axis those in `SHOWN` are written, member by member.
Everything else is in the record only, so that the number of scalars does not grow with the product of axes.
"""

import math
import re

import torch
from torch import Tensor

from surefoot.audit.accounts.metrics import AxisNames, Flush, metric_of

SHOWN = (
    "reward/mean_per_s",
    "reward/std_per_s",
    "reward/mean_per_episode",
    "reward/saturation",
    "reward/success_correlation",
    "termination/primary_share",
    "fault/steps",
    "bucket/return_mean",
    "bucket/success_rate",
    "bucket/lin_vel_error",
    "terrain/level_mean",
)
"""Metrics with one axis that loggers get."""
MOST_BUCKETS = 16
"""With more buckets their lowest, median and highest value are written instead."""


def scalars_of(flush: Flush, axes: AxisNames) -> dict[str, float]:
    """Scalars for a logger, by tag; what is not finite was not measured and has none."""
    out: dict[str, float] = {}
    for name, value in flush.items():
        metric_axes = metric_of(name).axes
        group, quantity = name.split("/")
        prefix = group[0].upper() + group[1:]
        if not metric_axes:
            out[f"{prefix}/{quantity}"] = float(value)
        elif name in SHOWN:
            for member, number in _members(metric_axes[0], value, axes).items():
                out[f"{prefix}/{clean(member)}/{quantity}"] = number
    return {tag: number for tag, number in out.items() if math.isfinite(number)}


def clean(member: str) -> str:
    """A name without what TensorBoard does not allow in a tag: `friction_0.4-0.6_payload_0-2_kg`."""
    return re.sub(r"[^-\w.]+", "_", member).strip("_")


def _members(axis: str, values: Tensor, axes: AxisNames) -> dict[str, float]:
    if axis != "bucket" or len(axes[axis]) <= MOST_BUCKETS:
        return {member: float(value) for member, value in zip(axes[axis], values, strict=True)}
    finite = values[torch.isfinite(values)]
    if not len(finite):
        return {}
    return {"lowest": finite.min().item(), "median": finite.median().item(), "highest": finite.max().item()}
