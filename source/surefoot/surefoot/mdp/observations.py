"""Observation terms: blocks of an observation vector, shape (num_envs, n), and how each mirrors left to right.

Mirror kinds: `vector` (x, -y, z), `axial` (-x, y, -z) for angular velocities, `planar` (x, -y, -yaw) for commands,
`joints` and `feet` permuted and signed by the robot definition, `feet_pairs` two feet blocks in a row, `scan` rows of
points from right to left swapped, `scalar` unchanged.
"""

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

Mirror = Literal["vector", "axial", "planar", "joints", "feet", "feet_pairs", "scan", "scalar"]

MIRROR: dict[str, Mirror] = {}
"""How each observation term of this module mirrors."""


def observation(mirror: Mirror) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    """Declare how the result of an observation term mirrors left to right."""

    def register(func: Callable[..., Tensor]) -> Callable[..., Tensor]:
        MIRROR[func.__name__] = mirror
        return func

    return register


@observation("axial")
def base_ang_vel(base_ang_vel_b: Tensor) -> Tensor:
    """Angular velocity, rad/s, base frame. Shape (num_envs, 3)."""
    return base_ang_vel_b


@observation("vector")
def base_lin_vel(base_lin_vel_b: Tensor) -> Tensor:
    """Linear velocity, m/s, base frame; no sensor measures it. Shape (num_envs, 3)."""
    return base_lin_vel_b


@observation("vector")
def projected_gravity(projected_gravity_b: Tensor) -> Tensor:
    """Unit vector of gravity, base frame. Shape (num_envs, 3)."""
    return projected_gravity_b


@observation("vector")
def imu_lin_acc(imu_lin_acc_b: Tensor) -> Tensor:
    """What the IMU's accelerometer measures, m/s^2, base frame: +9.81 upwards at rest. Shape (num_envs, 3).

    It mirrors as if the IMU sat in the robot's plane of symmetry.
    """
    return imu_lin_acc_b


@observation("joints")
def joint_pos_rel(joint_pos_rel: Tensor) -> Tensor:
    """Joint positions minus the default pose, rad. Shape (num_envs, num_joints)."""
    return joint_pos_rel


@observation("joints")
def joint_vel(joint_vel: Tensor) -> Tensor:
    """Joint velocities, rad/s. Shape (num_envs, num_joints)."""
    return joint_vel


@observation("joints")
def joint_torque(joint_torque: Tensor) -> Tensor:
    """Motor torques, N m. Shape (num_envs, num_joints)."""
    return joint_torque


@observation("joints")
def last_action(action: Tensor) -> Tensor:
    """The action of the step that has just ended. Shape (num_envs, num_actions)."""
    return action


@observation("planar")
def velocity_command(command: Tensor) -> Tensor:
    """vx, vy (m/s), yaw rate (rad/s), base yaw frame. Shape (num_envs, 3)."""
    return command


@observation("feet_pairs")
def gait_clock(foot_phase: Tensor, is_moving: Tensor) -> Tensor:
    """Sine of every foot's phase, then cosine; zero while standing. Shape (num_envs, 2 * num_feet)."""
    angle = 2 * math.pi * foot_phase
    return torch.cat((torch.sin(angle), torch.cos(angle)), dim=1) * is_moving.unsqueeze(1)


@observation("scalar")
def base_height(base_height: Tensor) -> Tensor:
    """Height over the ground, m. Shape (num_envs, 1)."""
    return base_height.unsqueeze(1)


@observation("feet")
def foot_contact(foot_in_contact: Tensor) -> Tensor:
    """1 where a foot touches the ground. Shape (num_envs, num_feet)."""
    return foot_in_contact.to(torch.float32)


@observation("feet")
def foot_height(foot_height: Tensor) -> Tensor:
    """Clearance of the soles, m. Shape (num_envs, num_feet)."""
    return foot_height


@observation("scan")
def height_scan(height_scan: Tensor, offset: float) -> Tensor:
    """Height of the base over the scanned points minus `offset`, m. Shape (num_envs, num_rays)."""
    return height_scan - offset
