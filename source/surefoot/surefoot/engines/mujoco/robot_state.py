"""RobotState read from mjlab's simulation, on the CPU and on CUDA alike."""

from typing import TYPE_CHECKING

import mujoco
import torch
from torch import Tensor

from surefoot.engines.foot_sums import FootSums
from surefoot.engines.mjcf import imu_offset
from surefoot.errors import EngineError, did_you_mean
from surefoot.manifest.manifest import Manifest
from surefoot.mdp.robot_state import RobotState

if TYPE_CHECKING:
    from surefoot.engines.mujoco.env import MujocoEnv

FOOT_POS, FOOT_VEL = "surefoot_foot_pos", "surefoot_foot_vel"
FEET, BASE, LIMBS = "feet_ground", "base_ground", "limbs_ground"


class MujocoRobotState(RobotState):
    """Reads qpos, qvel, qfrc_actuator and sensordata, and qacc when asked; everything else is derived from them."""

    def __init__(self, env: "MujocoEnv", manifest: Manifest) -> None:
        super().__init__(manifest, env.num_envs, str(env.device), env.ground)
        self._env = env
        model, robot = env.sim.mj_model, manifest.robot
        joint_ids = [_id(model, mujoco.mjtObj.mjOBJ_JOINT, f"robot/{name}") for name in robot.joint_names]
        self.q_ids = torch.tensor([int(model.jnt_qposadr[i]) for i in joint_ids], device=self.device)
        self.v_ids = torch.tensor([int(model.jnt_dofadr[i]) for i in joint_ids], device=self.device)
        self._foot_pos_ids = self._sensor_ids(model, [f"{FOOT_POS}_{foot.name}" for foot in robot.feet])
        self._foot_vel_ids = self._sensor_ids(model, [f"{FOOT_VEL}_{foot.name}" for foot in robot.feet])
        groups = robot.contact_groups(manifest.simulation.contact_model)
        feet, base, limbs = (groups.get(name, ()) for name in ("feet", "base", "limbs"))
        self._foot_found_ids = self._sensor_ids(model, [f"{FEET}_{geom}_found" for geom in feet])
        self._foot_force_ids = self._sensor_ids(model, [f"{FEET}_{geom}_force" for geom in feet])
        self._base_found_ids = self._sensor_ids(model, [f"{BASE}_{geom}_found" for geom in base])
        self._limb_found_ids = self._sensor_ids(model, [f"{LIMBS}_{geom}_found" for geom in limbs])
        self._per_foot = FootSums(robot.foot_geoms(manifest.simulation.contact_model), self.device)
        offset = imu_offset(model, robot, "robot/")
        self.imu_offset = offset.to(self.device) if offset is not None else None
        self._gravity = torch.tensor(model.opt.gravity, dtype=torch.float32, device=self.device)
        self._qpos = env.sim.data.qpos[:]
        self._qvel = env.sim.data.qvel[:]
        self._torque = env.sim.data.qfrc_actuator[:]
        self._sensordata = env.sim.data.sensordata[:]

    def _sensor_ids(self, model: mujoco.MjModel, names: list[str]) -> Tensor:
        """Columns of sensordata; empty where the model has no such sensors."""
        columns: list[int] = []
        for name in names:
            index = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_SENSOR, name)
            if index >= 0:
                start = int(model.sensor_adr[index])
                columns += range(start, start + int(model.sensor_dim[index]))
        return torch.tensor(columns, dtype=torch.long, device=self.device)

    def _sensed(self, columns: Tensor, what: str) -> Tensor:
        if len(columns) == 0:
            raise EngineError(
                f"RobotState field {what!r} is always zero here: contact model "
                f"{self.manifest.simulation.contact_model!r} lets that part of the robot touch nothing. "
                "Use simulation=full, or drop the term that reads it."
            )
        return self._sensordata[:, columns]

    def raw_base_pos_w(self) -> Tensor:
        return self._qpos[:, 0:3]

    def raw_base_quat_w(self) -> Tensor:
        return self._qpos[:, 3:7]

    def raw_base_lin_vel_w(self) -> Tensor:
        return self._qvel[:, 0:3]

    def raw_base_ang_vel_b(self) -> Tensor:
        return self._qvel[:, 3:6]

    def raw_joint_pos(self) -> Tensor:
        return self._qpos[:, self.q_ids]

    def raw_joint_vel(self) -> Tensor:
        return self._qvel[:, self.v_ids]

    def raw_joint_torque(self) -> Tensor:
        return self._torque[:, self.v_ids]

    def raw_foot_pos_w(self) -> Tensor:
        return self._sensordata[:, self._foot_pos_ids].unflatten(1, (-1, 3))

    def raw_foot_vel_w(self) -> Tensor:
        return self._sensordata[:, self._foot_vel_ids].unflatten(1, (-1, 3))

    def raw_foot_in_contact(self) -> Tensor:
        return self._per_foot(self._sensed(self._foot_found_ids, "foot_in_contact")) > 0

    def raw_foot_force_w(self) -> Tensor:
        # MuJoCo's contact sensor gives the force of the foot on the ground.
        return -self._per_foot(self._sensed(self._foot_force_ids, "foot_force_w").unflatten(1, (-1, 3)))

    def raw_base_in_contact(self) -> Tensor:
        return (self._sensed(self._base_found_ids, "base_in_contact") > 0).any(dim=1)

    def raw_limbs_in_contact(self) -> Tensor:
        return (self._sensed(self._limb_found_ids, "limbs_in_contact") > 0).sum(dim=1)

    def raw_action(self) -> Tensor:
        return self._env.action_manager.action

    def raw_prev_action(self) -> Tensor:
        return self._env.action_manager.prev_action

    def raw_prev_prev_action(self) -> Tensor:
        return self._env.action_manager.prev_prev_action

    def raw_episode_step(self) -> Tensor:
        return self._env.episode_length_buf

    def base_acceleration(self) -> tuple[Tensor, Tensor]:
        """Of the last forward pass, which follows physics, resets and writes: true for the present state and targets.

        MuJoCo's accelerometer is computed from the same numbers; a sensor in the model would cost every pass.
        """
        acceleration = self._env.sim.data.qacc[:]  # bound only now: what is bound is copied in every physics call
        return acceleration[:, 0:3] - self._gravity, acceleration[:, 3:6]

    def env_origins(self) -> Tensor:
        return self._env.scene.env_origins


def _id(model: mujoco.MjModel, kind: mujoco.mjtObj, name: str) -> int:
    index = mujoco.mj_name2id(model, kind, name)
    if index < 0:
        known = [model.joint(i).name for i in range(model.njnt)] if kind == mujoco.mjtObj.mjOBJ_JOINT else []
        raise EngineError(f"The MuJoCo model has no joint {name!r}. {did_you_mean(name, known)}")
    return index
