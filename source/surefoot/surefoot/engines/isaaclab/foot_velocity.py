"""Velocity of the feet from base and joints, which are true right after a write; PhysX's link velocities are not.

Axis letters: N environments, F feet, K joints between base and foot.
"""

from collections.abc import Sequence

import mujoco
import torch
from torch import Tensor

from surefoot.engines.isaaclab.compat import RobotHandle
from surefoot.engines.isaaclab.robot_model import RobotModel
from surefoot.mdp import frames


class FootVelocity:
    """A chain of hinges for each foot; shorter chains are filled up with hinges that move nothing.

    Args:
        model: The robot.
        handle: Gives the poses of the links.
        joint_names: Canonical joint order.
        device: Of the tensors.
    """

    def __init__(self, model: RobotModel, handle: RobotHandle, joint_names: Sequence[str], device: str) -> None:
        mj, self._handle = model.mj, handle
        assert mj is not None
        chains = [_hinges(mj, body) for body in model.foot_bodies]
        longest = max(map(len, chains))
        filled = [chain + chain[:1] * (longest - len(chain)) for chain in chains]
        self._columns = torch.tensor(
            [[joint_names.index(mj.joint(j).name) for j in row] for row in filled], device=device
        )
        names = [mj.body(int(mj.jnt_bodyid[j])).name for row in filled for j in row]
        self._bodies = handle.body_ids(names)
        flat = [j for row in filled for j in row]
        moves = torch.tensor([k < len(chain) for chain in chains for k in range(longest)], device=device)
        self._axis = torch.tensor(mj.jnt_axis[flat], dtype=torch.float32, device=device) * moves.unsqueeze(1)
        self._anchor = torch.tensor(mj.jnt_pos[flat], dtype=torch.float32, device=device)

    def __call__(
        self, foot_pos_w: Tensor, base_pos_w: Tensor, base_lin_vel_w: Tensor, base_ang_vel_w: Tensor, joint_vel: Tensor
    ) -> Tensor:
        """m/s, world frame. Shape (N, F, 3).

        Args:
            foot_pos_w: m. Shape (N, F, 3).
            base_pos_w: m. Shape (N, 3).
            base_lin_vel_w: Of the base frame's origin, m/s. Shape (N, 3).
            base_ang_vel_w: rad/s. Shape (N, 3).
            joint_vel: rad/s, canonical order. Shape (N, J).
        """
        pos, quat = self._handle.body_pose(self._bodies)
        axis, anchor = (
            _rotated(quat, vector).unflatten(1, self._columns.shape) for vector in (self._axis, self._anchor)
        )
        arm = foot_pos_w.unsqueeze(2) - (pos.unflatten(1, self._columns.shape) + anchor)
        by_joints = (joint_vel[:, self._columns].unsqueeze(3) * torch.linalg.cross(axis, arm)).sum(dim=2)
        from_base = foot_pos_w - base_pos_w.unsqueeze(1)
        by_base = torch.linalg.cross(base_ang_vel_w.unsqueeze(1).expand_as(from_base), from_base)
        return base_lin_vel_w.unsqueeze(1) + by_base + by_joints


def _hinges(mj: mujoco.MjModel, body_name: str) -> list[int]:
    """Hinge joints from a body up to the base."""
    body, found = int(mj.body(body_name).id), []
    while body > 0:
        first = int(mj.body_jntadr[body])
        found += [
            j for j in range(first, first + mj.body_jntnum[body]) if mj.jnt_type[j] == mujoco.mjtJoint.mjJNT_HINGE
        ]
        body = int(mj.body_parentid[body])
    return found


def _rotated(quat: Tensor, vector: Tensor) -> Tensor:
    """Quaternions (N, b, 4), vectors (b, 3)."""
    return frames.rotate(quat.flatten(0, 1), vector.expand(*quat.shape[:-1], 3).flatten(0, 1)).unflatten(
        0, quat.shape[:2]
    )
