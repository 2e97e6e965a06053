"""The state that an episode starts from: every draw within its range, and the range filled."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from surefoot.manifest.task import Resets
from surefoot.randomization.resets import sample_reset
from surefoot.randomization.streams import Streams

RANGES = {
    "position_xy": (-0.5, 0.25),
    "lin_vel": (-0.3, 0.3),
    "ang_vel": (0.1, 0.2),
    "joint_pos": (-0.1, 0.05),
    "joint_vel": (-2.0, -1.0),
}
RESETS = Resets(**RANGES, yaw=(-math.pi, math.pi), randomize_episode_start=True)
N = 5000


@pytest.mark.parametrize(
    ("field", "shape", "key"),
    [
        ("position_xy", (N, 2), "position_xy"),
        ("lin_vel_w", (N, 3), "lin_vel"),
        ("ang_vel_b", (N, 3), "ang_vel"),
        ("joint_pos_offset", (N, 12), "joint_pos"),
        ("joint_vel", (N, 12), "joint_vel"),
    ],
)
def test_draws_fill_their_range(field: str, shape: tuple[int, ...], key: str) -> None:
    drawn = getattr(sample_reset(RESETS, torch.arange(N), 12, Streams(0, N, "cpu")), field)
    low, high = RANGES[key]
    assert tuple(drawn.shape) == shape
    assert low - 1e-6 <= drawn.min() < low + 0.01 * (high - low)
    assert high - 0.01 * (high - low) < drawn.max() <= high + 1e-6


def test_headings_go_all_round_and_gait_phases_are_fractions() -> None:
    start = sample_reset(RESETS, torch.arange(N), 12, Streams(0, N, "cpu"))
    assert start.yaw.min() >= 0
    assert start.yaw.max() < 2 * math.pi + 1e-6
    quarters = torch.histc(start.yaw, bins=4, min=0.0, max=2 * math.pi) / N
    assert quarters.tolist() == pytest.approx([0.25] * 4, abs=0.03)
    assert 0 <= start.gait_phase.min() < 0.01
    assert 0.99 < start.gait_phase.max() < 1


def test_a_range_of_one_value_gives_that_value() -> None:
    ranges = RESETS.model_copy(update={"joint_vel": (0.0, 0.0)})
    start = sample_reset(ranges, torch.arange(4), 12, Streams(0, 4, "cpu"))
    assert start.joint_vel.abs().max() == 0.0


def test_resets_draw_from_their_own_stream() -> None:
    streams, beside = Streams(0, 3, "cpu"), Streams(0, 3, "cpu")
    beside.uniform("commands", None, 100)
    one, two = (sample_reset(RESETS, torch.arange(3), 12, source) for source in (streams, beside))
    assert torch.equal(one.joint_pos_offset, two.joint_pos_offset)


@given(st.permutations(range(6)))
def test_each_environment_gets_its_own_start_in_whatever_order(order: list[int]) -> None:
    streams = Streams(0, 6, "cpu")
    together = sample_reset(RESETS, torch.arange(6), 12, streams)
    permuted = sample_reset(RESETS, torch.tensor(order), 12, streams)
    for name, value in vars(together).items():
        assert torch.equal(getattr(permuted, name), value[order]), name


def test_no_number_of_a_start_is_used_twice() -> None:
    wide = Resets(**dict.fromkeys(RANGES, (0.0, 1.0)), yaw=(0.0, 1.0), randomize_episode_start=True)
    start = sample_reset(wide, torch.arange(20), 12, Streams(0, 20, "cpu"))
    numbers = torch.cat([value.flatten() for value in vars(start).values()])
    assert len(numbers.unique()) == len(numbers) == 20 * (2 + 1 + 3 + 3 + 12 + 12 + 1)
