"""Velocity commands: ranges, standing share, countdown, hold."""

import pytest
import torch

from surefoot.manifest.task import Commands
from surefoot.mdp.commands import VelocityCommands
from surefoot.randomization.streams import Streams

RANGES = Commands(
    lin_vel_x=(-0.5, 1.0),
    lin_vel_y=(-0.25, 0.25),
    ang_vel_z=(0.5, 0.75),
    resampling_time=(2.0, 4.0),
    standing_fraction=0.25,
    moving_threshold=0.1,
)


def commands(num_envs: int, ranges: Commands = RANGES, seed: int = 0) -> VelocityCommands:
    return VelocityCommands(ranges, torch.zeros(num_envs, 3), Streams(seed, num_envs, "cpu"))


def test_draws_fill_their_ranges_and_a_quarter_stands() -> None:
    drawn = commands(20_000)
    drawn.resample(torch.arange(20_000))
    standing = (drawn.buffer == 0).all(dim=1)
    # Standard deviation of the share: sqrt(0.25 * 0.75 / 20000) = 0.003.
    assert standing.float().mean().item() == pytest.approx(0.25, abs=0.012)
    moving = drawn.buffer[~standing]
    for axis, (low, high) in enumerate((RANGES.lin_vel_x, RANGES.lin_vel_y, RANGES.ang_vel_z)):
        values = moving[:, axis]
        assert low <= values.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < values.max() <= high
        assert values.mean().item() == pytest.approx((low + high) / 2, abs=0.02)


def test_time_to_the_next_command_fills_its_range() -> None:
    drawn = commands(10_000)
    drawn.resample(torch.arange(10_000))
    assert 2.0 <= drawn.time_left.min() < 2.02
    assert 3.98 < drawn.time_left.max() <= 4.0


def test_a_command_is_held_until_its_time_is_up() -> None:
    drawn = commands(1)
    drawn.resample(torch.tensor([0]))
    first, left = drawn.buffer.clone(), drawn.time_left.item()
    steps = 0
    while torch.equal(drawn.buffer, first):
        drawn.step(0.02)
        steps += 1
        assert steps < 1000
    assert steps * 0.02 == pytest.approx(left, abs=0.021)


def test_only_the_named_environments_get_new_commands() -> None:
    drawn = commands(4, RANGES.model_copy(update={"standing_fraction": 0.0}))
    drawn.resample(torch.arange(4))
    before = drawn.buffer.clone()
    drawn.resample(torch.tensor([1, 3]))
    same = (drawn.buffer == before).all(dim=1)
    assert same[[0, 2]].all()
    assert not same[[1, 3]].any()


def test_an_environment_with_no_time_step_does_not_count_down() -> None:
    drawn = commands(2)
    drawn.resample(torch.arange(2))
    before = drawn.time_left.clone()
    drawn.step(torch.tensor([0.02, 0.0]))
    assert (before - drawn.time_left).tolist() == pytest.approx([0.02, 0.0])


def test_held_commands_stay_whatever_happens() -> None:
    drawn = commands(3)
    drawn.hold(torch.tensor([0.5, 0.0, -0.5]))
    for _ in range(10):
        drawn.step(1.0)
    drawn.resample(torch.arange(3))
    assert drawn.buffer.tolist() == [[0.5, 0.0, -0.5]] * 3
    assert drawn.held


def test_held_commands_may_differ_between_environments() -> None:
    drawn = commands(2)
    drawn.hold(torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.25, 0.0]]))
    assert drawn.buffer.tolist() == [[1.0, 0.0, 0.0], [0.0, 0.25, 0.0]]


def test_equal_seeds_give_equal_commands() -> None:
    one, two, other = commands(5, seed=3), commands(5, seed=3), commands(5, seed=4)
    for drawn in (one, two, other):
        drawn.resample(torch.arange(5))
    assert torch.equal(one.buffer, two.buffer)
    assert not torch.equal(one.buffer, other.buffer)


def test_commands_of_an_episode_do_not_depend_on_the_episode_before() -> None:
    streams = [Streams(0, 3, "cpu") for _ in range(2)]
    busy, fresh = (VelocityCommands(RANGES, torch.zeros(3, 3), source) for source in streams)
    for _ in range(7):
        busy.resample(torch.arange(3))
    for source, drawn in zip(streams, (busy, fresh), strict=True):
        source.begin_episode(torch.arange(3))
        drawn.reset(torch.arange(3))
    for _ in range(100):
        assert torch.equal(busy.buffer, fresh.buffer)
        assert torch.equal(busy.time_left, fresh.time_left)
        busy.step(0.2)
        fresh.step(0.2)


def test_commands_within_an_episode_differ() -> None:
    drawn = commands(1, RANGES.model_copy(update={"standing_fraction": 0.0}))
    seen = set()
    for _ in range(20):
        drawn.resample(torch.tensor([0]))
        seen.add(tuple(drawn.buffer[0].tolist()))
    assert len(seen) == 20
