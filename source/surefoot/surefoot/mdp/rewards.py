"""Reward terms: pure functions of tensors.

A parameter named like a RobotState field receives that field, shape (num_envs, ...); every other parameter comes from
the manifest. Each function returns the rate before weight and dt, shape (num_envs,). `l1`, `l2` and `exp` in a name
mean sum of absolute values, sum of squares, and exp(-error^2 / std^2).
"""

import functools
import re

import torch
from torch import Tensor

from surefoot.manifest.base import NonNegativeFloat, PositiveFloat


def track_lin_vel_xy_exp(command: Tensor, base_lin_vel_yaw: Tensor, std: PositiveFloat) -> Tensor:
    """1 where the horizontal velocity equals the command.

    Args:
        command: vx, vy (m/s), yaw rate (rad/s), base yaw frame. Shape (num_envs, 3).
        base_lin_vel_yaw: Velocity of the base, m/s, base yaw frame. Shape (num_envs, 3).
        std: m/s; the error at which the reward is 1/e.
    """
    error_sq = (command[:, :2] - base_lin_vel_yaw[:, :2]).square().sum(dim=1)
    return torch.exp(-error_sq / std**2)


def track_ang_vel_z_exp(command: Tensor, base_ang_vel_w: Tensor, std: PositiveFloat) -> Tensor:
    """1 where the yaw rate (world z) equals the command; `std` in rad/s."""
    error_sq = (command[:, 2] - base_ang_vel_w[:, 2]).square()
    return torch.exp(-error_sq / std**2)


def upright_l2(projected_gravity_b: Tensor) -> Tensor:
    """Squared sine of the tilt: the horizontal part of gravity in the base frame."""
    return projected_gravity_b[:, :2].square().sum(dim=1)


def base_height_l2(base_height: Tensor, target: PositiveFloat) -> Tensor:
    """Squared distance from `target`, m, over the ground."""
    return (base_height - target).square()


def lin_vel_z_l2(base_lin_vel_b: Tensor) -> Tensor:
    """Squared velocity along the base's z axis, m^2/s^2: vertical while the base is level."""
    return base_lin_vel_b[:, 2].square()


def ang_vel_xy_l2(base_ang_vel_b: Tensor) -> Tensor:
    """Squared roll and pitch rate, rad^2/s^2."""
    return base_ang_vel_b[:, :2].square().sum(dim=1)


def joint_torque_l2(joint_torque: Tensor) -> Tensor:
    """Squared torque, N^2 m^2, summed over joints."""
    return joint_torque.square().sum(dim=1)


def joint_acc_l2(joint_acc: Tensor) -> Tensor:
    """Squared joint acceleration, rad^2/s^4, summed over joints."""
    return joint_acc.square().sum(dim=1)


def joint_deviation_l2(joint_pos_rel: Tensor) -> Tensor:
    """Squared distance from the default pose, rad^2, summed over joints."""
    return joint_pos_rel.square().sum(dim=1)


def joint_group_deviation_l2(joint_pos_rel: Tensor, joint_names: tuple[str, ...], joints: str) -> Tensor:
    """Squared distance from the default pose, rad^2, summed over the joints whose whole name matches `joints`."""
    columns = _matching(joint_names, joints, joint_pos_rel.device)
    return joint_pos_rel.index_select(1, columns).square().sum(dim=1)


# Names, pattern and device stay the same for a whole run.
@functools.cache
def _matching(names: tuple[str, ...], pattern: str, device: torch.device) -> Tensor:
    return torch.tensor([i for i, name in enumerate(names) if re.fullmatch(pattern, name)], device=device).long()


def action_rate_l2(action: Tensor, prev_action: Tensor) -> Tensor:
    """Squared first difference of the action, summed over joints."""
    return (action - prev_action).square().sum(dim=1)


def action_jerk_l2(action: Tensor, prev_action: Tensor, prev_prev_action: Tensor) -> Tensor:
    """Squared second difference of the action, summed over joints."""
    return (action - 2 * prev_action + prev_prev_action).square().sum(dim=1)


def joint_pos_limits_l1(joint_pos: Tensor, soft_joint_lower: Tensor, soft_joint_upper: Tensor) -> Tensor:
    """How far joints are outside their soft limits, rad, summed over joints."""
    below = (soft_joint_lower - joint_pos).clamp(min=0)
    above = (joint_pos - soft_joint_upper).clamp(min=0)
    return (below + above).sum(dim=1)


def foot_height_gait_exp(foot_height: Tensor, foot_height_target: Tensor, std: PositiveFloat) -> Tensor:
    """1 where every foot is at the height that the reference gait gives it; `std` in m.

    The target is 0 in stance and while standing still.
    Source: the phase-based foot trajectory of MuJoCo Playground's joystick tasks
    (Zakka et al. 2025, "MuJoCo Playground", feet_phase).
    """
    error_sq = (foot_height - foot_height_target).square().sum(dim=1)
    return torch.exp(-error_sq / std**2)


def foot_contact_gait(foot_in_contact: Tensor, foot_phase: Tensor, is_moving: Tensor) -> Tensor:
    """Share of the feet that touch the ground when the reference gait has them in stance, and do not when in swing.

    While standing still, all feet are in stance.
    Source: unitree_rl_gym `_reward_contact` (there summed over feet, with a stance of 0.55 of the cycle).
    """
    stance = (foot_phase >= 0.5) | ~is_moving.unsqueeze(1)
    return (foot_in_contact == stance).to(torch.float32).mean(dim=1)


def feet_air_time(
    foot_touchdown: Tensor, foot_last_air_time: Tensor, is_moving: Tensor, threshold: NonNegativeFloat
) -> Tensor:
    """Swing time beyond `threshold`, s, paid at touchdown and only while a command asks for motion.

    Source: Rudin et al. 2022, "Learning to Walk in Minutes", legged_gym `_reward_feet_air_time`.
    """
    return ((foot_last_air_time - threshold) * foot_touchdown).sum(dim=1) * is_moving


def foot_slip_l2(foot_in_contact: Tensor, foot_vel_w: Tensor) -> Tensor:
    """Squared horizontal speed of the feet in contact, summed over feet.

    Args:
        foot_in_contact: True where a foot touches the ground. Shape (num_envs, num_feet).
        foot_vel_w: Foot linear velocity, m/s, world frame. Shape (num_envs, num_feet, 3).

    Returns:
        m^2/s^2. Shape (num_envs,).
    """
    speed_sq = foot_vel_w[..., :2].square().sum(dim=-1)
    return (speed_sq * foot_in_contact).sum(dim=-1)


def foot_clearance_l2(foot_height: Tensor, foot_vel_w: Tensor, target: NonNegativeFloat) -> Tensor:
    """Squared distance of a foot from the clearance `target`, m, weighted with its horizontal speed, m^3/s.

    Source: the product inside Isaac Lab 2.3's `foot_clearance_reward` (Spot), without its tanh and exp.
    """
    speed = foot_vel_w[..., :2].square().sum(dim=-1).sqrt()
    return ((foot_height - target).square() * speed).sum(dim=-1)


def undesired_contacts(limbs_in_contact: Tensor) -> Tensor:
    """Number of leg geometries other than feet on the ground."""
    return limbs_in_contact.to(torch.float32)


def stand_still_l1(joint_pos_rel: Tensor, is_moving: Tensor) -> Tensor:
    """Distance from the default pose, rad, summed over joints, counted only while the command is zero."""
    return joint_pos_rel.abs().sum(dim=1) * (~is_moving)


def is_alive(episode_step: Tensor) -> Tensor:
    """1 in every step, the one in which the episode ends included."""
    return torch.ones_like(episode_step, dtype=torch.float32)
