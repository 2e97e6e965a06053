"""Kicks: when and how hard."""

import pytest
import torch

from surefoot.manifest.randomization import Push
from surefoot.randomization.pushes import Pushes
from surefoot.randomization.streams import Streams


def pushes(num_envs: int, **changes) -> Pushes:
    values = {"interval": (1.0, 3.0), "lin_vel_xy": 0.5, "ang_vel_z": 0.25} | changes
    return Pushes(Push(**values), num_envs, Streams(0, num_envs, "cpu"))


def test_the_mean_interval_is_that_of_its_range() -> None:
    kicks = pushes(500)
    count = sum(len(kicks.step(0.1)[0]) for _ in range(1000))
    # 500 environments, 100 s, 2 s between kicks; countdowns end on steps of 0.1 s, so 0.05 s late in the mean.
    assert count == pytest.approx(500 * 100 / 2.05, rel=0.02)


def test_no_kick_comes_before_the_shortest_or_after_the_longest_interval() -> None:
    kicks = pushes(50)
    last = torch.zeros(50)
    gaps = []
    for step in range(1, 400):
        env_ids, _ = kicks.step(0.05)
        gaps += (step * 0.05 - last[env_ids]).tolist()
        last[env_ids] = step * 0.05
    assert min(gaps) >= 1.0 - 1e-3
    assert max(gaps) <= 3.0 + 0.05 + 1e-3


def test_sizes_fill_both_signs_of_each_axis() -> None:
    kicks = pushes(20_000, interval=(0.5, 0.5))
    env_ids, change = kicks.step(1.0)
    assert len(env_ids) == 20_000
    for axis, size in enumerate((0.5, 0.5, 0.25)):
        assert change[:, axis].abs().max() <= size
        assert change[:, axis].max() > 0.99 * size
        assert change[:, axis].min() < -0.99 * size
        assert change[:, axis].mean().item() == pytest.approx(0.0, abs=0.02 * size)


def test_no_kick_is_an_empty_change() -> None:
    env_ids, change = pushes(3).step(0.02)
    assert env_ids.tolist() == []
    assert change.shape == (0, 3)


@pytest.mark.parametrize(("lin", "ang", "enabled"), [(0.0, 0.0, False), (0.5, 0.0, True), (0.0, 0.1, True)])
def test_sizes_of_zero_switch_kicks_off(lin: float, ang: float, enabled: bool) -> None:
    assert pushes(1, lin_vel_xy=lin, ang_vel_z=ang).enabled is enabled


def test_an_episode_starts_its_own_countdown_whatever_came_before() -> None:
    streams = [Streams(0, 4, "cpu") for _ in range(2)]
    push = Push(interval=(1.0, 3.0), lin_vel_xy=0.5, ang_vel_z=0.25)
    busy, fresh = (Pushes(push, 4, source) for source in streams)
    for _ in range(100):
        busy.step(0.1)  # several kicks in the first episode
    for source, kicks in zip(streams, (busy, fresh), strict=True):
        source.begin_episode(torch.arange(4))
        kicks.reset(torch.arange(4))
    assert torch.equal(busy.time_left, fresh.time_left)
    for _ in range(100):
        one, two = busy.step(0.1), fresh.step(0.1)
        assert torch.equal(one[0], two[0])
        assert torch.equal(one[1], two[1])


def test_kicks_and_intervals_of_one_environment_differ_from_draw_to_draw() -> None:
    kicks = pushes(1)
    changes, times = [], []
    while len(changes) < 20:
        env_ids, change = kicks.step(0.1)
        if len(env_ids) > 0:
            changes.append(tuple(change[0].tolist()))
            times.append(kicks.time_left.item())
    assert len(set(changes)) == len(set(times)) == 20
