"""RobotState read from Isaac Lab's articulation and contact sensors.

Axis letters: N environments, F feet.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from surefoot.engines.foot_sums import FootSums
from surefoot.engines.isaaclab.binder import MESH, PLANE
from surefoot.engines.isaaclab.compat import RobotHandle, contact_force, sensor_columns
from surefoot.engines.isaaclab.compat.newton import base_acceleration
from surefoot.engines.isaaclab.compat.point_contacts import PointContacts
from surefoot.engines.isaaclab.compat.touching import GroundContacts
from surefoot.engines.isaaclab.foot_velocity import FootVelocity
from surefoot.engines.isaaclab.plane_contacts import PlaneContacts
from surefoot.engines.isaaclab.robot_model import RobotModel
from surefoot.engines.mjcf import imu_offset
from surefoot.engines.motor_law import dc_motor_torque
from surefoot.errors import EngineError
from surefoot.manifest.manifest import Manifest
from surefoot.mdp import frames
from surefoot.mdp.robot_state import RobotState

if TYPE_CHECKING:
    from surefoot.engines.isaaclab.env import IsaacLabEnv


class IsaacLabRobotState(RobotState):
    """Velocities of link frames follow from those of the centres of mass, which are the ones that are simulated."""

    def __init__(self, env: "IsaacLabEnv", manifest: Manifest, model: RobotModel, handle: RobotHandle) -> None:
        super().__init__(manifest, env.num_envs, str(env.device), env.ground)
        self._env, self.handle = env, handle
        self._base = handle.body_ids([manifest.robot.base_body])
        offset = imu_offset(model.mj, manifest.robot) if model.mj is not None else None
        self.imu_offset = offset.to(self.device) if offset is not None else None
        self._gravity = torch.tensor(env.cfg.sim.gravity, device=self.device)
        self._foot_bodies = handle.body_ids(model.foot_bodies)
        self._foot_offset = torch.tensor(model.foot_offsets, device=self.device)
        chosen, robot = manifest.simulation.contact_model, manifest.robot
        joints = robot.joint_names
        direct = (
            handle.writes_reach_links or model.mj is None
        )  # without MJCF as the simulator has it, old after a write
        self._foot_velocity = None if direct else FootVelocity(model, handle, joints, self.device)
        feet = robot.foot_geoms(chosen) if env.contacts_by_geom else tuple((body,) for body in model.foot_bodies)
        self._per_foot = FootSums(feet, self.device)
        self._newton = handle.writes_reach_links
        self._not_stepped = torch.zeros(env.num_envs, 1, dtype=torch.bool, device=self.device)
        self._sensors, self._columns = {}, {}
        names: list[str] = []
        for group, geoms in robot.contact_groups(chosen).items():
            bodies = unique(model.body_of(geom) for geom in geoms)
            parts = list(geoms) if env.contacts_by_geom else list(model.foot_bodies) if group == "feet" else bodies
            if (group == "feet" and self._newton) or not env.contacts_by_geom:
                sensor = env.scene.sensors[group if group in env.scene.sensors else "feet"]
                self._sensors[group] = (sensor, torch.tensor(sensor_columns(sensor, parts), device=self.device))
            self._columns[group] = slice(len(names), len(names) + len(parts))
            names += parts
        self.contacts: PlaneContacts | GroundContacts | PointContacts | None = None
        if env.contacts_by_geom and not self._newton:
            self.contacts = PointContacts(names, model, handle, env.scene.sensors["feet"], self.device)
        elif env.contacts_by_geom and env.ground is None and PlaneContacts.can(names, model):
            self.contacts = PlaneContacts(names, model, handle, self.device)
        elif env.contacts_by_geom:
            self.contacts = GroundContacts(names, PLANE if env.ground is None else MESH)

    def raw_base_pos_w(self) -> Tensor:
        return self.handle.base_pose()[0]

    def raw_base_quat_w(self) -> Tensor:
        return self.handle.base_pose()[1]

    def raw_base_lin_vel_w(self) -> Tensor:
        lin_vel, ang_vel = self.handle.base_com_velocity()
        com_to_origin = -frames.rotate(self.read("base_quat_w"), self.handle.body_com_offset(self._base)[:, 0])
        return lin_vel + torch.linalg.cross(ang_vel, com_to_origin)

    def raw_base_ang_vel_b(self) -> Tensor:
        return frames.rotate_inverse(self.read("base_quat_w"), self.handle.base_com_velocity()[1])

    def raw_joint_pos(self) -> Tensor:
        return self.handle.joint_pos()

    def raw_joint_vel(self) -> Tensor:
        return self.handle.joint_vel()

    def raw_joint_torque(self) -> Tensor:
        """The motors' law on the present state, as MuJoCo's actuators have it, with the gains that are simulated."""
        target, stiffness, damping, limit = self.handle.drives()
        torque = stiffness * (target - self.read("joint_pos")) - damping * self.read("joint_vel")
        if self.handle.has_dc_motors:
            stall, speed = self.handle.curves()
            return dc_motor_torque(torque, self.read("joint_vel"), stall, limit, speed)
        return torque.clamp(-limit, limit)

    def raw_foot_pos_w(self) -> Tensor:
        position, quat = self.handle.body_pose(self._foot_bodies)
        return position + _rotate(quat, self._foot_offset)

    def raw_foot_vel_w(self) -> Tensor:
        if self._foot_velocity is not None:
            names = ("foot_pos_w", "base_pos_w", "base_lin_vel_w", "base_ang_vel_w", "joint_vel")
            return self._foot_velocity(*(self.read(name) for name in names))
        lin_vel, ang_vel = self.handle.body_com_velocity(self._foot_bodies)
        _, quat = self.handle.body_pose(self._foot_bodies)
        com_to_foot = _rotate(quat, self._foot_offset - self.handle.body_com_offset(self._foot_bodies))
        return lin_vel + torch.linalg.cross(ang_vel, com_to_foot)

    def raw_foot_in_contact(self) -> Tensor:
        return self._per_foot(self._touching("feet", "foot_in_contact").int()) > 0

    def raw_foot_force_w(self) -> Tensor:
        return self._per_foot(self._force("feet", "foot_force_w"))

    def raw_base_in_contact(self) -> Tensor:
        return self._touching("base", "base_in_contact").any(dim=1)

    def raw_limbs_in_contact(self) -> Tensor:
        return self._touching("limbs", "limbs_in_contact").sum(dim=1)

    def raw_action(self) -> Tensor:
        return self._env.action_manager.action

    def raw_prev_action(self) -> Tensor:
        return self._env.action_manager.prev_action

    def raw_prev_prev_action(self) -> Tensor:
        return self._env.prev_prev_action

    def raw_episode_step(self) -> Tensor:
        return self._env.episode_length_buf

    def env_origins(self) -> Tensor:
        return self._env.scene.env_origins

    def base_acceleration(self) -> tuple[Tensor, Tensor]:
        """Of the present state on Newton; on PhysX the mean over the last physics step."""
        if self.handle.writes_reach_links:
            if self.handle.has_dc_motors:
                self._env.scene.write_data_to_sim()  # their torques are those before the last physics step
            lin_acc, ang_acc_b = base_acceleration()
            return lin_acc - self._gravity, ang_acc_b
        com_acc, ang_acc = self.handle.base_com_acceleration(self._base)
        quat, ang_vel = self.read("base_quat_w"), self.read("base_ang_vel_w")
        com_to_origin = -frames.rotate(quat, self.handle.body_com_offset(self._base)[:, 0])
        turning = torch.linalg.cross(ang_acc, com_to_origin)
        turning += torch.linalg.cross(ang_vel, torch.linalg.cross(ang_vel, com_to_origin))
        return com_acc + turning - self._gravity, frames.rotate_inverse(quat, ang_acc)

    def begun(self, env_ids: Tensor) -> None:
        """Some robots begin an episode: what PhysX last felt of them was in another one. Shape (n,)."""
        self._not_stepped[env_ids] = not self._newton
        self.invalidate()

    def state_changed(self, stepped: bool = False) -> None:
        """The simulator's state was advanced (`stepped`) or written to."""
        if stepped:
            self._not_stepped.fill_(False)
        if self.contacts is not None:
            self.contacts.forget()
        self.invalidate()

    def _touching(self, group: str, what: str) -> Tensor:
        """Whether each part of a group touches the ground, or, on PhysX, anything. Shape (N, parts), bool."""
        if self.contacts is None or group not in self._columns:
            return self._force(group, what).square().sum(dim=2) > 0
        return self.contacts.read()[:, self._columns[group]] & ~self._not_stepped

    def _force(self, group: str, what: str) -> Tensor:
        if isinstance(self.contacts, PointContacts) and group in self._columns:
            return self._felt(self.contacts.force()[:, self._columns[group]])
        if group not in self._sensors:
            raise EngineError(
                f"RobotState field {what!r} is always zero here: contact model "
                f"{self.manifest.simulation.contact_model!r} lets that part of the robot touch nothing. "
                "Use simulation=full, or drop the term that reads it."
            )
        sensor, columns = self._sensors[group]
        return self._felt(contact_force(sensor)[:, columns])

    def _felt(self, force: Tensor) -> Tensor:
        """Without what was felt in the episode before. Shape (N, parts, 3)."""
        return force if self._newton else force.masked_fill(self._not_stepped.unsqueeze(2), 0.0)


def unique(names: Iterable[str]) -> list[str]:
    """Each name once, in order of first appearance."""
    return list(dict.fromkeys(names))


def _rotate(quat: Tensor, vector: Tensor) -> Tensor:
    """`frames.rotate` for several bodies: quaternions (N, b, 4), vectors (b, 3) or (N, b, 3)."""
    vector = vector.expand(*quat.shape[:-1], 3)
    return frames.rotate(quat.flatten(0, 1), vector.flatten(0, 1)).unflatten(0, quat.shape[:2])
