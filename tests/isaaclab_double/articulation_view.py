"""`ArticulationView` of `omni.physics.tensors` on a `Batch`, for one kind of floating robot without tendons.

As PhysX has it: velocities are those of centres of mass, linear before angular, world frame; properties (masses, gains,
limits, materials) live on the CPU; a setter takes full tensors and the rows to take from them. Link velocities and
accelerations are those of the last physics step, also after a write; what belongs to the root and to joints is true at
once.

Axis letters: N robots, L links, J joints, G geometries.
"""

from types import SimpleNamespace
from typing import Any

import mujoco
import numpy as np
import torch
from torch import Tensor

from isaaclab_double.batch import Batch
from isaaclab_double.conventions import (
    link_transforms,
    matching,
    matrices,
    quaternions,
    rows_of,
    tensor,
    to_wxyz,
    to_xyzw,
)


class ArticulationView:
    """State and parameters of the robots."""

    max_fixed_tendons = max_spatial_tendons = 0

    def __init__(self, batch: Batch, pattern: str) -> None:
        found = matching(pattern, batch.root_paths)
        self._batch, self.count, self.max_shapes = batch, len(found), len(batch.geoms)
        self._backend = batch if self.count == batch.num else None
        self.link_paths = batch.link_paths
        folders = [f"{path.rpartition('/')[0]}/joints" for path in batch.root_paths]
        self.dof_paths = [[f"{folder}/{name}" for name in batch.joint_names] for folder in folders]
        self.shared_metatype = SimpleNamespace(
            dof_count=len(batch.joints),
            link_count=len(batch.links),
            fixed_base=False,
            dof_names=list(batch.joint_names),
            link_names=list(batch.link_names),
        )
        restitution = tensor(batch.parameter("geom_user")[:, batch.geoms, :1])
        self._slip = torch.cat((self._static_friction(), restitution), dim=-1)  # the dynamic one: kept, without effect
        self._static_torque = tensor(batch.parameter("dof_frictionloss")[:, batch.qvel_at])
        self._max_velocity = torch.full((self.count, len(batch.joints)), 1.0e9)  # the same

    def get_root_transforms(self) -> Tensor:
        """Position and quaternion of the root link's frame. Shape (N, 7)."""
        qpos = self._batch.stacked("qpos")
        return tensor(np.concatenate((qpos[:, :3], to_xyzw(qpos[:, 3:7])), axis=-1))

    def set_root_transforms(self, data: Tensor, indices: Tensor | None) -> None:
        pose = data.detach().numpy()
        for env in rows_of(indices, self.count):
            self._batch.data[env].qpos[:3] = pose[env, :3]
            self._batch.data[env].qpos[3:7] = to_wxyz(pose[env, 3:7])

    def get_root_velocities(self) -> Tensor:
        """Of the root link's centre of mass. Shape (N, 6)."""
        return tensor(np.stack([self._root_velocity(env) for env in range(self.count)]))

    def set_root_velocities(self, data: Tensor, indices: Tensor | None) -> None:
        velocity = data.detach().double().numpy()
        for env in rows_of(indices, self.count):
            linear, angular, (turn, arm) = velocity[env, :3], velocity[env, 3:], self._root_frame(env)
            self._batch.data[env].qvel[:3] = linear - np.cross(angular, arm)
            self._batch.data[env].qvel[3:6] = turn.T @ angular

    def _root_velocity(self, env: int) -> np.ndarray:
        turn, arm = self._root_frame(env)
        qvel = self._batch.data[env].qvel
        angular = turn @ qvel[3:6]
        return np.concatenate((qvel[:3] + np.cross(angular, arm), angular))

    def _root_frame(self, env: int) -> tuple[np.ndarray, np.ndarray]:
        """Rotation of the root link, and from its origin to its centre of mass, both in the world."""
        turn = np.zeros(9)
        mujoco.mju_quat2Mat(turn, self._batch.data[env].qpos[3:7])
        turn = turn.reshape(3, 3)
        return turn, turn @ self._batch.models[env].body_ipos[self._batch.links[0]]

    def get_link_transforms(self) -> Tensor:
        """Shape (N, L, 7)."""
        return tensor(link_transforms(self._batch))

    def get_link_velocities(self) -> Tensor:
        """Shape (N, L, 6)."""
        return tensor(self._batch.link_velocity)

    def get_link_accelerations(self) -> Tensor:
        """Change of the velocities over the last physics step. Shape (N, L, 6)."""
        return tensor(self._batch.link_acceleration)

    def get_dof_positions(self) -> Tensor:
        """rad. Shape (N, J)."""
        return tensor(self._batch.stacked("qpos")[:, self._batch.qpos_at])

    def set_dof_positions(self, data: Tensor, indices: Tensor | None) -> None:
        for env in rows_of(indices, self.count):
            self._batch.data[env].qpos[self._batch.qpos_at] = data[env].numpy()

    def get_dof_velocities(self) -> Tensor:
        """rad/s. Shape (N, J)."""
        return tensor(self._batch.stacked("qvel")[:, self._batch.qvel_at])

    def set_dof_velocities(self, data: Tensor, indices: Tensor | None) -> None:
        for env in rows_of(indices, self.count):
            self._batch.data[env].qvel[self._batch.qvel_at] = data[env].numpy()

    def set_dof_position_targets(self, data: Tensor, indices: Tensor | None) -> None:
        rows = rows_of(indices, self.count)
        self._batch.target_pos[rows] = data.detach()[rows].numpy()

    def set_dof_velocity_targets(self, data: Tensor, indices: Tensor | None) -> None:
        rows = rows_of(indices, self.count)
        self._batch.target_vel[rows] = data.detach()[rows].numpy()

    def set_dof_actuation_forces(self, data: Tensor, indices: Tensor | None) -> None:
        rows = rows_of(indices, self.count)
        self._batch.effort[rows] = data.detach()[rows].numpy()

    def apply_forces_and_torques_at_position(
        self, force_data: Tensor, torque_data: Tensor, position_data: Tensor | None, indices: Tensor, is_global: bool
    ) -> None:
        """On the centres of mass, for one physics step. Shapes (N * L, 3)."""
        if position_data is not None:
            raise NotImplementedError("forces that act elsewhere than on the centre of mass")
        both = torch.cat((force_data, torque_data), dim=-1).reshape(self.count, -1, 2, 3).detach().double().numpy()
        for env in rows_of(indices, self.count):
            turn = self._batch.data[env].xmat[self._batch.links].reshape(-1, 3, 3)
            world = both[env] if is_global else np.einsum("lij,lkj->lki", turn, both[env])
            self._batch.wrench[env] = world.reshape(-1, 6)

    def get_masses(self) -> Tensor:
        """kg. Shape (N, L)."""
        return tensor(self._batch.parameter("body_mass")[:, self._batch.links])

    def set_masses(self, data: Tensor, indices: Tensor | None) -> None:
        self._set_bodies("body_mass", data.numpy(), indices)

    def get_inertias(self) -> Tensor:
        """kg m^2, about the centre of mass, in the link's axes. Shape (N, L, 9)."""
        moments, axes = self._batch.parameter("body_inertia"), matrices(self._batch.parameter("body_iquat"))
        inertia = np.einsum("nlij,nlj,nlkj->nlik", axes, moments, axes)[:, self._batch.links]
        return tensor(inertia.reshape(*inertia.shape[:2], 9))

    def set_inertias(self, data: Tensor, indices: Tensor | None) -> None:
        """Turns the axes of `get_coms` to the principal ones, which may come in any order."""
        inertia = data.detach().double().numpy().reshape(*data.shape[:2], 3, 3)
        moments, axes = np.linalg.eigh(inertia)
        axes[..., 0] *= np.sign(np.linalg.det(axes))[..., None]
        self._set_bodies("body_inertia", moments, indices)
        self._set_bodies("body_iquat", quaternions(axes), indices)

    def get_coms(self) -> Tensor:
        """Centre of mass and principal axes in the link frame. Shape (N, L, 7)."""
        position, quat = self._batch.parameter("body_ipos"), self._batch.parameter("body_iquat")
        return tensor(np.concatenate((position, to_xyzw(quat)), axis=-1)[:, self._batch.links])

    def set_coms(self, data: Tensor, indices: Tensor | None) -> None:
        self._set_bodies("body_ipos", data[..., :3].numpy(), indices)
        self._set_bodies("body_iquat", to_wxyz(data[..., 3:].numpy()), indices)

    def _set_bodies(self, name: str, values: np.ndarray, indices: Tensor | None) -> None:
        for env in rows_of(indices, self.count):
            getattr(self._batch.models[env], name)[self._batch.links] = values[env]
        self._follow(indices)

    def _follow(self, indices: Tensor | None) -> None:
        """Numbers that MuJoCo derives from masses, inertias and armature; the softness of contacts is one."""
        for env in rows_of(indices, self.count):
            mujoco.mj_setConst(self._batch.models[env], mujoco.MjData(self._batch.models[env]))

    def get_material_properties(self) -> Tensor:
        """Static friction, dynamic friction, restitution of each geometry. Shape (N, G, 3)."""
        return torch.cat((self._static_friction(), self._slip), dim=-1)

    def set_material_properties(self, data: Tensor, indices: Tensor | None) -> None:
        rows = rows_of(indices, self.count)
        self._slip[rows] = data[rows, :, 1:]
        for env in rows:
            self._batch.models[env].geom_friction[self._batch.geoms, 0] = data[env, :, 0].numpy()

    def _static_friction(self) -> Tensor:
        return tensor(self._batch.parameter("geom_friction")[:, self._batch.geoms, :1])

    def get_dof_limits(self) -> Tensor:
        """rad. Shape (N, J, 2)."""
        return tensor(self._batch.parameter("jnt_range")[:, self._batch.joints])

    def set_dof_limits(self, data: Tensor, indices: Tensor | None) -> None:
        self._set("jnt_range", self._batch.joints, data, indices)

    def get_dof_armatures(self) -> Tensor:
        """kg m^2. Shape (N, J)."""
        return tensor(self._batch.parameter("dof_armature")[:, self._batch.qvel_at])

    def set_dof_armatures(self, data: Tensor, indices: Tensor | None) -> None:
        self._set("dof_armature", self._batch.qvel_at, data, indices)
        self._follow(indices)

    def get_dof_stiffnesses(self) -> Tensor:
        """N m/rad. Shape (N, J)."""
        return tensor(-self._batch.parameter("actuator_biasprm")[:, self._batch.actuators, 1])

    def set_dof_stiffnesses(self, data: Tensor, indices: Tensor | None) -> None:
        self._set("actuator_biasprm", (self._batch.actuators, 1), -data, indices)

    def get_dof_dampings(self) -> Tensor:
        """N m s/rad. Shape (N, J)."""
        return tensor(-self._batch.parameter("actuator_biasprm")[:, self._batch.actuators, 2])

    def set_dof_dampings(self, data: Tensor, indices: Tensor | None) -> None:
        self._set("actuator_biasprm", (self._batch.actuators, 2), -data, indices)

    def get_dof_max_forces(self) -> Tensor:
        """N m. Shape (N, J)."""
        return tensor(self._batch.parameter("actuator_forcerange")[:, self._batch.actuators, 1])

    def set_dof_max_forces(self, data: Tensor, indices: Tensor | None) -> None:
        both = torch.stack((-data, data), dim=-1)
        self._set("actuator_forcerange", self._batch.actuators, both, indices)

    def get_dof_max_velocities(self) -> Tensor:
        return self._max_velocity.clone()

    def set_dof_max_velocities(self, data: Tensor, indices: Tensor | None) -> None:
        rows = rows_of(indices, self.count)
        self._max_velocity[rows] = data[rows]

    def get_dof_friction_properties(self) -> Tensor:
        """Torque of friction at rest and in motion, N m, and viscous coefficient. Shape (N, J, 3)."""
        at = self._batch.qvel_at
        torque, viscous = (tensor(self._batch.parameter(name)[:, at]) for name in ("dof_frictionloss", "dof_damping"))
        return torch.stack((self._static_torque, torque, viscous), dim=-1)

    def set_dof_friction_properties(self, data: Tensor, indices: Tensor | None) -> None:
        """The torque in motion acts; that at rest is kept."""
        rows = rows_of(indices, self.count)
        self._static_torque[rows] = data[rows, :, 0].detach()
        self._set("dof_frictionloss", self._batch.qvel_at, data[..., 1], indices)
        self._set("dof_damping", self._batch.qvel_at, data[..., 2], indices)

    def _set(self, name: str, at: Any, values: Tensor, indices: Tensor | None) -> None:
        if values.device.type != "cpu":
            raise TypeError(f"expected {name} on the CPU, got {values.device}")
        for env in rows_of(indices, self.count):
            getattr(self._batch.models[env], name)[at] = values[env].detach().numpy()
