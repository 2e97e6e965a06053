"""Reward terms: numbers that can be worked out by hand. One environment unless said otherwise."""

import math

import pytest
import torch
from torch import Tensor

from surefoot.mdp import rewards


def t(*rows: object) -> Tensor:
    return torch.tensor(rows, dtype=torch.float32)


def test_tracking_is_1_on_the_command_and_1_over_e_one_std_away() -> None:
    command = t([1.0, 0.5, 9.0], [1.0, 0.5, 9.0], [0.0, 0.0, 0.0])
    velocity = t([1.0, 0.5, 7.0], [1.0, 0.25, 0.0], [0.3, 0.4, 0.0])  # errors 0, 0.25, 0.5; z does not count
    out = rewards.track_lin_vel_xy_exp(command, velocity, std=0.25)
    assert out.tolist() == pytest.approx([1.0, math.exp(-1), math.exp(-4)])


def test_yaw_tracking_reads_world_z_and_both_signs() -> None:
    command = t([0, 0, 1.0], [0, 0, -1.0], [0, 0, 0.5])
    angular = t([5, 5, 1.0], [0, 0, 1.0], [0, 0, 0.0])
    out = rewards.track_ang_vel_z_exp(command, angular, std=0.5)
    assert out.tolist() == pytest.approx([1.0, math.exp(-16), math.exp(-1)])


def test_upright_is_the_squared_sine_of_the_tilt() -> None:
    tilt = math.radians(30)
    gravity = t([0, 0, -1], [math.sin(tilt), 0, -math.cos(tilt)], [0.6, 0.0, 0.8])
    assert rewards.upright_l2(gravity).tolist() == pytest.approx([0.0, 0.25, 0.36])


def test_base_height_counts_both_sides() -> None:
    assert rewards.base_height_l2(torch.tensor([0.3, 0.1, 0.2]), target=0.2).tolist() == pytest.approx([0.01, 0.01, 0])


def test_vertical_and_roll_pitch_velocity() -> None:
    assert rewards.lin_vel_z_l2(t([7, 7, -3])).tolist() == [9.0]
    assert rewards.ang_vel_xy_l2(t([3, -4, 9])).tolist() == [25.0]


@pytest.mark.parametrize("term", [rewards.joint_torque_l2, rewards.joint_acc_l2, rewards.joint_deviation_l2])
def test_sums_of_squares_over_joints(term) -> None:
    assert term(t([1, -2, 3], [0, 0, 0])).tolist() == [14.0, 0.0]


def test_action_differences() -> None:
    now, before, earlier = t([5, 1]), t([2, 1]), t([1, 1])
    assert rewards.action_rate_l2(now, before).tolist() == [9.0]  # 5 - 2
    assert rewards.action_jerk_l2(now, before, earlier).tolist() == [4.0]  # 5 - 2 * 2 + 1


def test_a_steady_ramp_of_actions_has_rate_and_no_jerk() -> None:
    assert rewards.action_rate_l2(t([3.0]), t([2.0])).tolist() == [1.0]
    assert rewards.action_jerk_l2(t([3.0]), t([2.0]), t([1.0])).tolist() == [0.0]


def test_joint_limits_count_only_what_is_outside() -> None:
    lower, upper = torch.tensor([-1.0, -1.0, -1.0]), torch.tensor([1.0, 1.0, 1.0])
    out = rewards.joint_pos_limits_l1(t([-1.5, 0.0, 1.25], [1.0, -1.0, 0.9]), lower, upper)
    assert out.tolist() == [0.75, 0.0]


def test_gait_reward_needs_every_foot_at_its_height() -> None:
    target = t([0.08, 0.0], [0.08, 0.0], [0.08, 0.0])
    height = t([0.08, 0.0], [0.0, 0.06], [0.02, 0.08])  # errors 0; 0.08 and 0.06, norm 0.1; 0.06 and 0.08, norm 0.1
    out = rewards.foot_height_gait_exp(height, target, std=0.1)
    assert out.tolist() == pytest.approx([1.0, math.exp(-1), math.exp(-1)])


def test_deviation_of_a_group_counts_only_whole_names_that_match() -> None:
    names = ("left_hip_roll_joint", "left_hip_pitch_joint", "waist_roll_joint")
    out = rewards.joint_group_deviation_l2(t([3.0, 5.0, 0.5], [0.0, 1.0, -2.0]), names, joints=".*_roll_joint")
    assert out.tolist() == [9.25, 4.0]
    assert rewards.joint_group_deviation_l2(t([3.0, 5.0, 0.5]), names, joints="left_hip").tolist() == [0.0]


def test_gait_contact_is_the_share_of_feet_that_keep_time() -> None:
    contact = torch.tensor([[True, False], [True, True], [False, True], [True, True], [True, False]])
    phase = t([0.6, 0.1], [0.6, 0.1], [0.6, 0.1], [0.6, 0.1], [0.6, 0.1])  # stance, swing
    moving = torch.tensor([True, True, True, False, False])
    assert rewards.foot_contact_gait(contact, phase, moving).tolist() == [1.0, 0.5, 0.0, 1.0, 0.5]


def test_air_time_is_paid_at_touchdown_and_not_while_standing() -> None:
    touchdown = torch.tensor([[True, False], [True, True], [True, True]])
    last = t([0.5, 9.0], [0.5, 0.25], [0.5, 0.25])
    moving = torch.tensor([True, True, False])
    out = rewards.feet_air_time(touchdown, last, moving, threshold=0.25)
    assert out.tolist() == [0.25, 0.25, 0.0]


def test_short_swings_cost() -> None:
    out = rewards.feet_air_time(torch.tensor([[True]]), t([0.25]), torch.tensor([True]), threshold=0.5)
    assert out.tolist() == [-0.25]


def test_foot_slip_counts_only_feet_in_contact() -> None:
    foot_in_contact = torch.tensor([[True, False]])
    foot_vel_w = torch.tensor([[[3.0, 4.0, 9.0], [1.0, 0.0, 0.0]]])
    assert rewards.foot_slip_l2(foot_in_contact, foot_vel_w).tolist() == [25.0]  # 3² + 4²; no z, no swing foot


def test_foot_clearance_weights_the_squared_height_error_with_speed() -> None:
    height = t([0.0, 0.3])
    velocity = torch.tensor([[[3.0, 4.0, 9.0], [0.0, 0.0, 5.0]]])  # horizontal speeds 5 and 0
    assert rewards.foot_clearance_l2(height, velocity, target=0.2).tolist() == pytest.approx([0.2])  # 0.2² * 5


def test_undesired_contacts_is_a_count() -> None:
    out = rewards.undesired_contacts(torch.tensor([0, 3]))
    assert out.tolist() == [0.0, 3.0]
    assert out.dtype == torch.float32


def test_stand_still_counts_only_without_a_command() -> None:
    out = rewards.stand_still_l1(t([0.5, -1.0], [0.5, -1.0]), torch.tensor([False, True]))
    assert out.tolist() == [1.5, 0.0]


def test_alive_is_1() -> None:
    out = rewards.is_alive(torch.tensor([1, 500]))
    assert out.tolist() == [1.0, 1.0]
    assert out.dtype == torch.float32
