"""The list of everything that is recorded of an iteration: name, version, unit, axes, definition.

A metric's name is `group/quantity`. A flush holds one iteration's values by metric name, on the host; the shape of each
is the sizes of its axes, () for a number.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from surefoot.audit.accounts.step import AuditLayout
from surefoot.errors import unknown_name

AXES = ("term", "cause", "fault", "bucket", "bin", "factor", "terrain")
"""Reward terms, termination causes, fault kinds, buckets, bins of episode length, randomised factors, classes of
terrain."""

Flush = dict[str, Tensor]
"""Values of one iteration by metric name."""
AxisNames = Mapping[str, tuple[str, ...]]
"""Names along each axis of a run; its length is the size of the axis."""

_NAME = re.compile(r"[a-z0-9_]+/[a-z0-9_]+")


@dataclass(frozen=True)
class Metric:
    """One number, or table of numbers, per iteration."""

    name: str
    """`group/quantity`, lower case."""
    version: int
    """Rises when the formula changes."""
    unit: str
    """SI, `-` for none, or `factor's` where it is that of each factor."""
    axes: tuple[str, ...]
    """From `AXES`, in the order of the tensor's dimensions."""
    definition: str
    """The formula in words; what NaN means."""


METRICS: dict[str, Metric] = {}
"""All metrics that the imported modules define, by name."""


def define(name: str, unit: str, definition: str, *, axes: tuple[str, ...] = (), version: int = 1) -> str:
    """Add a metric to `METRICS`; returns its name, for the module that computes it.

    Raises:
        ValueError: A malformed name, an unknown axis, or the name is taken by another definition.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"Metric {name!r}: expected `group/quantity` of lower-case letters, digits and _.")
    for axis in axes:
        if axis not in AXES:
            raise unknown_name(f"Metric {name!r}: axis", axis, AXES)
    metric = Metric(name, version, unit, axes, definition)
    if METRICS.setdefault(name, metric) != metric:
        raise ValueError(f"Metric {name!r} is defined twice: {METRICS[name]} and {metric}.")
    return name


def axis_names(layout: AuditLayout, bins: tuple[str, ...] = ()) -> dict[str, tuple[str, ...]]:
    """Names along every axis of a run; `bins` are the labels of the episode-length bins."""
    return {
        "term": layout.reward_terms,
        "cause": layout.causes,
        "fault": layout.fault_kinds,
        "bucket": layout.bucket_labels,
        "bin": bins,
        "factor": layout.factors,
        "terrain": layout.terrain_classes,
    }


def metric_of(name: str) -> Metric:
    """The definition of a metric.

    Raises:
        UnknownName: Nobody defined it.
    """
    if name not in METRICS:
        raise unknown_name("Metric", name, METRICS)
    return METRICS[name]


def check_flush(flush: Flush, axes: AxisNames) -> None:
    """Refuse values that do not have the shape that their metric's axes give.

    Raises:
        UnknownName: A metric that nobody defined.
        ValueError: A value of another shape.
    """
    for name, value in flush.items():
        metric = metric_of(name)
        shape = tuple(len(axes[axis]) for axis in metric.axes)
        if tuple(value.shape) != shape:
            raise ValueError(f"Metric {name!r}: expected {metric.axes} = {shape}, got {tuple(value.shape)}.")
