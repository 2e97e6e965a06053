"""The gait clock at 2 Hz and 50 control steps a second, so 25 steps a cycle; air time of one foot at 0.02 s a step."""

import pytest
import torch

from surefoot.manifest.task import Gait
from surefoot.mdp.foot_clocks import ContactTime, GaitClock

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


def history(contacts: list[bool]) -> list[tuple[float, float, bool]]:
    """(air time, last air time, touchdown) after each step."""
    clock = ContactTime(1, 1, 0.02, "cpu")
    rows = []
    for contact in contacts:
        clock.step(torch.tensor([[contact]]))
        rows.append((clock.air_time.item(), clock.last_air_time.item(), bool(clock.touchdown.item())))
    return rows


def test_standing_is_no_touchdown() -> None:
    assert history([True, True, True]) == [(0.0, 0.0, False)] * 3


def test_a_swing_of_three_steps_ends_in_one_touchdown() -> None:
    rows = history([True, False, False, False, True, True])
    assert [row[0] for row in rows] == pytest.approx([0, 0.02, 0.04, 0.06, 0, 0])
    assert [row[2] for row in rows] == [False, False, False, False, True, False]
    assert rows[-1][1] == pytest.approx(0.08)  # from the last contact seen to the next: four steps


def test_the_last_swing_is_kept_until_the_next_touchdown() -> None:
    rows = history([False, True, False, False])
    assert [row[1] for row in rows] == pytest.approx([0, 0.04, 0.04, 0.04])


def test_reset_forgets_one_environment_only() -> None:
    clock = ContactTime(2, 1, 0.02, "cpu")
    for _ in range(3):
        clock.step(torch.tensor([[False], [False]]))
    clock.reset(torch.tensor([0]))
    clock.step(torch.tensor([[True], [True]]))
    assert clock.touchdown.flatten().tolist() == [False, True]
    assert clock.last_air_time.flatten().tolist() == pytest.approx([0.0, 0.08])
