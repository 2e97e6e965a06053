"""The gait clock: 2 Hz at 50 control steps a second, so 25 steps a cycle."""

import pytest
import torch

from surefoot.manifest.task import Gait
from surefoot.mdp.gait import GaitClock

TROT = Gait(frequency=2.0, foot_phase=(0.0, 0.5, 0.5, 0.0), swing_height=0.08)


def clock(num_envs: int = 1, gait: Gait = TROT) -> GaitClock:
    return GaitClock(gait, num_envs, 0.02, "cpu")


def test_a_step_is_a_25th_of_the_cycle() -> None:
    gait = clock()
    gait.step()
    assert gait.phase.item() == pytest.approx(0.04)


def test_the_cycle_closes_after_25_steps() -> None:
    gait = clock()
    gait.reset(torch.tensor([0]), torch.tensor([0.3]))
    for _ in range(25):
        gait.step()
    assert gait.phase.item() == pytest.approx(0.3, abs=1e-5)


def test_feet_run_at_their_offsets_and_stay_below_1() -> None:
    gait = clock()
    gait.reset(torch.tensor([0]), torch.tensor([0.75]))
    assert gait.foot_phase()[0].tolist() == pytest.approx([0.75, 0.25, 0.25, 0.75])


def test_swing_is_half_a_sine_with_its_apex_at_a_quarter_and_stance_is_0() -> None:
    phases = torch.tensor([0.0, 1 / 12, 0.25, 0.5, 0.75])
    gait = clock(5, Gait(frequency=2.0, foot_phase=(0.0,), swing_height=0.08))
    gait.reset(torch.arange(5), phases)
    moving = torch.ones(5, dtype=torch.bool)
    height = gait.foot_height_target(moving).flatten()
    assert height.tolist() == pytest.approx([0.0, 0.04, 0.08, 0.0, 0.0], abs=1e-6)  # sin(30°) = 1/2


def test_no_foot_is_asked_to_rise_while_standing() -> None:
    gait = clock(2)
    gait.reset(torch.arange(2), torch.tensor([0.25, 0.25]))
    height = gait.foot_height_target(torch.tensor([True, False]))
    assert height[0].max() == pytest.approx(0.08)
    assert height[1].tolist() == [0.0] * 4


def test_diagonal_feet_swing_together_in_a_trot() -> None:
    gait = clock()
    gait.reset(torch.tensor([0]), torch.tensor([0.25]))
    height = gait.foot_height_target(torch.tensor([True]))[0]
    assert height.tolist() == pytest.approx([0.08, 0.0, 0.0, 0.08], abs=1e-6)


def test_reset_touches_only_its_environments() -> None:
    gait = clock(3)
    gait.step()
    gait.reset(torch.tensor([1]), torch.tensor([0.5]))
    assert gait.phase.tolist() == pytest.approx([0.04, 0.5, 0.04])
