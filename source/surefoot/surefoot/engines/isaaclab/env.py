"""Isaac Lab's manager-based environment as a `TaskEnv`."""

import contextlib
import io
import time
import warnings
from typing import Any, cast

import torch
from isaaclab.envs import ManagerBasedRLEnv, ManagerBasedRLEnvCfg
from torch import Tensor

from surefoot.engines.delays import ObservationDelay
from surefoot.engines.isaaclab.binder import tells_geometries_apart
from surefoot.engines.isaaclab.compat import RobotHandle, new_simulation
from surefoot.engines.isaaclab.compat.newton import soft_contacts, thicken_height_field
from surefoot.engines.isaaclab.factors import IsaacLabFactors
from surefoot.engines.isaaclab.faults import IsaacLabFaults
from surefoot.engines.isaaclab.probe import check_effect
from surefoot.engines.isaaclab.robot_model import RobotModel
from surefoot.engines.isaaclab.robot_state import IsaacLabRobotState
from surefoot.engines.step import PhysicalState, StepResult
from surefoot.engines.task_env import TaskEnv
from surefoot.errors import CheckpointError, EngineError
from surefoot.manifest.manifest import Manifest
from surefoot.mdp.frames import rotate
from surefoot.randomization.conditions import Conditions


class IsaacLabEnv(TaskEnv, ManagerBasedRLEnv):
    """One task in many environments.

    Args:
        cfg: From `build_env_cfg`.
        manifest: The experiment.
        model: The robot.
        version: Isaac Lab's, `2.3` or `3.0`.
        backend: Physics backend.
        evaluation: Commands are held from outside, no pushes, no scattered episode starts.
        replicates: In an evaluation, so many neighbours share a command.
        conditions: What an evaluation imposes.
    """

    def __init__(
        self,
        cfg: ManagerBasedRLEnvCfg,
        manifest: Manifest,
        model: RobotModel,
        *,
        version: str,
        backend: str,
        evaluation: bool,
        replicates: int,
        conditions: Conditions | None = None,
    ) -> None:
        self.prepare_task(manifest, cfg.scene.num_envs, str(cfg.sim.device), evaluation, replicates, conditions)
        by_geom = backend == "newton_mjwarp" or (backend == "ovphysx" and tells_geometries_apart(manifest))
        self.contacts_by_geom = by_geom and bool(model.contacts)
        self.contact_of_present_state = self.contacts_by_geom and backend == "newton_mjwarp"
        self.implicit_drives = backend != "newton_mjwarp"
        self._model, self._version, self._backend = model, version, backend
        self._physics_seconds = 0.0
        tables = io.StringIO()  # every manager's; the manifest says the same
        try:
            with contextlib.redirect_stdout(tables), new_simulation(version):
                ManagerBasedRLEnv.__init__(self, cfg)
                self.start_task()
        except BaseException:
            self._is_closed = True  # half built: Isaac Lab could not close it
            raise

    def load_managers(self) -> None:
        manifest, robot = self.manifest, self.scene["robot"]
        if self.ground is not None:
            self.scene.terrain.env_origins = self.ground.origins  # moves with it
            if self._backend == "newton_mjwarp":
                thicken_height_field()
                if caveat := soft_contacts(manifest):
                    warnings.warn(caveat, stacklevel=2)
                    self.caveats = (caveat,)
        elif self.conditions is not None:
            self.scene.env_origins.zero_()  # no robot meets another: none depends on who else is there
        self.handle = RobotHandle(robot, self._version, self._backend, manifest.robot.joint_names, self.device)
        self.prev_prev_action = torch.zeros(self.num_envs, len(manifest.robot.joints), device=self.device)
        self.robot_state = IsaacLabRobotState(self, manifest, self._model, self.handle)
        self.load_task()
        if self._model.mj is None:
            self._overrule_usd()
        self.factors = IsaacLabFactors(self, self._model)
        self.factors.apply(torch.arange(self.num_envs, device=self.device))
        check_effect(self, has_reference=self._backend == "newton_mjwarp")
        self.faults = IsaacLabFaults(self)
        super().load_managers()

    def _overrule_usd(self) -> None:
        """Limits and friction of a robot that comes as USD are the manifest's, friction of every geometry."""
        robot, everyone = self.manifest.robot, torch.arange(self.num_envs, device=self.device)
        self.handle.write_limits(torch.tensor([joint.limits for joint in robot.joints], device=self.device))
        grip = robot.contact_models[self.manifest.simulation.contact_model].foot_friction[0]
        friction = torch.full_like(self.handle.friction(), grip)
        self.handle.write_friction(everyone, torch.arange(friction.shape[1], device=self.device), friction)

    @property
    def physics_seconds(self) -> float:
        """s inside the simulator; NaN on CUDA, where calls return before the work is done."""
        return self._physics_seconds if self.device == "cpu" else float("nan")

    def _reset_idx(self, env_ids: Any) -> None:
        self.prev_prev_action[env_ids] = 0.0
        super()._reset_idx(env_ids)

    def sense(self) -> None:
        """Events at intervals are nobody's but a user's: the manifest's pushes are counted elsewhere."""
        if "interval" in self.event_manager.available_modes:
            self.event_manager.apply(mode="interval", dt=self.step_dt)
            self.scene.write_data_to_sim()
            self.refresh(torch.arange(self.num_envs, device=self.device))

    def before_step(self, action: Tensor) -> None:
        self.prev_prev_action.copy_(self.action_manager.prev_action)

    def advance_physics(self) -> None:
        started = time.perf_counter()
        try:
            at_once = getattr(self, "_physics_handles_decimation", False)
            for _ in range(1 if at_once else self.cfg.decimation):
                self.action_manager.apply_action()
                self.scene.write_data_to_sim()
                self.sim.step(render=False)
                self.scene.update(dt=self.step_dt if at_once else self.physics_dt)
        finally:
            self.robot_state.state_changed(stepped=True)
            self._sim_step_counter += self.cfg.decimation
            self._physics_seconds += time.perf_counter() - started

    def refresh(self, env_ids: Tensor) -> None:
        self.sim.forward()
        self.robot_state.state_changed()

    def apply_factors(self, env_ids: Tensor) -> None:
        self.factors.apply(env_ids)

    def model_deviations(self) -> tuple[tuple[str, ...], Tensor]:
        return self.factors.deviations()

    def reward_rates(self) -> Tensor:
        return self.reward_manager._step_reward

    def kick(self, env_ids: Tensor, change: Tensor) -> None:
        read = self.robot_state.read
        pos, quat = read("base_pos_w")[env_ids], read("base_quat_w")[env_ids]
        lin_vel, ang_vel = read("base_lin_vel_w")[env_ids].clone(), read("base_ang_vel_b")[env_ids].clone()
        lin_vel[:, :2] += change[:, :2]
        ang_vel[:, 2] += change[:, 2]
        self.handle.write_base(env_ids, pos, quat, lin_vel, rotate(quat, ang_vel))
        self.robot_state.invalidate()

    def write_state(self, env_ids: Tensor, state: PhysicalState) -> None:
        self.write_base(
            env_ids, pos_w=state.pos_w, quat_w=state.quat_w, lin_vel_w=state.lin_vel_w, ang_vel_b=state.ang_vel_b
        )
        self.handle.write_joints(env_ids, state.joint_pos, state.joint_vel)
        self.handle.forget(env_ids)

    def write_reset(self, env_ids: Tensor) -> None:
        super().write_reset(env_ids)
        self.robot_state.begun(env_ids)

    def write_base(
        self, env_ids: Tensor, *, pos_w: Tensor, quat_w: Tensor, lin_vel_w: Tensor, ang_vel_b: Tensor
    ) -> None:
        self.handle.write_base(env_ids, pos_w, quat_w, lin_vel_w, rotate(quat_w, ang_vel_b))

    def command_joints(self, targets: Tensor) -> None:
        self.handle.set_targets(targets)
        self.scene.write_data_to_sim()

    def write_gains(self, stiffness: Tensor, damping: Tensor) -> None:
        everyone = torch.arange(self.num_envs, device=self.device)
        for name, value in (("stiffness", stiffness), ("damping", damping)):
            self.handle.write_joint_parameter(name, everyone, value[:, self.handle.to_isaac])

    def physics_step(self) -> None:
        self.sim.step(render=False)
        self.scene.update(dt=self.physics_dt)
        self.robot_state.state_changed(stepped=True)

    def joint_properties(self) -> dict[str, Tensor]:
        """See `EngineEnv.joint_properties`."""
        lower, upper, armature = self.handle.limits_and_armature()
        return {"lower": lower, "upper": upper, "armature": armature}

    def add_observation_delay(self, delay: ObservationDelay) -> None:
        """Tell it of resets from now on."""
        self._observation_delays.append(delay)

    def get_observations(self) -> dict[str, Tensor]:
        return cast("dict[str, Tensor]", dict(self.obs_buf))

    def total_mass(self) -> Tensor:
        """Mass of each robot as simulated, randomisation included, kg. Shape (num_envs,)."""
        return self.handle.masses().sum(dim=1).to(self.device)

    def record_faults(self) -> None:
        """Faults are counted on this engine; what they could be replayed from is not kept."""

    def recorded_faults(self) -> dict[str, Tensor]:
        """Always empty: see `record_faults`."""
        return {}

    def replay_faults(self, saved: dict[str, Tensor]) -> StepResult:
        """Refused: see `record_faults`."""
        raise EngineError("Engine 'isaaclab' cannot replay faults; replay them on the engine that recorded them.")

    def state_dict(self) -> dict[str, Any] | None:
        """None: Isaac Lab's physics does not show its whole state, so a resumed run goes on from a reset."""
        return None

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Refused, as a state that does not fit is: see `state_dict`."""
        raise CheckpointError("engine 'isaaclab' cannot restore an environment's state.")
