"""Rotations against SciPy's, which takes quaternions as (x, y, z, w)."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from surefoot.mdp import frames

RNG = np.random.default_rng(0)
ROTATIONS = Rotation.random(200, rng=RNG)
VECTORS = RNG.normal(size=(200, 3))
QUAT = torch.tensor(np.roll(ROTATIONS.as_quat(), 1, axis=1))
VEC = torch.tensor(VECTORS)


def about_z(angles: np.ndarray) -> Rotation:
    return Rotation.from_rotvec(np.stack((0 * angles, 0 * angles, angles), axis=1))


def test_a_quarter_turn_left_takes_x_to_y() -> None:
    quat = torch.tensor([[math.sqrt(0.5), 0.0, 0.0, math.sqrt(0.5)]])
    out = frames.rotate(quat, torch.tensor([[1.0, 0.0, 5.0]]))
    assert out[0].tolist() == pytest.approx([0.0, 1.0, 5.0], abs=1e-6)


def test_rotate_agrees_with_scipy() -> None:
    np.testing.assert_allclose(frames.rotate(QUAT, VEC).numpy(), ROTATIONS.apply(VECTORS), atol=1e-12)


def test_rotate_inverse_agrees_with_scipy() -> None:
    np.testing.assert_allclose(frames.rotate_inverse(QUAT, VEC).numpy(), ROTATIONS.inv().apply(VECTORS), atol=1e-12)


def test_rotate_inverse_undoes_rotate() -> None:
    torch.testing.assert_close(frames.rotate_inverse(QUAT, frames.rotate(QUAT, VEC)), VEC)


def test_gravity_is_world_down_in_the_rotated_frame() -> None:
    expected = ROTATIONS.inv().apply([0.0, 0.0, -1.0])
    np.testing.assert_allclose(frames.gravity_direction(QUAT).numpy(), expected, atol=1e-12)


def test_nose_down_sees_gravity_ahead() -> None:
    pitch = math.radians(30)  # positive pitch about y (left) lowers the nose
    quat = torch.tensor([[math.cos(pitch / 2), 0.0, math.sin(pitch / 2), 0.0]])
    assert frames.gravity_direction(quat)[0].tolist() == pytest.approx([0.5, 0.0, -math.cos(pitch)])


def test_yaw_frame_turns_by_the_heading_of_the_nose_only() -> None:
    forward = ROTATIONS.apply([1.0, 0.0, 0.0])
    yaw = np.arctan2(forward[:, 1], forward[:, 0])
    expected = about_z(-yaw).apply(VECTORS)
    np.testing.assert_allclose(frames.to_yaw_frame(QUAT, VEC).numpy(), expected, atol=1e-9)


def test_yaw_frame_keeps_z_and_length() -> None:
    out = frames.to_yaw_frame(QUAT, VEC)
    assert torch.equal(out[:, 2], VEC[:, 2])
    torch.testing.assert_close(out.norm(dim=1), VEC.norm(dim=1))


def test_quat_from_yaw_agrees_with_scipy() -> None:
    yaw = torch.linspace(-math.pi, math.pi, 9, dtype=torch.float64)
    expected = np.roll(about_z(yaw.numpy()).as_quat(), 1, axis=1)
    np.testing.assert_allclose(frames.quat_from_yaw(yaw).numpy(), expected, atol=1e-12)


def test_a_vertical_nose_gives_no_nan() -> None:
    quat = torch.tensor([[math.sqrt(0.5), 0.0, math.sqrt(0.5), 0.0]])
    assert torch.isfinite(frames.to_yaw_frame(quat, torch.ones(1, 3))).all()
