"""The state that an episode starts from."""

import math
from dataclasses import dataclass

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


def sample_reset(resets: Resets, n: int, num_joints: int, streams: Streams) -> ResetState:
    """Draw the start of n episodes, uniform within the manifest's ranges."""

    def draw(shape: tuple[int, ...], bounds: tuple[float, float]) -> Tensor:
        return streams.uniform("resets", shape, *bounds)

    return ResetState(
        position_xy=draw((n, 2), resets.position_xy),
        yaw=draw((n,), resets.yaw) % (2 * math.pi),
        lin_vel_w=draw((n, 3), resets.lin_vel),
        ang_vel_b=draw((n, 3), resets.ang_vel),
        joint_pos_offset=draw((n, num_joints), resets.joint_pos),
        joint_vel=draw((n, num_joints), resets.joint_vel),
        gait_phase=draw((n,), (0.0, 1.0)),
    )
