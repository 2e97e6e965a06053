"""mjlab's manager-based environment, stepped by surefoot: fresh derived state for rewards, our own random streams."""

from dataclasses import dataclass
from typing import Any, cast, get_args

import mujoco
import torch
from mjlab.envs import ManagerBasedRlEnv, ManagerBasedRlEnvCfg
from torch import Tensor

from surefoot.audit.observe import audit_step
from surefoot.audit.step import AuditStep
from surefoot.engines.mujoco.batch_sim import BatchSimulation
from surefoot.engines.mujoco.delays import ObservationDelay
from surefoot.engines.mujoco.factors import SUPPORTED, ModelFactors
from surefoot.engines.mujoco.fault_recorder import FaultRecorder, load_faults
from surefoot.engines.mujoco.faults import FaultDetector
from surefoot.engines.mujoco.probe import check_effect
from surefoot.engines.mujoco.reward_manager import MatrixRewardManager
from surefoot.engines.mujoco.robot_state import MujocoRobotState
from surefoot.manifest.manifest import Manifest
from surefoot.mdp.commands import VelocityCommands
from surefoot.mdp.frames import quat_from_yaw
from surefoot.mdp.layout import GroupName
from surefoot.mdp.noise import ObservationNoise
from surefoot.randomization.buckets import Buckets, refuse_unsupported
from surefoot.randomization.pushes import Pushes
from surefoot.randomization.resets import sample_reset
from surefoot.randomization.streams import Streams


@dataclass(frozen=True)
class MujocoStep:
    """See `surefoot.engines.base.StepResult`."""

    observations: dict[str, Tensor]
    reward: Tensor
    terminated: Tensor
    truncated: Tensor
    faults: Tensor
    invalid_obs: Tensor
    audit: AuditStep


def can_fuse(manifest: Manifest) -> bool:
    """Whether all physics steps of a control step have the same targets, so that one call can run them."""
    return manifest.task.actions.delay_steps[1] == 0 and "control_delay" not in manifest.randomization.factors


class MujocoEnv(ManagerBasedRlEnv):
    """One task in many environments.

    The order within a step is mjlab's, with one difference: derived quantities (foot positions, contacts) are refreshed
    before terminations and rewards, not after, so that every term sees one instant.
    """

    def __init__(
        self,
        cfg: ManagerBasedRlEnvCfg,
        device: str,
        manifest: Manifest,
        *,
        render: bool,
        evaluation: bool,
        replicates: int = 1,
    ) -> None:
        refuse_unsupported(manifest.randomization, SUPPORTED, "mujoco")
        self.manifest = manifest
        self.streams = Streams(manifest.seed, cfg.scene.num_envs, device, purpose="evaluation/" if evaluation else "")
        self._evaluation = evaluation
        self._replicates = replicates
        self.samples = 0
        self.fault_recorder: FaultRecorder | None = None
        """Set to keep what a fault can be replayed from."""
        torch.manual_seed(manifest.seed)
        super().__init__(cfg, device, render_mode="rgb_array" if render else None)
        self._fused = isinstance(self.sim, BatchSimulation) and can_fuse(manifest)
        self.reset()
        if manifest.task.resets.randomize_episode_start and not evaluation:
            start = self.streams.uniform("episode_start", None, 1, 0, self.max_episode_length, per_episode=False)
            self.episode_length_buf[:] = start.squeeze(1).long().clamp_(max=self.max_episode_length - 1)

    def load_managers(self) -> None:
        self.robot_state = MujocoRobotState(self, self.manifest)
        self._observation_delays: list[ObservationDelay] = []
        self.buckets = Buckets(
            self.manifest.randomization, self.streams, group=self._replicates if self._evaluation else None
        )
        self.factors = ModelFactors(self)
        self.factors.apply(torch.arange(self.num_envs, device=self.device))
        check_effect(self, self.factors)
        self.commands = VelocityCommands(self.manifest.task.commands, self.robot_state.command, self.streams)
        self.pushes = Pushes(self.manifest.randomization.push, self.num_envs, self.streams)
        self.pushes.enabled &= not self._evaluation
        self._noise = {name: ObservationNoise(self.manifest, name, self.streams) for name in get_args(GroupName)}
        if self._evaluation:
            self.commands.hold(torch.zeros(3, device=self.device))
        self.faults = FaultDetector(self)
        super().load_managers()
        self.reward_manager = MatrixRewardManager(self.cfg.rewards, self, scale_by_dt=self.cfg.scale_rewards_by_dt)
        rewards = self.manifest.task.rewards
        self._ramped = [
            (self.reward_manager.get_term_cfg(name), term.weight) for name, term in rewards.items() if term.ramp
        ]

    @property
    def physics_seconds(self) -> float:
        """s inside the simulator; NaN on CUDA, where calls return before the work is done."""
        return self.sim.physics_seconds if isinstance(self.sim, BatchSimulation) else float("nan")

    def reset(self, **kwargs: Any) -> Any:
        self.robot_state.invalidate()
        result = super().reset(**kwargs)
        self.robot_state.invalidate()
        return result

    def _reset_idx(self, env_ids: Tensor | None = None) -> None:
        if env_ids is None:
            env_ids = torch.arange(self.num_envs, device=self.device)
        self.streams.begin_episode(env_ids)  # first: whatever is drawn from here on belongs to the new episode
        if self.buckets.has_reset_factors:
            self.buckets.resample(env_ids)
            self.factors.apply(env_ids)
        for delay in self._observation_delays:
            delay.reset(env_ids, self.common_step_counter)
        if self.pushes.enabled:
            self.pushes.reset(env_ids)
        super()._reset_idx(env_ids)

    def step(self, action: Tensor) -> MujocoStep:  # pyright: ignore[reportIncompatibleMethodOverride]
        self.extras["log"] = {}
        faults, limit = self.faults, self.manifest.task.actions.clip
        if self.fault_recorder is not None:
            self.fault_recorder.before_step(action)
        self.action_manager.process_action(faults.start(action).clamp(-limit, limit))
        try:
            self._advance_physics()
        except (RuntimeError, mujoco.FatalError) as error:
            faults.after_exception(error)
        self.episode_length_buf += 1
        self.common_step_counter += 1
        self.samples += self.num_envs
        self._ramp_penalties()
        self.robot_state.end_of_physics()
        faults.after_physics()

        self.termination_manager.compute()
        reward = self.reward_manager.compute(dt=self.step_dt).clone()
        faults.after_rewards(self.reward_manager.rates)
        valid = ~faults.invalid
        terminated = self.termination_manager.terminated & valid
        truncated = self.termination_manager.time_outs & valid & ~terminated
        self.reset_terminated, self.reset_time_outs = terminated, truncated
        self.reset_buf = terminated | truncated | ~valid
        seen = self._audit_step(action, reward, terminated, truncated)

        touched = self._push()
        reset_ids = self.reset_buf.nonzero().flatten()
        if len(reset_ids) > 0:
            self._reset_idx(reset_ids)
            self.scene.write_data_to_sim()
            touched = torch.unique(torch.cat((touched, reset_ids)))
        self._refresh(touched)
        dt = torch.full((self.num_envs,), self.step_dt, device=self.device)
        dt[reset_ids] = 0.0
        self.command_manager.compute(dt=dt)
        self.robot_state.invalidate()
        self.sim.sense()
        self.obs_buf = self.observation_manager.compute(update_history=True)
        observations = cast("dict[str, Tensor]", self.obs_buf)
        faults.after_observations(observations)
        if self.fault_recorder is not None:
            self.fault_recorder.after_step(faults.found)
        valid = ~faults.invalid
        terminated &= valid
        truncated &= valid
        return MujocoStep(observations, reward, terminated, truncated, seen.fault, faults.invalid_obs, seen)

    def _audit_step(self, action: Tensor, reward: Tensor, terminated: Tensor, truncated: Tensor) -> AuditStep:
        """What the accounts read; what the resets overwrite is copied."""
        manager = self.termination_manager
        return audit_step(
            self.robot_state,
            rates=self.reward_manager.rates,
            reward=reward,
            causes=torch.stack([manager.get_term(name) for name in manager.active_terms], dim=1),
            terminated=terminated,
            truncated=truncated,
            fault=self.faults.found,
            bucket=self.buckets.ids.clone() if self.buckets.has_reset_factors else self.buckets.ids,
            episode_steps=self.episode_length_buf.clone(),
            action=action,
        )

    def _advance_physics(self) -> None:
        """All physics steps of a control step, ending with derived quantities that match the state."""
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

    def _refresh(self, env_ids: Tensor) -> None:
        """Derived quantities of environments whose state was written after the physics."""
        if len(env_ids) == 0:
            return
        if isinstance(self.sim, BatchSimulation):
            self.sim.forward_some(env_ids)
        else:
            self.sim.forward()

    def _push(self) -> Tensor:
        if not self.pushes.enabled:
            return torch.zeros(0, dtype=torch.long, device=self.device)
        env_ids, change = self.pushes.step(self.step_dt)
        if len(env_ids) > 0:
            qvel = self.sim.data.qvel
            if (strength := self.buckets.values.get("push_strength")) is not None:
                change = change * strength[env_ids].unsqueeze(1)
            qvel[env_ids, 0:2] = qvel[env_ids, 0:2] + change[:, 0:2]
            qvel[env_ids, 5] = qvel[env_ids, 5] + change[:, 2]
        return env_ids

    def _ramp_penalties(self) -> None:
        curriculum = self.manifest.task.curriculum
        total = curriculum.penalty_ramp_samples
        progress = 1.0 if self._evaluation or total == 0 else min(1.0, self.samples / total)
        factor = curriculum.penalty_ramp_start + (1 - curriculum.penalty_ramp_start) * progress
        for cfg, weight in self._ramped:
            cfg.weight = weight * factor

    def write_reset(self, env_ids: Tensor) -> None:
        """Draw and write the start of an episode; the state is complete, nothing of the last episode is left."""
        robot, state = self.manifest.robot, self.robot_state
        start = sample_reset(self.manifest.task.resets, env_ids, len(robot.joints), self.streams)
        qpos, qvel = self.sim.data.qpos, self.sim.data.qvel
        position = self.scene.env_origins[env_ids].clone()
        position[:, :2] += start.position_xy
        position[:, 2] += robot.base_height
        rows = env_ids.unsqueeze(1)
        qpos[env_ids, 0:3] = position
        qpos[env_ids, 3:7] = quat_from_yaw(start.yaw)
        qpos[rows, state.q_ids] = state.read("default_joint_pos") + start.joint_pos_offset
        qvel[env_ids, 0:3] = start.lin_vel_w
        qvel[env_ids, 3:6] = start.ang_vel_b
        qvel[rows, state.v_ids] = start.joint_vel
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

    def new_observation_delay(self) -> ObservationDelay:
        """For one term; only where the factor is in the manifest."""
        longest = int(self.manifest.randomization.factors["observation_delay"].edges[-1])
        self._observation_delays.append(ObservationDelay(self.buckets.values["observation_delay"], longest))
        return self._observation_delays[-1]

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

    def replay_faults(self, saved: dict[str, Tensor]) -> MujocoStep:
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
