"""Air time, swing length and touchdown of one foot, at 0.02 s a step."""

import pytest
import torch

from surefoot.mdp.contact_time import ContactTime


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
