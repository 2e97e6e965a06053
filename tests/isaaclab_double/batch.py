"""One MuJoCo simulation for each robot on the stage.

Links and joints stand in breadth-first order, siblings by name: hips before thighs before calves.

Axis letters: N robots, L links, J joints, G geometries.
"""

import copy
import re

import mujoco
import numpy as np
from pxr import Usd, UsdGeom, UsdPhysics

from isaaclab_double.usd_robot import add_ground, read_robot, world_collider


class Batch:
    """All robots of a stage; they differ only in where they start.

    Attributes:
        models: One MuJoCo model each, so that their parameters can differ.
        data: The state that belongs to each.
        links: MuJoCo's body ids. Shape (L,).
        joints: MuJoCo's joint ids; their actuators have the same ids. Shape (J,).
        effort: Torque beside the drives', N m. Shape (N, J).
    """

    def __init__(self, stage: Usd.Stage, dt: float) -> None:
        robots = [prim for prim in stage.Traverse() if prim.HasAPI(UsdPhysics.ArticulationRootAPI)]
        robots.sort(key=lambda prim: _env_number(str(prim.GetPath())))
        self.root_paths = [str(prim.GetPath()) for prim in robots]
        self.gravity = _gravity(stage)
        self.dt, self.num = dt, len(robots)
        if not robots:
            raise ValueError("There is no articulation on the stage.")
        spec = read_robot(stage, robots[0])
        for prim in filter(world_collider, stage.Traverse()):
            add_ground(spec, prim)
        _options(spec, dt, self.gravity)
        first = spec.compile()
        mujoco.set_mju_user_warning(lambda message: None)  # else a file in the working directory
        self.models = [first, *(copy.copy(first) for _ in robots[1:])]
        self.data = [mujoco.MjData(model) for model in self.models]
        self._name_parts(first)
        shape = (self.num, len(self.joints))
        self.target_pos, self.target_vel, self.effort = (np.zeros(shape) for _ in range(3))
        self.wrench = np.zeros((self.num, len(self.links), 6))
        poses = UsdGeom.XformCache()
        for data, prim in zip(self.data, robots, strict=True):
            pose = poses.GetLocalToWorldTransform(prim)
            quat = pose.ExtractRotationQuat()
            data.qpos[:7] = [*pose.ExtractTranslation(), quat.GetReal(), *quat.GetImaginary()]
        self.update_kinematics()
        self.link_velocity = self._link_velocity()
        self.link_acceleration = np.zeros_like(self.link_velocity)

    def _name_parts(self, model: mujoco.MjModel) -> None:
        self.links = np.array(_breadth_first(model))
        self.link_names = [model.body(link).name for link in self.links]
        hinges = [int(model.body_jntadr[link]) for link in self.links if model.body_jntnum[link]]
        self.joints = np.array([j for j in hinges if model.jnt_type[j] == mujoco.mjtJoint.mjJNT_HINGE])
        self.joint_names = [model.joint(joint).name for joint in self.joints]
        self.actuators = np.array([model.actuator(name).id for name in self.joint_names])
        self.qpos_at, self.qvel_at = model.jnt_qposadr[self.joints], model.jnt_dofadr[self.joints]
        geoms = [np.flatnonzero(model.geom_bodyid == link) for link in self.links]
        self.geoms = np.concatenate(geoms)
        self.num_geoms = [len(ids) for ids in geoms]
        folders = [path.rpartition("/")[0] for path in self.root_paths]
        self.link_paths = [[f"{folder}/{name}" for name in self.link_names] for folder in folders]

    def step(self) -> None:
        """One physics step."""
        before = self.link_velocity
        for env, (model, data) in enumerate(zip(self.models, self.data, strict=True)):
            stiffness, damping = -model.actuator_biasprm[self.actuators, 1:3].T
            ctrl = stiffness * self.target_pos[env] + damping * self.target_vel[env] + self.effort[env]
            data.ctrl[self.actuators] = ctrl
            data.xfrc_applied[self.links] = self.wrench[env]
            if not np.isfinite(data.qacc_warmstart).all():
                data.qacc_warmstart[:] = 0.0  # PhysX has no such memory
            mujoco.mj_step(model, data)
        self.wrench[:] = 0.0  # PhysX applies a force for one step
        self.update_kinematics()
        self.link_velocity = self._link_velocity()
        self.link_acceleration = (self.link_velocity - before) / self.dt

    def update_kinematics(self) -> None:
        """Poses of the links from the joints'. Contacts stay those of the last step."""
        for model, data in zip(self.models, self.data, strict=True):
            mujoco.mj_kinematics(model, data)
            mujoco.mj_comPos(model, data)

    def stacked(self, name: str) -> np.ndarray:
        """A field of every robot's data. Shape (N, ...)."""
        return np.stack([getattr(data, name) for data in self.data])

    def parameter(self, name: str) -> np.ndarray:
        """A field of every robot's model. Shape (N, ...)."""
        return np.stack([getattr(model, name) for model in self.models])

    def contact_forces(self) -> np.ndarray:
        """N, world: normal forces on each link in the last step. Shape (N, L, 3)."""
        forces, found = np.zeros((self.num, len(self.links), 3)), np.zeros(6)
        column = {int(link): index for index, link in enumerate(self.links)}
        for env, (model, data) in enumerate(zip(self.models, self.data, strict=True)):
            for number in range(data.ncon):
                contact = data.contact[number]
                mujoco.mj_contactForce(model, data, number, found)
                for geom, sign in zip(contact.geom, (-1.0, 1.0), strict=True):  # the normal points to the second
                    link = column.get(int(model.geom_bodyid[geom]))
                    if link is not None:
                        forces[env, link] += sign * found[0] * contact.frame[:3]
        return forces

    def _link_velocity(self) -> np.ndarray:
        """Of the centres of mass: linear (m/s) and angular (rad/s), world. Shape (N, L, 6)."""
        for model, data in zip(self.models, self.data, strict=True):
            mujoco.mj_comVel(model, data)
        spatial = self.stacked("cvel")[:, self.links]
        angular, at_root = spatial[..., :3], spatial[..., 3:]
        arm = self.stacked("xipos")[:, self.links] - self.stacked("subtree_com")[:, self.links[:1]]
        return np.concatenate((at_root + np.cross(angular, arm), angular), axis=-1)


def _env_number(path: str) -> int:
    found = re.search(r"env_(\d+)", path)
    return int(found[1]) if found else 0


def _gravity(stage: Usd.Stage) -> tuple[float, float, float]:
    scene = next(UsdPhysics.Scene(prim) for prim in stage.Traverse() if prim.IsA(UsdPhysics.Scene))
    direction, magnitude = scene.GetGravityDirectionAttr().Get(), scene.GetGravityMagnitudeAttr().Get()
    return (direction[0] * magnitude, direction[1] * magnitude, direction[2] * magnitude)


def _options(spec: mujoco.MjSpec, dt: float, gravity: tuple[float, float, float]) -> None:
    spec.option.timestep, spec.option.gravity = dt, gravity
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET  # a broken state stays broken
    spec.option.disableflags |= mujoco.mjtDisableBit.mjDSBL_MIDPHASE  # its boxes lie about centres of mass, which move


def _breadth_first(model: mujoco.MjModel) -> list[int]:
    level, order = [1], []
    while level:
        order += level
        below = [[c for c in range(2, model.nbody) if model.body_parentid[c] == body] for body in level]
        level = [child for children in below for child in sorted(children, key=lambda body: model.body(body).name)]
    return order
