"""mjlab's manager-based environment as a `TaskEnv`: physics in MuJoCo C on the CPU, MuJoCo-Warp on CUDA."""

from typing import Any, cast

import mujoco
import torch
from mjlab.envs import ManagerBasedRlEnv, ManagerBasedRlEnvCfg
from torch import Tensor

from surefoot.engines.mujoco.batch_sim import BatchSimulation
from surefoot.engines.mujoco.factors import SUPPORTED, ModelFactors
from surefoot.engines.mujoco.fault_recorder import FaultRecorder, load_faults
from surefoot.engines.mujoco.faults import MujocoFaults
from surefoot.engines.mujoco.height_field import with_height_field
from surefoot.engines.mujoco.probe import check_effect
from surefoot.engines.mujoco.reward_manager import MatrixRewardManager
from surefoot.engines.mujoco.robot_state import MujocoRobotState
from surefoot.engines.step import PhysicalState, StepResult
from surefoot.engines.task_env import TaskEnv
from surefoot.manifest.manifest import Manifest
from surefoot.randomization.buckets import refuse_unsupported
from surefoot.randomization.conditions import Conditions


def can_fuse(manifest: Manifest) -> bool:
    """Whether all physics steps of a control step have the same targets, so that one call can run them."""
    return manifest.task.actions.delay_steps[1] == 0 and "control_delay" not in manifest.randomization.factors


class MujocoEnv(TaskEnv, ManagerBasedRlEnv):
    """One task in many environments.

    The order within a step is mjlab's, with one difference: derived quantities (foot positions, contacts) are refreshed
    before terminations and rewards, not after, so that every term sees one instant.
    """

    robot_state: MujocoRobotState
    simulator_errors = (RuntimeError, mujoco.FatalError)
    torque_of_present_state = True

    def __init__(
        self,
        cfg: ManagerBasedRlEnvCfg,
        device: str,
        manifest: Manifest,
        *,
        evaluation: bool,
        replicates: int = 1,
        conditions: Conditions | None = None,
    ) -> None:
        refuse_unsupported(manifest.randomization, SUPPORTED, "mujoco")
        self.prepare_task(manifest, cfg.scene.num_envs, device, evaluation, replicates, conditions)
        if self.ground is not None:
            cfg.scene.spec_fn = with_height_field(self.ground.layout, cfg.scene.spec_fn)
        self.fault_recorder: FaultRecorder | None = None
        """Set to keep what a fault can be replayed from."""
        torch.manual_seed(manifest.seed)
        ManagerBasedRlEnv.__init__(self, cfg, device)
        self._fused = isinstance(self.sim, BatchSimulation) and self.sim.fused
        self.start_task()

    def load_managers(self) -> None:
        if self.ground is not None:
            self.scene.terrain.env_origins = self.ground.origins  # moves with it
        self.robot_state = MujocoRobotState(self, self.manifest)
        self.load_task()
        if self.conditions is not None and self.ground is None:
            self.scene.env_origins.zero_()  # each robot has a world of its own: none depends on who else is there
        self.factors = ModelFactors(self)
        self.factors.apply(torch.arange(self.num_envs, device=self.device))
        check_effect(self, self.factors)
        self.faults = MujocoFaults(self)
        super().load_managers()
        self.reward_manager = MatrixRewardManager(self.cfg.rewards, self, scale_by_dt=self.cfg.scale_rewards_by_dt)

    @property
    def physics_seconds(self) -> float:
        """s inside the simulator; NaN on CUDA, where calls return before the work is done."""
        return self.sim.physics_seconds if isinstance(self.sim, BatchSimulation) else float("nan")

    def before_step(self, action: Tensor) -> None:
        self.extras["log"] = {}
        if self.fault_recorder is not None:
            self.fault_recorder.before_step(action)

    def after_step(self) -> None:
        if self.fault_recorder is not None:
            self.fault_recorder.after_step(self.faults.found)

    def advance_physics(self) -> None:
        if self._fused:
            self.action_manager.apply_action()
            self.scene.write_data_to_sim()
            cast("BatchSimulation", self.sim).step_and_forward(self.cfg.decimation)
            self.scene.update(dt=self.step_dt)
        else:
            for _ in range(self.cfg.decimation):
                self.action_manager.apply_action()
                self.scene.write_data_to_sim()
                self.sim.step()
                self.scene.update(dt=self.physics_dt)
            self.sim.forward()
        self._sim_step_counter += self.cfg.decimation

    def refresh(self, env_ids: Tensor) -> None:
        if isinstance(self.sim, BatchSimulation):
            self.sim.forward_some(env_ids)
        else:
            self.sim.forward()

    def sense(self) -> None:
        self.sim.sense()

    def apply_factors(self, env_ids: Tensor) -> None:
        self.factors.apply(env_ids)

    def model_deviations(self) -> tuple[tuple[str, ...], Tensor]:
        return self.factors.deviations()

    def reward_rates(self) -> Tensor:
        return cast("MatrixRewardManager", self.reward_manager).rates

    def kick(self, env_ids: Tensor, change: Tensor) -> None:
        qvel = self.sim.data.qvel
        qvel[env_ids, 0:2] = qvel[env_ids, 0:2] + change[:, 0:2]
        qvel[env_ids, 5] = qvel[env_ids, 5] + change[:, 2]

    def write_state(self, env_ids: Tensor, state: PhysicalState) -> None:
        self.write_base(
            env_ids, pos_w=state.pos_w, quat_w=state.quat_w, lin_vel_w=state.lin_vel_w, ang_vel_b=state.ang_vel_b
        )
        rows = env_ids.unsqueeze(1)
        self.sim.data.qpos[rows, self.robot_state.q_ids] = state.joint_pos
        self.sim.data.qvel[rows, self.robot_state.v_ids] = state.joint_vel

    def write_base(
        self, env_ids: Tensor, *, pos_w: Tensor, quat_w: Tensor, lin_vel_w: Tensor, ang_vel_b: Tensor
    ) -> None:
        qpos, qvel = self.sim.data.qpos, self.sim.data.qvel
        qpos[env_ids, 0:3] = pos_w
        qpos[env_ids, 3:7] = quat_w
        qvel[env_ids, 0:3] = lin_vel_w
        qvel[env_ids, 3:6] = ang_vel_b

    def command_joints(self, targets: Tensor) -> None:
        robot, names = self.scene["robot"], list(self.manifest.robot.joint_names)
        robot.set_joint_position_target(targets, joint_ids=robot.find_joints(names, preserve_order=True)[0])
        self.scene.write_data_to_sim()

    def write_gains(self, stiffness: Tensor, damping: Tensor) -> None:
        self.factors.write_gains(stiffness, damping)

    def physics_step(self) -> None:
        self.sim.step()
        self.scene.update(dt=self.physics_dt)

    def joint_properties(self) -> dict[str, Tensor]:
        """See `EngineEnv.joint_properties`."""
        model, names = self.sim.model, self.manifest.robot.joint_names
        ids = [mujoco.mj_name2id(self.sim.mj_model, mujoco.mjtObj.mjOBJ_JOINT, f"robot/{name}") for name in names]
        limits, armature = model.jnt_range[:, ids], model.dof_armature[:, self.robot_state.v_ids]
        found = {"lower": limits[..., 0], "upper": limits[..., 1], "armature": armature}
        return {name: value.expand(self.num_envs, -1) for name, value in found.items()}

    def get_observations(self) -> dict[str, Tensor]:
        return cast("dict[str, Tensor]", self.observation_manager.compute())

    def total_mass(self) -> Tensor:
        """Mass of each robot as simulated, randomisation included, kg. Shape (num_envs,)."""
        return self.sim.model.body_mass[:, self.scene["robot"].indexing.body_ids].sum(dim=1).expand(self.num_envs)

    def record_faults(self) -> None:
        """Keep what the first faults from now on can be replayed from."""
        if self.fault_recorder is None:
            self.fault_recorder = FaultRecorder(self)
        self.fault_recorder.clear()

    def recorded_faults(self) -> dict[str, Tensor]:
        """See `EngineEnv.recorded_faults`."""
        return self.fault_recorder.saved() if self.fault_recorder is not None else {}

    def replay_faults(self, saved: dict[str, Tensor]) -> StepResult:
        """See `EngineEnv.replay_faults`."""
        load_faults(self, saved)
        return self.step(saved["action"].to(self.device))

    def body_id(self, name: str) -> int:
        """Index of one of the robot's bodies in the MuJoCo model."""
        return mujoco.mj_name2id(self.sim.mj_model, mujoco.mjtObj.mjOBJ_BODY, f"robot/{name}")

    def state_dict(self) -> dict[str, Any] | None:
        """Everything that a step depends on; None on CUDA."""
        from surefoot.engines.mujoco.snapshot import take

        return take(self) if isinstance(self.sim, BatchSimulation) else None

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state_dict` was taken."""
        from surefoot.engines.mujoco.snapshot import restore

        restore(self, state)
