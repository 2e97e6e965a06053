"""Which geometries touch the ground z = 0: whose lowest point is below it, as MuJoCo's collision detection says.

Axis letters: N environments, G geometries.
"""

from collections.abc import Sequence

import mujoco
import numpy as np
import torch
from torch import Tensor

from surefoot.engines.isaaclab.compat import RobotHandle
from surefoot.engines.isaaclab.robot_model import RobotModel
from surefoot.mdp import frames

_SPHERE, _CAPSULE = int(mujoco.mjtGeom.mjGEOM_SPHERE), int(mujoco.mjtGeom.mjGEOM_CAPSULE)
_CYLINDER, _BOX = int(mujoco.mjtGeom.mjGEOM_CYLINDER), int(mujoco.mjtGeom.mjGEOM_BOX)


class PlaneContacts:
    """Lowest points of geometries, from the poses of their bodies.

    A geometry reaches below its centre by sum_i a_i |u_i| + r sqrt(1 - u_z^2) + s, where u is the world's vertical in
    the geometry's frame, a the half lengths of a box (0, 0, half length for capsule and cylinder), r the radius of a
    cylinder and s that of a sphere or capsule.

    Args:
        geoms: Their names; all of them sphere, capsule, cylinder or box.
        model: The robot, with its MJCF.
        handle: The simulated robot.
        device: Where it is simulated.
    """

    def __init__(self, geoms: Sequence[str], model: RobotModel, handle: RobotHandle, device: str) -> None:
        assert model.mj is not None
        mj, self._handle = model.mj, handle
        ids = [int(mj.geom(name).id) for name in geoms]
        kinds, size = mj.geom_type[ids], mj.geom_size[ids]
        half, ring, ball = np.zeros((len(ids), 3)), np.zeros(len(ids)), np.zeros(len(ids))
        half[kinds == _BOX] = size[kinds == _BOX]
        long = (kinds == _CAPSULE) | (kinds == _CYLINDER)
        half[long, 2] = size[long, 1]
        ring[kinds == _CYLINDER] = size[kinds == _CYLINDER, 0]
        round_ = (kinds == _SPHERE) | (kinds == _CAPSULE)
        ball[round_] = size[round_, 0]
        turns = np.zeros((len(ids), 9))
        for turn, quat in zip(turns, mj.geom_quat[ids], strict=True):
            mujoco.mju_quat2Mat(turn, quat)

        def tensor(value: np.ndarray) -> Tensor:
            return torch.tensor(value, dtype=torch.float32, device=device)

        self._bodies = handle.body_ids([model.body_of(name) for name in geoms])
        self._half, self._ring, self._ball = tensor(half), tensor(ring), tensor(ball)
        self._center, self._turn = tensor(mj.geom_pos[ids]), tensor(turns.reshape(-1, 3, 3))
        self._any_ring = bool(ring.any())
        self._touching: Tensor | None = None

    @staticmethod
    def can(geoms: Sequence[str], model: RobotModel) -> bool:
        """Whether the shapes of all these geometries are known."""
        kinds = (_SPHERE, _CAPSULE, _CYLINDER, _BOX)
        return model.mj is not None and all(int(model.mj.geom_type[model.mj.geom(name).id]) in kinds for name in geoms)

    def forget(self) -> None:
        """The state has changed."""
        self._touching = None

    def read(self) -> Tensor:
        """Whether each geometry touches the ground. Shape (N, G), bool."""
        if self._touching is None:
            position, quat = self._handle.body_pose(self._bodies)
            down = frames.gravity_direction(quat.flatten(0, 1)).unflatten(0, quat.shape[:2])
            height = position[..., 2] - (down * self._center).sum(dim=-1)
            u = torch.einsum("gij,ngi->ngj", self._turn, down)  # minus the vertical: only sizes count from here on
            reach = (self._half * u.abs()).sum(dim=-1).add_(self._ball)
            if self._any_ring:
                reach += self._ring * (1.0 - u[..., 2].square()).clamp_(min=0.0).sqrt_()
            self._touching = height < reach
        return self._touching
