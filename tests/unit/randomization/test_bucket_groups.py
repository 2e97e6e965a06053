"""Buckets of an evaluation: balanced within each command, and nothing to do with the command."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.manifest.randomization import Randomization
from surefoot.randomization.buckets import Buckets
from surefoot.randomization.streams import Streams

PUSH = {"interval": (5.0, 10.0), "lin_vel_xy": 0.5, "ang_vel_z": 0.3}


def buckets(
    num_envs: int, group: int, radices: tuple[int, ...] = (4, 3), seed: int = 0, mode: str = "startup"
) -> Buckets:
    names = ("friction", "link_mass", "motor_strength")[: len(radices)]
    factors = {
        name: {"edges": tuple(0.5 + 0.1 * k for k in range(radix + 1)), "mode": mode}
        for name, radix in zip(names, radices, strict=True)
    }
    randomization = Randomization.model_validate({"factors": factors, "bucket_by": tuple(names), "push": PUSH})
    return Buckets(randomization, Streams(seed, num_envs, "cpu", purpose="evaluation/"), group=group)


def digits(ids: torch.Tensor, radices: tuple[int, ...]) -> list[torch.Tensor]:
    out = []
    for radix in reversed(radices):
        out.insert(0, ids % radix)
        ids = ids // radix
    return out


@settings(max_examples=40)
@given(
    group=st.integers(1, 17),
    groups=st.integers(1, 12),
    radices=st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple),
    seed=st.integers(0, 1000),
)
def test_every_interval_is_as_frequent_as_the_others_in_every_group(
    group: int, groups: int, radices: tuple[int, ...], seed: int
) -> None:
    ids = buckets(group * groups, group, radices, seed).ids
    for digit, radix in zip(digits(ids, radices), radices, strict=True):
        counts = torch.nn.functional.one_hot(digit.view(groups, group), radix).sum(dim=1)
        assert (counts.amax(dim=1) - counts.amin(dim=1)).max() <= 1


def test_no_command_goes_with_an_interval() -> None:
    """36 commands of 8 robots, as evaluated; over 50 seeds each yaw rate meets each friction interval as often."""
    counts = torch.zeros(3, 4)
    for seed in range(50):
        friction = digits(buckets(288, 8, seed=seed).ids, (4, 3))[0].view(12, 3, 8)  # yaw rate varies fastest
        for yaw in range(3):
            counts[yaw] += torch.bincount(friction[:, yaw].flatten(), minlength=4)
    assert counts.flatten().tolist() == [1200.0] * 12  # 2 of 8 in every command


def test_what_comes_together_is_drawn() -> None:
    """All 12 combinations, each about 1200 times of 14,400; before, a command had 8 successive ones."""
    counts = torch.zeros(12)
    for seed in range(50):
        counts += torch.bincount(buckets(288, 8, seed=seed).ids, minlength=12)
    assert counts.min() > 1100 and counts.max() < 1300


def test_values_lie_in_their_bucket_also_in_later_episodes() -> None:
    drawn = buckets(24, 8, mode="reset")
    drawn._streams.begin_episode(torch.arange(24))
    before = drawn.ids.clone()
    drawn.resample(torch.arange(24))
    assert torch.equal(drawn.ids, before)  # no turns in an evaluation
    low = 0.5 + 0.1 * digits(drawn.ids, (4, 3))[0]
    assert ((drawn.values["friction"] >= low - 1e-6) & (drawn.values["friction"] <= low + 0.1 + 1e-6)).all()


def test_an_evaluation_draws_other_numbers_than_a_training_of_the_same_seed() -> None:
    env_ids = torch.arange(5)
    training, evaluation = Streams(0, 5, "cpu"), Streams(0, 5, "cpu", purpose="evaluation/")
    for stream in ("resets", "factors", "noise/actor"):
        assert not torch.isclose(training.uniform(stream, env_ids, 3), evaluation.uniform(stream, env_ids, 3)).any()


@pytest.mark.parametrize("group", [1, 8])
def test_draws_repeat(group: int) -> None:
    assert torch.equal(buckets(48, group).ids, buckets(48, group).ids)
    assert not torch.equal(buckets(48, group).ids, buckets(48, group, seed=1).ids)
