"""Isaac Lab's manager-based environment, stepped by surefoot: fresh state for every term, our own random streams."""

import contextlib
import io
import time
from dataclasses import dataclass
from typing import Any, cast, get_args

import torch
from isaaclab.envs import ManagerBasedRLEnv, ManagerBasedRLEnvCfg
from torch import Tensor

from surefoot.audit.observe import audit_step
from surefoot.audit.step import AuditStep
from surefoot.engines.isaaclab.compat import RobotHandle
from surefoot.engines.isaaclab.factors import PhysicsFactors
from surefoot.engines.isaaclab.faults import FaultDetector
from surefoot.engines.isaaclab.robot_model import RobotModel
from surefoot.engines.isaaclab.robot_state import IsaacLabRobotState
from surefoot.errors import EngineError
from surefoot.manifest.manifest import Manifest
from surefoot.mdp.commands import VelocityCommands
from surefoot.mdp.frames import quat_from_yaw, rotate
from surefoot.mdp.layout import GroupName
from surefoot.mdp.noise import ObservationNoise
from surefoot.randomization.buckets import Buckets
from surefoot.randomization.pushes import Pushes
from surefoot.randomization.resets import sample_reset
from surefoot.randomization.streams import Streams


@dataclass(frozen=True)
class IsaacLabStep:
    """See `surefoot.engines.base.StepResult`."""

    observations: dict[str, Tensor]
    reward: Tensor
    terminated: Tensor
    truncated: Tensor
    faults: Tensor
    invalid_obs: Tensor
    audit: AuditStep


class IsaacLabEnv(ManagerBasedRLEnv):
    """One task in many environments; the order within a step is that of docs/design.md.

    Args:
        cfg: From `build_env_cfg`.
        manifest: The experiment.
        model: The robot.
        version: Isaac Lab's, `2.3` or `3.0`.
        backend: Physics backend.
        contact_groups: Geometries that can touch the ground, by group.
        evaluation: Commands are held from outside, no pushes, no scattered episode starts.
        replicates: In an evaluation, so many neighbours share a command.
    """

    def __init__(
        self,
        cfg: ManagerBasedRLEnvCfg,
        manifest: Manifest,
        model: RobotModel,
        *,
        version: str,
        backend: str,
        contact_groups: dict[str, tuple[str, ...]],
        evaluation: bool,
        replicates: int,
    ) -> None:
        self.manifest = manifest
        self.contact_groups = contact_groups
        self.contacts_by_geom = backend == "newton_mjwarp"
        self._model, self._version, self._backend = model, version, backend
        self._evaluation, self._replicates = evaluation, replicates
        self.samples = 0
        self._physics_seconds = 0.0
        purpose = "evaluation/" if evaluation else ""
        self.streams = Streams(manifest.seed, cfg.scene.num_envs, cfg.sim.device, purpose=purpose)
        with contextlib.redirect_stdout(io.StringIO()):  # every manager's table; the manifest says the same
            super().__init__(cfg)
        self.reset()
        if manifest.task.resets.randomize_episode_start and not evaluation:
            start = self.streams.uniform("episode_start", None, 1, 0, self.max_episode_length, per_episode=False)
            self.episode_length_buf[:] = start.squeeze(1).long().clamp_(max=self.max_episode_length - 1)

    def load_managers(self) -> None:
        manifest = self.manifest
        robot = self.scene["robot"]
        self.handle = RobotHandle(robot, self._version, self._backend, manifest.robot.joint_names, self.device)
        self.prev_prev_action = torch.zeros(self.num_envs, len(manifest.robot.joints), device=self.device)
        self.robot_state = IsaacLabRobotState(self, manifest, self._model, self.handle)
        group = self._replicates if self._evaluation else None
        self.buckets = Buckets(manifest.randomization, self.streams, group=group)
        self.factors = PhysicsFactors(self, self._model)
        self.factors.apply(torch.arange(self.num_envs, device=self.device))
        self.commands = VelocityCommands(manifest.task.commands, self.robot_state.command, self.streams)
        self.pushes = Pushes(manifest.randomization.push, self.num_envs, self.streams)
        self.pushes.enabled &= not self._evaluation
        self._noise = {name: ObservationNoise(manifest, name, self.streams) for name in get_args(GroupName)}
        if self._evaluation:
            self.commands.hold(torch.zeros(3, device=self.device))
        self.faults = FaultDetector(self)
        super().load_managers()
        rewards = manifest.task.rewards
        self._ramped = [
            (self.reward_manager.get_term_cfg(name), term.weight) for name, term in rewards.items() if term.ramp
        ]

    @property
    def physics_seconds(self) -> float:
        """s inside the simulator; NaN on CUDA, where calls return before the work is done."""
        return self._physics_seconds if self.device == "cpu" else float("nan")

    def reset(self, **kwargs: Any) -> Any:
        """Reset every environment; observations by group."""
        self.robot_state.invalidate()
        observations, _ = super().reset(**kwargs)
        self.robot_state.invalidate()
        return observations

    def _reset_idx(self, env_ids: Any) -> None:
        env_ids = env_ids.long()
        self.streams.begin_episode(env_ids)  # first: whatever is drawn from here on belongs to the new episode
        if self.buckets.has_reset_factors:
            self.buckets.resample(env_ids)
            self.factors.apply(env_ids)
        if self.pushes.enabled:
            self.pushes.reset(env_ids)
        self.prev_prev_action[env_ids] = 0.0
        super()._reset_idx(env_ids)
        self.robot_state.invalidate()

    def step(self, action: Tensor) -> IsaacLabStep:  # pyright: ignore[reportIncompatibleMethodOverride]
        faults, limit = self.faults, self.manifest.task.actions.clip
        self.prev_prev_action.copy_(self.action_manager.prev_action)
        self.action_manager.process_action(faults.start(action).clamp(-limit, limit))
        completed = self._advance_physics()
        self.episode_length_buf += 1
        self.common_step_counter += 1
        self.samples += self.num_envs
        self._ramp_penalties()
        self.robot_state.end_of_physics()
        faults.after_physics(completed)

        self.termination_manager.compute()
        reward = self.reward_manager.compute(dt=self.step_dt).clone()
        rates = self.reward_manager._step_reward
        faults.after_rewards(rates)
        valid = ~faults.invalid
        terminated = self.termination_manager.terminated & valid
        truncated = self.termination_manager.time_outs & valid & ~terminated
        self.reset_terminated, self.reset_time_outs = terminated, truncated
        self.reset_buf = terminated | truncated | ~valid
        seen = self._audit_step(action, rates, reward, terminated, truncated)

        pushed = self._push()
        reset_ids = self.reset_buf.nonzero().flatten()
        if len(reset_ids) > 0:
            self._reset_idx(reset_ids)
            self.scene.write_data_to_sim()
        if pushed or len(reset_ids) > 0:
            self.sim.forward()
        dt = torch.full((self.num_envs,), self.step_dt, device=self.device)
        dt[reset_ids] = 0.0
        self.command_manager.compute(dt=dt)
        self.robot_state.invalidate()
        self.obs_buf = self.observation_manager.compute(update_history=True)
        observations = cast("dict[str, Tensor]", dict(self.obs_buf))
        faults.after_observations(observations)
        valid = ~faults.invalid
        terminated &= valid
        truncated &= valid
        return IsaacLabStep(observations, reward, terminated, truncated, seen.fault, faults.invalid_obs, seen)

    def _audit_step(
        self, action: Tensor, rates: Tensor, reward: Tensor, terminated: Tensor, truncated: Tensor
    ) -> AuditStep:
        """What the accounts read; what the resets overwrite is copied."""
        manager = self.termination_manager
        return audit_step(
            self.robot_state,
            rates=rates,
            reward=reward,
            causes=torch.stack([manager.get_term(name) for name in manager.active_terms], dim=1),
            terminated=terminated,
            truncated=truncated,
            fault=self.faults.found,
            bucket=self.buckets.ids.clone() if self.buckets.has_reset_factors else self.buckets.ids,
            episode_steps=self.episode_length_buf.clone(),
            action=action,
        )

    def _advance_physics(self) -> bool:
        """All physics steps of a control step; False where the simulator raised an exception."""
        started = time.perf_counter()
        try:
            at_once = getattr(self, "_physics_handles_decimation", False)
            for _ in range(1 if at_once else self.cfg.decimation):
                self.action_manager.apply_action()
                self.scene.write_data_to_sim()
                self.sim.step(render=False)
                self.scene.update(dt=self.step_dt if at_once else self.physics_dt)
        except RuntimeError as error:
            self.faults.after_exception(error)
            return False
        finally:
            self._sim_step_counter += self.cfg.decimation
            self._physics_seconds += time.perf_counter() - started
        return True

    def _push(self) -> bool:
        """Kick the environments whose time has come; True where there were any."""
        if not self.pushes.enabled:
            return False
        env_ids, change = self.pushes.step(self.step_dt)
        if len(env_ids) == 0:
            return False
        if (strength := self.buckets.values.get("push_strength")) is not None:
            change = change * strength[env_ids].unsqueeze(1)
        read = self.robot_state.read
        pos, quat = read("base_pos_w")[env_ids], read("base_quat_w")[env_ids]
        lin_vel, ang_vel = read("base_lin_vel_w")[env_ids].clone(), read("base_ang_vel_b")[env_ids].clone()
        lin_vel[:, :2] += change[:, :2]
        ang_vel[:, 2] += change[:, 2]
        self.handle.write_base(env_ids, pos, quat, lin_vel, rotate(quat, ang_vel))
        self.robot_state.invalidate()
        return True

    def _ramp_penalties(self) -> None:
        curriculum = self.manifest.task.curriculum
        total = curriculum.penalty_ramp_samples
        progress = 1.0 if self._evaluation or total == 0 else min(1.0, self.samples / total)
        factor = curriculum.penalty_ramp_start + (1 - curriculum.penalty_ramp_start) * progress
        for cfg, weight in self._ramped:
            cfg.weight = weight * factor

    def write_reset(self, env_ids: Tensor) -> None:
        """Draw and write the start of an episode."""
        robot, state = self.manifest.robot, self.robot_state
        start = sample_reset(self.manifest.task.resets, env_ids, len(robot.joints), self.streams)
        position = self.scene.env_origins[env_ids].clone()
        position[:, :2] += start.position_xy
        position[:, 2] += robot.base_height
        quat = quat_from_yaw(start.yaw)
        self.handle.write_base(env_ids, position, quat, start.lin_vel_w, rotate(quat, start.ang_vel_b))
        joint_pos = state.read("default_joint_pos") + start.joint_pos_offset
        self.handle.write_joints(env_ids, joint_pos, start.joint_vel)
        self.handle.forget(env_ids)
        state.reset(env_ids, start.gait_phase)

    def observation_noise(self, group: GroupName, term: str) -> Tensor:
        """Noise of one observation term in this control step. Shape (num_envs, size)."""
        noise = self._noise[group]
        level = self.buckets.values.get("noise_level")

        def draw() -> Tensor:
            drawn = noise.draw(self.episode_length_buf)
            return drawn if level is None else drawn * level.unsqueeze(1)

        drawn = self.robot_state.cached(f"noise/{group}", draw)
        return drawn[:, noise.columns[term]]

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

    def replay_faults(self, saved: dict[str, Tensor]) -> IsaacLabStep:
        """Refused: see `record_faults`."""
        raise EngineError("Engine 'isaaclab' cannot replay faults; replay them on the engine that recorded them.")

    def state_dict(self) -> dict[str, Any] | None:
        """None: Isaac Lab's physics does not show its whole state, so a resumed run goes on from a reset."""
        return None

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Refused: see `state_dict`."""
        raise EngineError("Engine 'isaaclab' cannot restore an environment's state.")

    def render(self, recompute: bool = False) -> Any:
        """Refused: there is no camera in the scene."""
        raise EngineError("Engine 'isaaclab' renders nothing yet; play and film with --engine mujoco.")
