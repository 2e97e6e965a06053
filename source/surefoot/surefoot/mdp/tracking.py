"""How well a velocity command is followed in one control step; the evaluation and the accounts both measure with these.

Frames: `_w` world, `_yaw` world rotated about z to the heading of the base.
"""

import torch
from torch import Tensor


def lin_vel_error(command: Tensor, base_lin_vel_yaw: Tensor) -> Tensor:
    """Length of the difference between commanded and actual horizontal velocity.

    Args:
        command: vx, vy (m/s), yaw rate (rad/s), yaw frame. Shape (n, 3).
        base_lin_vel_yaw: Velocity of the base origin, m/s, yaw frame. Shape (n, 3).

    Returns:
        m/s. Shape (n,).
    """
    return torch.hypot(command[:, 0] - base_lin_vel_yaw[:, 0], command[:, 1] - base_lin_vel_yaw[:, 1])


def yaw_rate_error(command: Tensor, base_ang_vel_w: Tensor) -> Tensor:
    """Absolute difference between commanded and actual rotation about the world's vertical.

    Args:
        command: vx, vy (m/s), yaw rate (rad/s). Shape (n, 3).
        base_ang_vel_w: Angular velocity of the base, rad/s, world frame. Shape (n, 3).

    Returns:
        rad/s. Shape (n,).
    """
    return (command[:, 2] - base_ang_vel_w[:, 2]).abs()


def horizontal_speed(base_lin_vel_yaw: Tensor) -> Tensor:
    """Speed over the ground, m/s. Shape (n, 3) to (n,)."""
    return torch.hypot(base_lin_vel_yaw[:, 0], base_lin_vel_yaw[:, 1])
