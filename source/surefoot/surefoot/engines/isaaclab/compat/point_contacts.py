"""Contacts of PhysX with the ground, by geometry: each contact point belongs to the geometry that is nearest to it.

PhysX reports forces by body, and a shin and the foot at its end are one body. Its contact points are those of the state
that the last physics step began with.

Axis letters: N environments, B bodies, G geometries, C contact points of all environments.
"""

import re
from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np
import torch
from torch import Tensor

from surefoot.engines.isaaclab.compat.robot_handle import RobotHandle
from surefoot.engines.isaaclab.robot_model import RobotModel
from surefoot.errors import EngineError
from surefoot.mdp import frames

POINTS_PER_BODY = 16
"""Contact points of a body that the sensor has room for; a box has 4 on a plane, and more on a mesh."""
_SPHERE, _CAPSULE = int(mujoco.mjtGeom.mjGEOM_SPHERE), int(mujoco.mjtGeom.mjGEOM_CAPSULE)
_CYLINDER, _BOX = int(mujoco.mjtGeom.mjGEOM_CYLINDER), int(mujoco.mjtGeom.mjGEOM_BOX)


class PointContacts:
    """Forces of the ground on geometries.

    Args:
        geoms: Their names, those of a group next to each other.
        model: The robot, with its MJCF.
        handle: The simulated robot.
        sensor: Isaac Lab's contact sensor of all bodies, filtered for the ground, with contact points.
        device: Where it is simulated.
    """

    def __init__(self, geoms: Sequence[str], model: RobotModel, handle: RobotHandle, sensor: Any, device: str) -> None:
        assert model.mj is not None
        self._names, self._handle, self._binding, self._device = list(geoms), handle, sensor.contact_view, device
        bodies = sorted({contact.body for contact in model.contacts})
        self._bodies = handle.body_ids(bodies)
        self._env, self._body = _rows(self._binding.sensor_paths, bodies, device)
        # Whatever collides takes part, so that no point is given to a neighbour of the geometry that it is on.
        self._shapes = _Shapes(model, [contact.name for contact in model.contacts], bodies, device)
        known = [contact.name for contact in model.contacts]
        self._columns = torch.tensor([known.index(name) for name in geoms], device=device)
        self._num_envs, self._num_geoms = int(self._env.max()) + 1, len(known)
        room, rows = self._binding.max_contact_data_count, len(self._env)
        self._force, self._normal = torch.zeros(room, 1, device=device), torch.zeros(room, 3, device=device)
        self._position, self._separation = torch.zeros(room, 3, device=device), torch.zeros(room, 1, device=device)
        self._friction, self._anchor = torch.zeros(room, 3, device=device), torch.zeros(room, 3, device=device)
        self._count, self._start = (torch.zeros(rows, 1, dtype=torch.int32, device=device) for _ in range(2))
        self._found: Tensor | None = None

    def forget(self) -> None:
        """The state has changed."""
        self._found = None

    def read(self) -> Tensor:
        """Whether each geometry touches the ground. Shape (N, G), bool."""
        return self.force().square().sum(dim=2) > 0

    def force(self) -> Tensor:
        """Force of the ground on each geometry, friction included, N, world frame. Shape (N, G, 3)."""
        if self._found is None:
            binding = self._binding
            total = binding.read_normal_contact_data(
                self._force, self._position, self._normal, self._separation, self._count, self._start
            )
            found = torch.zeros(self._num_envs * self._num_geoms, 3, device=self._device)
            self._add(found, total, self._position, self._force * self._normal)
            total = binding.read_friction_contact_data(self._friction, self._anchor, self._count, self._start)
            self._add(found, total, self._anchor, self._friction)
            self._found = found.view(self._num_envs, self._num_geoms, 3)[:, self._columns]
        return self._found

    def _add(self, found: Tensor, total: int, points: Tensor, forces: Tensor) -> None:
        """Forces at points, which stand in the order of the sensor's rows, to the geometries that they act on."""
        room = len(points)
        if total > room:
            raise EngineError(f"PhysX found {total} contact points; there is room for {room}.")
        count = self._count.flatten().long()
        if not bool(count.any()):
            return
        rows = count.nonzero().flatten()
        count, start = count[rows], self._start.flatten()[rows].long()
        first = count.cumsum(0) - count
        which = torch.arange(int(count.sum()), device=self._device) - first.repeat_interleave(count)
        which += start.repeat_interleave(count)
        env, body = (column[rows].repeat_interleave(count) for column in (self._env, self._body))
        position, quat = self._handle.body_pose(self._bodies)
        inside = frames.rotate_inverse(quat[env, body], points[which] - position[env, body])
        geom = self._shapes.nearest(inside, body)
        found.index_add_(0, env * self._num_geoms + geom, forces[which])


class _Shapes:
    """Distances from points to spheres, capsules, cylinders and boxes."""

    def __init__(self, model: RobotModel, geoms: Sequence[str], bodies: Sequence[str], device: str) -> None:
        mj: Any = model.mj
        ids = [int(mj.geom(name).id) for name in geoms]
        kinds, size = mj.geom_type[ids], mj.geom_size[ids]
        half, ball = np.zeros((len(ids), 3)), np.zeros(len(ids))
        half[kinds == _BOX] = size[kinds == _BOX]
        ball[kinds == _SPHERE] = size[kinds == _SPHERE, 0]
        long = (kinds == _CAPSULE) | (kinds == _CYLINDER)
        half[long, 2] = size[long, 1]
        ball[kinds == _CAPSULE] = size[kinds == _CAPSULE, 0]
        disc = kinds == _CYLINDER  # as the box around it: a cylinder's rim is told from its box only at the corners
        half[disc, :2] = size[disc, :1]
        turns = np.zeros((len(ids), 9))
        for turn, quat in zip(turns, mj.geom_quat[ids], strict=True):
            mujoco.mju_quat2Mat(turn, quat)

        def tensor(value: np.ndarray) -> Tensor:
            return torch.tensor(value, dtype=torch.float32, device=device)

        self._half, self._ball = tensor(half), tensor(ball)
        self._center, self._turn = tensor(mj.geom_pos[ids]), tensor(turns.reshape(-1, 3, 3))
        self._owner = torch.tensor([bodies.index(model.body_of(name)) for name in geoms], device=device)

    def nearest(self, points: Tensor, body: Tensor) -> Tensor:
        """The geometry of its body that each point is nearest to.

        Args:
            points: m, in the frame of their body. Shape (C, 3).
            body: Which one that is. Shape (C,).

        Returns:
            Shape (C,), int64.
        """
        local = torch.einsum("gij,cgi->cgj", self._turn, points.unsqueeze(1) - self._center).abs() - self._half
        distance = local.clamp(min=0.0).norm(dim=2) + local.amax(dim=2).clamp(max=0.0) - self._ball
        return torch.where(self._owner == body.unsqueeze(1), distance.abs(), torch.inf).argmin(dim=1)


def _rows(paths: Sequence[str], bodies: Sequence[str], device: str) -> tuple[Tensor, Tensor]:
    """Environment and body of each row of the sensor; bodies that cannot touch stand for the first one."""
    env, body = [], []
    for path in paths:
        found = re.search(r"/env_(\d+)/", path)
        if found is None:
            raise EngineError(f"The contact sensor's path {path!r} names no environment.")
        name = path.rpartition("/")[2]
        env.append(int(found[1]))
        body.append(bodies.index(name) if name in bodies else 0)
    return torch.tensor(env, device=device), torch.tensor(body, device=device)
