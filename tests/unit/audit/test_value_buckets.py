"""Intervals that come from first values, and ids that follow what is read later."""

import math

import pytest
import torch
from torch import Tensor

from manager_env import DT, ManagerEnv
from surefoot.audit.accounts.factor_values import MAX, MIN
from surefoot.audit.attach import attach_to_managers
from surefoot.audit.value_buckets import MOST_BUCKETS, Quantity, ValueBuckets
from surefoot_tasks import audit_config


def quantity(name: str, values: Tensor, changes: bool = False, **more) -> Quantity:
    return Quantity(name, "kg", lambda: values, changes, **more)


def test_intervals_hold_about_as_many_environments_each():
    values = torch.rand(900, generator=torch.Generator().manual_seed(1)) ** 3
    buckets = ValueBuckets([quantity("mass base", values)], 900)
    assert torch.bincount(buckets.ids).tolist() == pytest.approx([300] * 3, abs=20)
    low, high = buckets.edges["mass base"]
    assert buckets.labels == (
        f"mass base below {low:g} kg", f"mass base {low:g}-{high:g} kg", f"mass base from {high:g} kg",
    )  # fmt: skip
    assert buckets.ids.tolist() == [0 if v < low else 1 if v < high else 2 for v in values.tolist()]
    assert len(f"{low:g}") <= 5, "readable"
    assert buckets.fixed and not buckets.notes


def test_two_values_are_two_intervals_and_signs_are_legible():
    values = torch.tensor([-0.02, 0.04, -0.02, 0.04])
    buckets = ValueBuckets([quantity("com_x", values)], 4)
    assert buckets.ids.tolist() == [0, 1, 0, 1]
    assert buckets.labels == ("com_x below 0.01 kg", "com_x from 0.01 kg")
    many = ValueBuckets([quantity("com_x", torch.linspace(-0.3, 0.3, 90))], 90)
    assert many.labels[1] == "com_x -0.1 to 0.1 kg"


def test_ids_of_several_quantities_are_those_of_their_combination():
    mass, grip = torch.tensor([1.0, 1.0, 5.0, 5.0]), torch.tensor([0.2, 0.8, 0.2, 0.8])
    buckets = ValueBuckets([quantity("mass", mass), quantity("friction", grip)], 4)
    assert buckets.ids.tolist() == [0, 1, 2, 3]
    assert buckets.labels[2] == "mass from 3 kg | friction below 0.5 kg"


def test_ids_follow_only_what_can_change():
    mass, grip = torch.tensor([1.0, 1.0, 5.0, 5.0]), torch.tensor([0.2, 0.8, 0.2, 0.8])
    buckets = ValueBuckets([quantity("mass", mass), quantity("friction", grip, changes=True)], 4)
    ids = buckets.ids
    mass.fill_(5.0)
    grip.fill_(0.9)
    assert ids.tolist() == [0, 1, 2, 3]
    buckets.refresh()
    assert buckets.ids is ids and ids.tolist() == [1, 1, 3, 3] and not buckets.fixed
    grip.fill_(0.1)
    buckets.read_again(("something else",))
    assert ids.tolist() == [1, 1, 3, 3]
    metrics = buckets.metrics()
    assert metrics[MIN].tolist() == pytest.approx([1.0, 0.9]) and metrics[MAX].tolist() == pytest.approx([5.0, 0.9])


def test_what_is_equal_now_and_may_change_is_below_at_or_above():
    grip = torch.full((3,), 0.8)
    buckets = ValueBuckets([quantity("friction", grip, changes=True)], 3)
    assert buckets.ids.tolist() == [1, 1, 1]
    grip.copy_(torch.tensor([0.79, 0.8 + 1e-7, 0.81]))
    buckets.refresh()
    assert buckets.ids.tolist() == [0, 1, 2]
    assert buckets.labels == ("friction below 0.8 kg", "friction at 0.8 kg", "friction above 0.8 kg")


def test_what_is_equal_and_stays_so_is_said_and_makes_no_bucket():
    buckets = ValueBuckets([quantity("friction", torch.full((3,), 0.8))], 3)
    assert buckets.labels == ("all",) and buckets.ids.tolist() == [0, 0, 0] and buckets.values == {}
    assert buckets.notes == ("Every environment has the same friction (0.8 kg), so there is nothing to tell apart.",)


def test_what_is_not_a_number_is_said_and_makes_no_bucket():
    buckets = ValueBuckets([quantity("mass", torch.tensor([1.0, math.nan]))], 2)
    assert buckets.labels == ("all",) and "mass is not a finite number" in buckets.notes[0]


def test_a_value_that_stops_being_a_number_later_is_in_some_bucket():
    mass = torch.tensor([1.0, 5.0])
    buckets = ValueBuckets([quantity("mass", mass, changes=True)], 2)
    mass[0] = math.nan
    buckets.refresh()
    assert 0 <= int(buckets.ids.min()) and int(buckets.ids.max()) < len(buckets.labels)


def test_too_many_buckets_get_coarser_and_then_fewer_quantities():
    draw = torch.Generator().manual_seed(0)
    values = [quantity(f"q{k}", torch.rand(500, generator=draw)) for k in range(8)]
    assert len(ValueBuckets(values[:3], 500).labels) == 27
    assert len(ValueBuckets(values[:4], 500).labels) == 16
    buckets = ValueBuckets(values, 500)
    assert len(buckets.labels) == MOST_BUCKETS and list(buckets.values) == [f"q{k}" for k in range(6)]
    assert "q6, q7 make none" in buckets.notes[0] and "bucket_by" in buckets.notes[0]


def test_classes_keep_their_names_and_given_edges_are_used():
    kinds = torch.tensor([0, 1, 1])
    levels = torch.tensor([0, 3, 9])
    buckets = ValueBuckets(
        [
            Quantity("terrain", "-", lambda: kinds, False, classes=("stairs", "slope")),
            Quantity("terrain_level", "-", lambda: levels, True, edges=(3.0, 7.0)),
        ],
        3,
    )
    assert buckets.labels[0] == "stairs | terrain_level below 3" and buckets.labels[4] == "slope | terrain_level 3-7"
    assert buckets.ids.tolist() == [0, 4, 5]


def test_returns_by_bucket_are_those_of_an_independent_ledger():
    """Values change at every reset; an episode belongs to the bucket in force in its last step."""
    env = ManagerEnv(num_envs=6)
    draw = torch.Generator().manual_seed(4)
    mass = torch.rand(6, generator=draw)
    source = ValueBuckets([quantity("mass", mass, changes=True)], 6)
    attached = attach_to_managers(env, audit_config(), source=source)
    edges = source.edges["mass"]
    rows = [[0, 0.0] for _ in source.labels]
    ends: list[list[float]] = [[] for _ in source.labels]
    running = [0.0] * 6
    for _ in range(40):
        env.height = torch.rand(6, generator=draw)
        env.fell = torch.rand(6, generator=draw) < 0.1
        reward = env.step().tolist()
        for index, value in enumerate(mass.tolist()):
            bucket = sum(value >= edge for edge in edges)
            rows[bucket][0] += 1
            rows[bucket][1] += reward[index] / DT
            running[index] += reward[index]
            if env.fell[index]:
                ends[bucket].append(running[index])
                running[index] = 0.0
                mass[index] = torch.rand((), generator=draw)
    flush, _ = attached.end_iteration()
    assert flush["reward_by_bucket/steps"].tolist() == [count for count, _ in rows]
    sums = flush["reward_by_bucket/mean_per_s"].sum(dim=1) * flush["reward_by_bucket/steps"]
    assert sums.tolist() == pytest.approx([total for _, total in rows], rel=1e-5)
    assert flush["bucket/episodes"].tolist() == [len(bucket) for bucket in ends]
    means = [sum(bucket) / len(bucket) for bucket in ends]
    assert flush["bucket/return_mean"].tolist() == pytest.approx(means, rel=1e-5)
    assert min(len(bucket) for bucket in ends) > 0
    assert attached.layout.factors == ("mass",) and MIN in flush
