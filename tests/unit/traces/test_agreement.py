"""Signals that contradict each other are refused, at any rate, whatever bounds they keep."""

import numpy as np
import pytest

from surefoot.traces import rotation
from surefoot.traces.agreement import Agreement
from trace_cases import JOINTS, header_of, trace_of

GRAVITY = np.array([0.0, 0.0, 9.81])


def said(signals: dict[str, np.ndarray], rate: int) -> list[str]:
    """Findings on a log, read in batches."""
    watch = Agreement("log", {name: header_of((name,)).columns(name) for name in signals})
    stamp = np.arange(len(next(iter(signals.values()))), dtype=np.int64) * (1_000_000_000 // rate)
    for first in range(0, len(stamp), 150):
        part = slice(first, first + 150)
        watch.add(stamp[part], {name: values[part] for name, values in signals.items()})
    return [str(finding) for finding in watch.findings()]


@pytest.mark.parametrize("rate", [50, 500])
def test_velocities_of_other_units_signs_and_joints(rate: int):
    """Slow enough for every bound: 0.3 rad at 0.5 Hz, each joint at a phase of its own."""
    time, phase = np.arange(4 * rate)[:, None] / rate, np.linspace(0, 2 * np.pi, 12, endpoint=False)
    q, dq = 0.3 * np.sin(np.pi * time + phase), 0.3 * np.pi * np.cos(np.pi * time + phase)
    noisy = dq + np.random.default_rng(0).normal(0, 0.2, dq.shape)
    assert said({"q": q, "dq": dq}, rate) == said({"q": q, "dq": noisy}, rate) == []
    (unit,) = said({"q": q, "dq": np.rad2deg(dq)}, rate)
    assert "column dq" in unit and "times the rate at which q changes: wrong unit" in unit and " 57." in unit
    (sign,) = said({"q": q, "dq": -dq}, rate)
    assert "wrong sign" in sign
    moved = [*range(3, 6), *range(3), *range(6, 12)]
    (order,) = said({"q": q, "dq": dq[:, moved]}, rate)
    assert f"dq/{JOINTS[0]} is the rate of another component, that of dq/{JOINTS[3]}" in order


def test_numbers_that_have_nothing_in_common_are_not_judged():
    assert said(dict(trace_of(400, ("q", "dq", "imu_quat", "gyro")).signals), 500) == []


@pytest.mark.parametrize("rate", [50, 500])
def test_orientation_gyro_and_gravity(rate: int):
    """A base that rolls, pitches and turns."""
    time = np.arange(6 * rate) / rate
    rpy = np.stack([0.2 * np.sin(3 * time), 0.15 * np.sin(4.1 * time + 1), 0.8 * time], axis=1)
    quat = rotation.from_rpy(rpy)
    quat[::7] *= -1  # the same rotations
    turn = rotation.multiply(rotation.conjugate(quat[:-2]), quat[2:])
    gyro = np.pad(np.sign(turn[:, :1]) * turn[:, 1:] * rate, ((1, 1), (0, 0)), mode="edge")
    acc = rotation.rotate(rotation.conjugate(quat), GRAVITY)
    right = {"imu_quat": quat, "gyro": gyro, "acc": acc}
    assert said(right, rate) == []
    swapped = said(right | {"imu_quat": quat[:, [1, 2, 3, 0]]}, rate)
    assert any("turns with the gyro if it is read as x, y, z, w" in text for text in swapped)
    assert "wrong unit" in said(right | {"gyro": np.rad2deg(gyro)}, rate)[0]
    assert "wrong sign" in said(right | {"gyro": -gyro}, rate)[0]
    assert "gyro/y" in said(right | {"gyro": gyro[:, [0, 2, 1]]}, rate)[0]
    assert said(right | {"acc": acc / 9.81}, rate) == [
        "refusal: units: log, column acc: 1 m/s^2 in the mean; a robot on the ground shows 9.81"
    ]
    assert "specific force points up" in said(right | {"acc": -acc}, rate)[0]
