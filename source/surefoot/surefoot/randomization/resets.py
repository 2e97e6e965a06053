"""The state that an episode starts from."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from surefoot.manifest.task import Resets
from surefoot.randomization.streams import Streams


@dataclass(frozen=True)
class ResetState:
    """Draws for n environments, relative to the default state."""

    position_xy: Tensor
    """m, offset from the environment origin. Shape (n, 2)."""
    yaw: Tensor
    """rad. Shape (n,)."""
    lin_vel_w: Tensor
    """m/s. Shape (n, 3)."""
    ang_vel_b: Tensor
    """rad/s. Shape (n, 3)."""
    joint_pos_offset: Tensor
    """rad. Shape (n, num_joints)."""
    joint_vel: Tensor
    """rad/s. Shape (n, num_joints)."""
    gait_phase: Tensor
    """Fraction of the gait cycle. Shape (n,)."""


def sample_reset(resets: Resets, env_ids: Tensor, num_joints: int, streams: Streams) -> ResetState:
    """Draw the start of the episodes that `env_ids` begin, uniform within the manifest's ranges."""
    sizes = [2, 1, 3, 3, 1, num_joints, num_joints]
    unit = streams.uniform("resets", env_ids, sum(sizes))
    position, yaw, lin_vel, ang_vel, phase, joint_pos, joint_vel = torch.split(unit, sizes, dim=1)
    return ResetState(
        position_xy=_scale(position, resets.position_xy),
        yaw=_scale(yaw, resets.yaw).squeeze(1) % (2 * math.pi),
        lin_vel_w=_scale(lin_vel, resets.lin_vel),
        ang_vel_b=_scale(ang_vel, resets.ang_vel),
        joint_pos_offset=_scale(joint_pos, resets.joint_pos),
        joint_vel=_scale(joint_vel, resets.joint_vel),
        gait_phase=phase.squeeze(1),
    )


def _scale(unit: Tensor, bounds: tuple[float, float]) -> Tensor:
    return unit * (bounds[1] - bounds[0]) + bounds[0]
