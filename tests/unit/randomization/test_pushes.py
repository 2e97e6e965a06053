"""Kicks: when and how hard."""

import pytest
import torch

from surefoot.manifest.learning import Push
from surefoot.randomization.pushes import Pushes
from surefoot.randomization.streams import Streams


def pushes(num_envs: int, **changes) -> Pushes:
    values = {"interval": (1.0, 3.0), "lin_vel_xy": 0.5, "ang_vel_z": 0.25} | changes
    return Pushes(Push(**values), num_envs, Streams(0, "cpu"))


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
