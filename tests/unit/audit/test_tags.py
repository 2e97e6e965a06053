"""Tags of the loggers: named by a scheme, bounded in number, allowed by TensorBoard."""

import math
import re

import torch

from audit_cases import AXES
from surefoot.audit.accounts import accounts, factor_values, terrain_level
from surefoot.audit.accounts.metrics import METRICS, Flush
from surefoot.audit.accounts.tags import MOST_BUCKETS, SHOWN, clean, scalars_of
from surefoot.audit.alerts import memory

assert accounts and factor_values and memory and terrain_level  # they define metrics


def full_flush(axes: dict[str, tuple[str, ...]]) -> Flush:
    """A value for every metric that exists."""
    return {
        name: torch.ones([len(axes[axis]) for axis in metric.axes])
        for name, metric in METRICS.items()
        if not name.startswith("case/")
    }


def test_what_is_shown_exists_and_has_one_axis():
    assert [name for name in SHOWN if len(METRICS[name].axes) != 1] == []


def test_tags_follow_the_scheme():
    flush = {
        "reward/mean_per_s": torch.tensor([1.5, -0.5]),
        "reward/total_per_s": torch.tensor(1.0),
        "termination/primary_share": torch.tensor([0.75, 0.25]),
        "bucket/return_mean": torch.tensor([3.0, 2.0, math.nan]),
        "reward_by_bucket/mean_per_s": torch.ones(3, 2),
    }
    assert scalars_of(flush, AXES) == {
        "Reward/track/mean_per_s": 1.5,
        "Reward/torques/mean_per_s": -0.5,
        "Reward/total_per_s": 1.0,
        "Termination/time_out/primary_share": 0.75,
        "Termination/fell/primary_share": 0.25,
        "Bucket/soft/return_mean": 3.0,
        "Bucket/medium/return_mean": 2.0,  # the third was not measured
    }


def test_many_buckets_become_three_numbers():
    axes = AXES | {"bucket": tuple(f"b{i}" for i in range(MOST_BUCKETS + 1))}
    values = torch.arange(MOST_BUCKETS + 1.0).flip(0)
    values[3] = math.nan
    assert scalars_of({"bucket/return_mean": values}, axes) == {
        "Bucket/lowest/return_mean": 0.0,
        "Bucket/median/return_mean": 7.0,  # of 0..16 without 13: the lower of the two in the middle
        "Bucket/highest/return_mean": 16.0,
    }


def test_the_number_of_tags_is_bounded():
    """16 terms, 64 buckets, 6 causes, 8 kinds of faults, 9 terrain classes: what docs/record.md says."""
    axes = {
        "term": tuple(f"term{i}" for i in range(16)),
        "bucket": tuple(f"bucket{i}" for i in range(64)),
        "cause": tuple(f"cause{i}" for i in range(6)),
        "fault": tuple(f"fault{i}" for i in range(8)),
        "bin": tuple(f"bin{i}" for i in range(20)),
        "factor": tuple(f"factor{i}" for i in range(18)),
        "terrain": tuple(f"terrain{i}" for i in range(9)),
    }
    flush = full_flush(axes)
    without_axes = sum(not METRICS[name].axes for name in flush)
    assert len(scalars_of(flush, axes)) == without_axes + 5 * 16 + 6 + 8 + 3 * 3 + 9


def test_bucket_labels_become_tags_that_tensorboard_takes():
    tag = clean("friction 0.4-0.6 | payload 0-2 kg")
    assert tag == "friction_0.4-0.6_payload_0-2_kg"
    assert re.fullmatch(r"[-/\w.]+", tag)
