"""The state that an episode starts from: every draw within its range, and the range filled."""

import math

import pytest
import torch

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
    drawn = getattr(sample_reset(RESETS, N, 12, Streams(0, "cpu")), field)
    low, high = RANGES[key]
    assert tuple(drawn.shape) == shape
    assert low - 1e-6 <= drawn.min() < low + 0.01 * (high - low)
    assert high - 0.01 * (high - low) < drawn.max() <= high + 1e-6


def test_headings_go_all_round_and_gait_phases_are_fractions() -> None:
    start = sample_reset(RESETS, N, 12, Streams(0, "cpu"))
    assert start.yaw.min() >= 0
    assert start.yaw.max() < 2 * math.pi + 1e-6
    quarters = torch.histc(start.yaw, bins=4, min=0.0, max=2 * math.pi) / N
    assert quarters.tolist() == pytest.approx([0.25] * 4, abs=0.03)
    assert 0 <= start.gait_phase.min() < 0.01
    assert 0.99 < start.gait_phase.max() < 1


def test_a_range_of_one_value_gives_that_value() -> None:
    start = sample_reset(RESETS.model_copy(update={"joint_vel": (0.0, 0.0)}), 4, 12, Streams(0, "cpu"))
    assert start.joint_vel.abs().max() == 0.0


def test_resets_draw_from_their_own_stream() -> None:
    streams, beside = Streams(0, "cpu"), Streams(0, "cpu")
    beside.uniform("commands", (100,), 0, 1)
    one, two = (sample_reset(RESETS, 3, 12, source) for source in (streams, beside))
    assert torch.equal(one.joint_pos_offset, two.joint_pos_offset)
