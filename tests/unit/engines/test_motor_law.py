"""The torque-speed curve, with the numbers of ANYmal's drive: stall 120 N m, limit 80 N m, no-load speed 7.5 rad/s."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from surefoot.engines.motor_law import dc_motor_torque

STALL, LIMIT, SPEED = 120.0, 80.0, 7.5
CORNER = 12.5  # 7.5 (1 + 80 / 120): there the curve, 120 (1 - v / 7.5), is at -80


def law(wanted: float, vel: float) -> float:
    numbers = (torch.tensor([value], dtype=torch.float64) for value in (wanted, vel, STALL, LIMIT, SPEED))
    return float(dc_motor_torque(*numbers))


@pytest.mark.parametrize(
    ("wanted", "vel", "expected"),
    [
        (200.0, 0.0, 80.0),  # stands still: the limit, below the stall torque
        (-200.0, 0.0, -80.0),
        (30.0, 0.0, 30.0),
        (200.0, 2.5, 80.0),  # 120 (1 - 1/3): where the curve meets the limit
        (200.0, 5.0, 40.0),  # 120 (1 - 2/3)
        (39.0, 5.0, 39.0),
        (-200.0, 5.0, -80.0),  # braking: the curve would allow 120 (1 + 2/3)
        (200.0, 7.5, 0.0),  # no-load speed
        (-200.0, -7.5, 0.0),
        (200.0, 10.0, -40.0),  # driven faster than that, it brakes whatever is wanted
        (0.0, 10.0, -40.0),
        (-60.0, 10.0, -60.0),
        (200.0, CORNER, -80.0),
        (200.0, 100.0, -80.0),  # and never with more than the limit
        (-200.0, -100.0, 80.0),
    ],
)
def test_four_quadrants(wanted: float, vel: float, expected: float) -> None:
    assert law(wanted, vel) == pytest.approx(expected, abs=1e-9)
    assert law(-wanted, -vel) == pytest.approx(-expected, abs=1e-9)


@given(st.floats(-300, 300), st.floats(-30, 30))
def test_two_clips_one_after_the_other_are_the_curve(wanted: float, vel: float) -> None:
    """What the engine `mujoco` makes of it: `forcerange`, a damper, `actfrcrange`."""
    back_emf = STALL / SPEED * vel
    inner = min(max(wanted + back_emf, -STALL), STALL) - back_emf
    assert law(wanted, vel) == pytest.approx(min(max(inner, -LIMIT), LIMIT), abs=1e-9)


@given(st.floats(-300, 300), st.floats(-30, 30), st.floats(0.2, 2.0))
def test_a_stronger_motor_is_the_same_motor_times_its_strength(wanted: float, vel: float, strength: float) -> None:
    numbers = (strength * wanted, vel, strength * STALL, strength * LIMIT, SPEED)
    scaled = dc_motor_torque(*(torch.tensor([value], dtype=torch.float64) for value in numbers))
    assert float(scaled) == pytest.approx(strength * law(wanted, vel), abs=1e-9)
