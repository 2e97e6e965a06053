"""Formulas on literal tensors."""

import math

import pytest
import torch

from surefoot.evaluation import metrics
from surefoot.mdp import tracking
from surefoot.mdp.frames import quat_from_yaw, to_yaw_frame


def test_velocity_error_is_the_length_of_the_horizontal_difference():
    command = torch.tensor([[1.0, 0.3, 0.5]])
    velocity = torch.tensor([[0.7, -0.1, 9.0]])  # the vertical part does not count
    assert tracking.lin_vel_error(command, velocity).item() == pytest.approx(0.5)  # (0.3, 0.4)


def test_a_robot_that_does_as_commanded_has_no_error_at_any_heading():
    command = torch.tensor([[1.0, 0.3, 0.0]])
    for yaw, velocity_w in ((90, [-0.3, 1.0, 0.0]), (180, [-1.0, -0.3, 0.0]), (-90, [0.3, -1.0, 0.0])):
        quat = quat_from_yaw(torch.tensor([math.radians(yaw)]))
        velocity = to_yaw_frame(quat, torch.tensor([velocity_w]))
        assert tracking.lin_vel_error(command, velocity).item() == pytest.approx(0.0, abs=1e-6)


def test_a_pitched_robot_is_measured_in_the_yaw_frame_not_the_base_frame():
    half = math.radians(30) / 2
    pitched = torch.tensor([[math.cos(half), 0.0, math.sin(half), 0.0]])  # nose down by 30 degrees
    velocity = to_yaw_frame(pitched, torch.tensor([[1.0, 0.0, 0.0]]))
    assert tracking.lin_vel_error(torch.tensor([[1.0, 0.0, 0.0]]), velocity).item() == pytest.approx(0.0, abs=1e-6)


def test_yaw_rate_error_has_no_sign():
    command = torch.tensor([[0.0, 0.0, 0.5], [0.0, 0.0, -0.5]])
    turning = torch.tensor([[3.0, 3.0, 0.2], [3.0, 3.0, 0.2]])
    assert tracking.yaw_rate_error(command, turning).tolist() == pytest.approx([0.3, 0.7])


def test_braking_motors_cost_as_much_as_driving_ones():
    power = metrics.mechanical_power(torch.tensor([[2.0, -2.0]]), torch.tensor([[3.0, 3.0]]))
    assert power.item() == 12.0  # |6| + |-6|


def test_cost_of_transport_is_energy_over_weight_and_distance():
    energy, mass = torch.tensor([981.0, 1962.0]), torch.tensor([10.0, 10.0])
    cost = metrics.cost_of_transport(energy, mass, torch.tensor([5.0, 5.0]), torch.tensor([0.5, 0.5]))
    assert cost.tolist() == pytest.approx([2.0, 4.0])  # 981 J / (10 kg * 9.81 m/s^2 * 5 m)


def test_no_cost_of_transport_without_transport():
    energy, mass = torch.full((3,), 981.0), torch.full((3,), 10.0)
    path, commanded = torch.tensor([5.0, 0.99, 1.0]), torch.tensor([0.05, 0.5, 0.1])
    assert metrics.cost_of_transport(energy, mass, path, commanded).isnan().tolist() == [True, True, False]


def test_success_needs_survival_and_both_errors():
    survived = torch.tensor([True, True, True, False, True])
    lin = torch.tensor([0.2, 0.21, 0.1, 0.1, math.nan])
    yaw = torch.tensor([0.2, 0.1, 0.31, 0.1, 0.1])
    assert metrics.success(survived, lin, yaw, (0.2, 0.3)).tolist() == [True, False, False, False, False]


def test_a_name_has_one_entry_and_every_version_is_a_number():
    assert all(name == metric.name and metric.version >= 1 for name, metric in metrics.METRICS.items())
    assert set(metrics.RATES) < set(metrics.METRICS)
