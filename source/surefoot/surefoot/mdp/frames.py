"""Rotations of vectors by unit quaternions (w, x, y, z)."""

import torch
from torch import Tensor


def cross(a: Tensor, b: Tensor) -> Tensor:
    """Vector product. Shape (n, 3)."""
    return torch.linalg.cross(a, b)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


def rotate(quat: Tensor, vec: Tensor) -> Tensor:
    """Express a vector of the rotated frame in the fixed frame.

    Args:
        quat: Orientation of the rotated frame, (w, x, y, z). Shape (n, 4).
        vec: Shape (n, 3).
    """
    w, xyz = quat[:, :1], quat[:, 1:]
    t = 2 * cross(xyz, vec)
    # v + 2 w (u x v) + 2 u x (u x v) with u the vector part: no product of quaternions.
    return vec + w * t + cross(xyz, t)


def rotate_inverse(quat: Tensor, vec: Tensor) -> Tensor:
    """Express a vector of the fixed frame in the rotated frame. Shapes as in `rotate`."""
    w, xyz = quat[:, :1], quat[:, 1:]
    t = 2 * cross(xyz, vec)
    # The inverse has -u: only the term with one u changes its sign.
    return vec - w * t + cross(xyz, t)


def gravity_direction(quat: Tensor) -> Tensor:
    """The world's (0, 0, -1) in the rotated frame: minus the last row of its matrix. Shape (n, 3)."""
    w, x, y, z = quat.unbind(dim=1)
    return torch.stack((2 * (w * y - x * z), -2 * (y * z + w * x), 2 * (x * x + y * y) - 1), dim=1)


def heading(quat: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and sine of the yaw of the rotated x axis, each of shape (n,)."""
    w, x, y, z = quat.unbind(dim=1)
    forward_x = 1 - 2 * (y * y + z * z)
    forward_y = 2 * (x * y + w * z)
    # A base that points straight up or down has no heading, and gets (0, 0).
    norm = torch.sqrt(forward_x * forward_x + forward_y * forward_y).clamp(min=1e-9)
    return forward_x / norm, forward_y / norm


def to_yaw_frame(quat: Tensor, vec_w: Tensor) -> Tensor:
    """Rotate a world vector about z into the frame that shares the heading. Shape (n, 3)."""
    cos, sin = heading(quat)
    x, y, z = vec_w.unbind(dim=1)
    return torch.stack((cos * x + sin * y, cos * y - sin * x, z), dim=1)


def from_yaw_frame(quat: Tensor, vec_xy: Tensor) -> Tensor:
    """Rotate a horizontal vector of the frame that shares the heading into the world frame. Shape (n, 2)."""
    cos, sin = heading(quat)
    x, y = vec_xy.unbind(dim=1)
    return torch.stack((cos * x - sin * y, sin * x + cos * y), dim=1)


def quat_from_yaw(yaw: Tensor) -> Tensor:
    """Quaternion of a rotation about z by `yaw`, rad. Shape (n, 4)."""
    zero = torch.zeros_like(yaw)
    return torch.stack((torch.cos(yaw / 2), zero, zero, torch.sin(yaw / 2)), dim=1)
