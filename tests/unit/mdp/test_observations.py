"""Observation terms: blocks of shape (num_envs, n)."""

import pytest
import torch

from surefoot.mdp import observations


@pytest.mark.parametrize(
    "term",
    [
        observations.base_ang_vel,
        observations.base_lin_vel,
        observations.projected_gravity,
        observations.joint_pos_rel,
        observations.joint_vel,
        observations.joint_torque,
        observations.last_action,
        observations.velocity_command,
        observations.foot_height,
    ],
)
def test_passes_its_field_through(term) -> None:
    field = torch.tensor([[1.0, -2.0, 3.0], [4.0, 5.0, 6.0]])
    assert torch.equal(term(field), field)


def test_gait_clock_is_sines_then_cosines_and_stops_without_a_command() -> None:
    phase = torch.tensor([[0.0, 0.25, 0.5, 0.75]]).expand(2, 4)
    out = observations.gait_clock(phase, torch.tensor([True, False]))
    assert out[0].tolist() == pytest.approx([0, 1, 0, -1, 1, 0, -1, 0], abs=1e-6)
    assert out[1].tolist() == [0.0] * 8


def test_base_height_is_a_column() -> None:
    assert observations.base_height(torch.tensor([0.25, 0.5])).tolist() == [[0.25], [0.5]]


def test_foot_contact_is_0_or_1() -> None:
    out = observations.foot_contact(torch.tensor([[True, False]]))
    assert out.tolist() == [[1.0, 0.0]]
    assert out.dtype == torch.float32
