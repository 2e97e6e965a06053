"""Termination terms, at and beside their limits."""

import math

import torch

from surefoot.mdp import terminations


def test_time_out_at_the_last_step() -> None:
    assert terminations.time_out(torch.tensor([998, 999, 1000]), 1000).tolist() == [False, False, True]


def test_orientation_is_the_angle_to_the_vertical_in_any_direction() -> None:
    angles = torch.tensor([0.0, 0.99, 1.01, math.pi])
    for axis in (0, 1):
        gravity = torch.zeros(4, 3)
        gravity[:, axis] = torch.sin(angles)
        gravity[:, 2] = -torch.cos(angles)
        assert terminations.bad_orientation(gravity, limit_angle=1.0).tolist() == [False, False, True, True]


def test_base_contact_is_the_flag() -> None:
    assert terminations.base_contact(torch.tensor([True, False])).tolist() == [True, False]


def test_base_too_low_below_the_minimum() -> None:
    assert terminations.base_too_low(torch.tensor([0.19, 0.2, 0.21]), minimum=0.2).tolist() == [True, False, False]


def test_out_of_bounds_beyond_the_distance() -> None:
    assert terminations.out_of_bounds(torch.tensor([9.9, 10.0, 10.1]), 10.0).tolist() == [False, False, True]
