"""Values in force of the randomised factors, by hand and as they are drawn."""

import torch

from surefoot.audit.accounts.factor_values import factor_metrics
from surefoot.audit.accounts.metrics import axis_names, check_flush
from surefoot.audit.accounts.observe import audit_layout
from surefoot.manifest import Manifest, validate
from surefoot.randomization.buckets import Buckets
from surefoot.randomization.streams import Streams


def test_mean_smallest_and_largest_by_hand() -> None:
    found = factor_metrics(
        {"control_delay": torch.tensor([0, 2, 2, 4]), "friction": torch.tensor([0.5, 1.0, 0.5, 0.0])}
    )
    assert {name: value.tolist() for name, value in found.items()} == {
        "factor/mean": [2.0, 0.5],
        "factor/min": [0.0, 0.0],
        "factor/max": [4.0, 1.0],
    }


def test_without_a_factor_there_is_nothing() -> None:
    assert factor_metrics({}) == {}


def test_a_factor_that_is_drawn_for_each_episode_changes_and_one_of_the_start_does_not(go1_manifest: Manifest) -> None:
    data = go1_manifest.to_plain()
    data["randomization"]["factors"] = {
        "payload_mass": {"mode": "startup", "edges": [-1.0, 1.0]},
        "friction": {"mode": "reset", "edges": [0.4, 1.2]},
    }
    data["randomization"]["bucket_by"] = []
    manifest = validate(data)
    streams = Streams(0, 100, "cpu")
    buckets = Buckets(manifest.randomization, streams)
    axes = axis_names(audit_layout(manifest, buckets))
    assert axes["factor"] == ("friction", "payload_mass")
    first = factor_metrics(buckets.values)
    check_flush(first, axes)
    env_ids = torch.arange(100)
    streams.begin_episode(env_ids)
    buckets.resample(env_ids)
    second = factor_metrics(buckets.values)
    assert (first["factor/mean"] != second["factor/mean"]).tolist() == [True, False]
    for flush in (first, second):
        low, mean, high = (flush[f"factor/{name}"] for name in ("min", "mean", "max"))
        assert 0.4 <= low[0] < mean[0] < high[0] <= 1.2
        assert abs(float(mean[0]) - 0.8) < 0.1  # standard error 0.8 / sqrt(12 * 100) = 0.023
