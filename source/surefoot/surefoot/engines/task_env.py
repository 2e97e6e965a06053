"""One control step, the same on every engine: a mixin in front of a simulator's manager-based environment.

mjlab's and Isaac Lab's environments have the same managers under the same names. What differs is in the methods that
raise `NotImplementedError` here.
"""

from collections.abc import Callable
from typing import Any, cast, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from surefoot.audit.accounts.observe import audit_step
from surefoot.audit.accounts.step import AuditStep
from surefoot.engines.delays import ObservationDelay
from surefoot.engines.drawing import Drawer
from surefoot.engines.faults import FaultDetector
from surefoot.engines.step import PhysicalState, StepResult
from surefoot.errors import EngineError
from surefoot.manifest.manifest import Manifest
from surefoot.mdp.commands import VelocityCommands
from surefoot.mdp.frames import quat_from_yaw
from surefoot.mdp.noise import ObservationNoise
from surefoot.mdp.observation_layout import GroupName
from surefoot.mdp.prescribed_kicks import PrescribedKicks
from surefoot.mdp.robot_state import RobotState
from surefoot.randomization.buckets import Buckets, TerrainClasses
from surefoot.randomization.conditions import Conditions
from surefoot.randomization.pushes import Pushes
from surefoot.randomization.resets import sample_reset
from surefoot.randomization.streams import Streams
from surefoot.terrain.ground import Ground
from surefoot.terrain.layout import evaluation_layout, generated_layout
from surefoot.terrain.levels import TerrainLevels
from surefoot.terrain.placement import stratified_columns


class TaskEnv:
    """The task's part of an environment batch; the order within a step is that of docs/design.md."""

    manifest: Manifest
    robot_state: RobotState
    faults: FaultDetector
    num_envs: int
    device: str
    step_dt: float
    max_episode_length: int
    common_step_counter: int
    episode_length_buf: Tensor
    obs_buf: Any
    cfg: Any
    scene: Any
    action_manager: Any
    command_manager: Any
    observation_manager: Any
    reward_manager: Any
    termination_manager: Any

    drawer: Drawer | None = None
    """What `render` draws with, if anything."""
    _instead_of_physics: PhysicalState | None = None
    contact_of_present_state = False
    implicit_drives = False
    before_resets: Callable[[AuditStep], None] | None = None
    """Called in each step with what the accounts read, while the state is still that which it was computed from."""
    torque_of_present_state = False
    """`joint_torque` belongs to the state after the step, not to its last physics step."""
    caveats: tuple[str, ...] = ()
    simulator_errors: tuple[type[Exception], ...] = (RuntimeError,)
    """Exceptions of the simulator that are faults."""

    def advance_physics(self) -> None:
        """All physics steps of a control step, ending with derived quantities that match the state."""
        raise NotImplementedError

    def refresh(self, env_ids: Tensor) -> None:
        """Derived quantities of environments whose state was written after the physics. Shape (n,), n > 0."""
        raise NotImplementedError

    def sense(self) -> None:
        """Sensors of the simulator, before the observations."""

    def apply_factors(self, env_ids: Tensor) -> None:
        """Write the randomisation factors in force into the simulator."""
        raise NotImplementedError

    def model_deviations(self) -> tuple[tuple[str, ...], Tensor] | None:
        """How far the simulator's model is from the robot with the recorded factors; None where it cannot be read.

        Returns:
            Names, and for each the largest difference over environments as a share of its size. Shape (names,).
        """
        return None

    def kick(self, env_ids: Tensor, change: Tensor) -> None:
        """Add to the base velocity: vx, vy in the world frame, m/s, and the yaw rate, rad/s. Shape (n, 3)."""
        raise NotImplementedError

    def write_state(self, env_ids: Tensor, state: PhysicalState) -> None:
        """See `EngineEnv.write_state`."""
        raise NotImplementedError

    def reward_rates(self) -> Tensor:
        """weight * term of this step, per second. Shape (num_envs, num_terms)."""
        raise NotImplementedError

    def before_step(self, action: Tensor) -> None:
        """Called first in a control step."""

    def after_step(self) -> None:
        """Called when the observations are known."""

    def prepare_task(
        self,
        manifest: Manifest,
        num_envs: int,
        device: str,
        evaluation: bool,
        replicates: int,
        conditions: Conditions | None = None,
    ) -> None:
        """Before the simulator's constructor; the scene needs `ground`."""
        self.manifest = manifest
        self.conditions = conditions.to(device) if conditions is not None else None
        keys = self.conditions.keys if self.conditions is not None else None
        purpose = "evaluation/" if evaluation else ""
        self.streams = Streams(manifest.seed, num_envs, device, purpose=purpose, keys=keys)
        self.samples = 0
        self._evaluation, self._replicates = evaluation, replicates
        self._observation_delays: list[ObservationDelay] = []
        self.ground: Ground | None = None
        self.terrain_levels: TerrainLevels | None = None
        generator = manifest.task.terrain.generator
        if self.conditions is not None:
            if self.conditions.ground:
                self.ground = Ground(evaluation_layout(self.conditions.ground), self.conditions.tiles, device)
        elif generator is not None:
            group, combinations = replicates if evaluation else None, manifest.randomization.num_combinations
            columns = stratified_columns(generator, combinations, self.streams, group=group)
            self.ground = Ground(generated_layout(generator), columns, device)
            length = manifest.task.episode_length
            self.terrain_levels = TerrainLevels(generator, self.ground, self.streams, length, frozen=evaluation)

    def load_task(self) -> None:
        """Before the simulator's managers are loaded; needs `robot_state`."""
        manifest, imposed, ground = self.manifest, self.conditions, self.ground
        self.buckets = Buckets(
            manifest.randomization,
            self.streams,
            group=self._replicates if self._evaluation and imposed is None else None,
            imposed=imposed.factors if imposed is not None else None,
            terrain=TerrainClasses(ground.layout.classes, ground.classes()) if ground is not None else None,
        )
        self.commands = VelocityCommands(manifest.task.commands, self.robot_state.command, self.streams)
        self.pushes: Pushes | PrescribedKicks = Pushes(manifest.randomization.push, self.num_envs, self.streams)
        self.pushes.enabled &= not self._evaluation
        self._noise = {name: ObservationNoise(manifest, name, self.streams) for name in get_args(GroupName)}
        if self._evaluation:
            self.commands.hold(torch.zeros(3, device=self.device))
        if imposed is not None:
            self.pushes = PrescribedKicks(imposed.kicks, self.robot_state)
            self.commands.follow(imposed.timetable)

    def start_task(self) -> None:
        """After the simulator's constructor: the first episodes begin."""
        terms = self.manifest.task.rewards.items()
        self.reset_terminated = torch.zeros(self.num_envs, dtype=torch.bool, device=self.device)
        self._ramped = [(self.reward_manager.get_term_cfg(name), term.weight) for name, term in terms if term.ramp]
        self.reset()

    def reset(self, **kwargs: Any) -> Any:
        """Reset every environment; observations by group."""
        self.robot_state.invalidate()
        if self.terrain_levels is not None:
            self.terrain_levels.forget()
        observations, _ = super().reset(**kwargs)  # pyright: ignore[reportAttributeAccessIssue]
        if self.manifest.task.resets.randomize_episode_start and not self._evaluation:
            self._scatter_clocks()
        self.robot_state.invalidate()
        return observations

    def _scatter_clocks(self) -> None:
        """Let the episodes that have begun together end at different times."""
        start = self.streams.uniform("episode_start", None, 1, 0, self.max_episode_length, per_episode=False)
        self.episode_length_buf[:] = start.squeeze(1).long().clamp_(max=self.max_episode_length - 1)

    def _reset_idx(self, env_ids: Any = None) -> None:
        if env_ids is None or isinstance(env_ids, slice):  # Isaac Lab 3.0 says "all" by a slice
            env_ids = torch.arange(self.num_envs, device=self.device)[slice(None) if env_ids is None else env_ids]
        env_ids = env_ids.long()
        self.streams.begin_episode(env_ids)  # first: whatever is drawn from here on belongs to the new episode
        if self.terrain_levels is not None:
            failed, valid = self.reset_terminated[env_ids].bool(), ~self.faults.invalid[env_ids]
            self.terrain_levels.begin(env_ids, failed, valid)
        if self.buckets.has_reset_factors:
            self.buckets.resample(env_ids)
            self.apply_factors(env_ids)
        for delay in self._observation_delays:
            delay.reset(env_ids, self.common_step_counter)
        if self.pushes.enabled:
            self.pushes.reset(env_ids)
        super()._reset_idx(env_ids)  # pyright: ignore[reportAttributeAccessIssue]
        self.robot_state.invalidate()

    def step(self, action: Tensor) -> StepResult:
        """See `EngineEnv.step`."""
        self.before_step(action)
        faults, limit = self.faults, self.manifest.task.actions.clip
        self.action_manager.process_action(faults.start(action).clamp(-limit, limit))
        self._simulate()

        self.termination_manager.compute()
        # The manager writes its next result into the same tensor.
        reward = self.reward_manager.compute(dt=self.step_dt).clone()
        rates = self.reward_rates()
        faults.after_rewards(rates)
        valid = ~faults.invalid
        terminated = self.termination_manager.terminated & valid
        truncated = self.termination_manager.time_outs & valid & ~terminated
        self.reset_terminated, self.reset_time_outs = terminated, truncated
        self.reset_buf = terminated | truncated | ~valid
        seen = self._audit_step(action, rates, reward, terminated, truncated)

        if self.before_resets is not None:
            self.before_resets(seen)
        self._push_and_reset()
        self.robot_state.invalidate()
        self.sense()
        self.obs_buf = self.observation_manager.compute(update_history=True)
        observations = cast("dict[str, Tensor]", dict(self.obs_buf))
        faults.after_observations(observations)
        self.after_step()
        # A fault in the observations comes to light only now, and it too wins over an end.
        valid = ~faults.invalid
        terminated &= valid
        truncated &= valid
        return StepResult(observations, reward, terminated, truncated, seen.fault, faults.invalid_obs, seen)

    def step_to(self, action: Tensor, state: PhysicalState) -> StepResult:
        """See `EngineEnv.step_to`."""
        self._instead_of_physics = state
        try:
            return self.step(action)
        finally:
            self._instead_of_physics = None

    def _place(self, state: PhysicalState) -> None:
        """Put all robots into `state`, with the targets of this step in force."""
        # As often as in a step with physics: a delayed target moves on with each.
        for _ in range(self.manifest.simulation.decimation):
            self.action_manager.apply_action()
            self.scene.write_data_to_sim()
        env_ids = torch.arange(self.num_envs, device=self.device)
        self.write_state(env_ids, state)
        self.refresh(env_ids)

    def definition(self) -> dict[str, Any]:
        """See `EngineEnv.definition`."""
        from surefoot.engines.definition import definition

        return definition(self)

    def draw_at(self, size: tuple[int, int] | None) -> None:
        """From now on `render` gives frames of a width and height, px; None: none.

        Raises:
            EngineError: The robot has no MJCF.
        """
        layout = self.ground.layout if self.ground is not None else None
        self.drawer = Drawer(self.manifest.robot, size, layout) if size is not None else None

    def drawn_poses(self) -> tuple[NDArray[np.float32], ...]:
        """See `EngineEnv.drawn_poses`."""
        state = self.robot_state
        values = (state.raw_base_pos_w(), state.raw_base_quat_w(), state.raw_joint_pos())
        return tuple(value.cpu().numpy() for value in values)

    def render(self, *_: Any) -> NDArray[np.uint8]:
        """See `EngineEnv.render`."""
        if self.drawer is None:
            raise EngineError("The environment draws nothing: expected render=(width, height) when it was made.")
        return self.drawer.frame(*(value[0] for value in self.drawn_poses()))

    def close(self) -> None:
        """Free what the drawer and the simulator hold."""
        if self.drawer is not None:
            self.drawer.close()
        super().close()  # pyright: ignore[reportAttributeAccessIssue]

    def _simulate(self) -> None:
        """Physics, counters, clocks and what the state says of faults."""
        completed = True
        try:
            if self._instead_of_physics is None:
                self.advance_physics()
            else:
                self._place(self._instead_of_physics)
        except self.simulator_errors as error:
            self.faults.after_exception(error)
            completed = False
        self.episode_length_buf += 1
        self.common_step_counter += 1
        self.samples += self.num_envs
        self._ramp_penalties()
        self.robot_state.end_of_physics()
        if self.terrain_levels is not None:
            read = self.robot_state.read
            self.terrain_levels.step(read("command"), read("base_lin_vel_yaw"), self.step_dt)
        self.faults.after_physics(completed)

    def _push_and_reset(self) -> None:
        """Everything that writes to the state after the physics, and the commands of the next step."""
        touched = self._push()
        reset_ids = self.reset_buf.nonzero().flatten()
        if len(reset_ids) > 0:
            self._reset_idx(reset_ids)
            self.scene.write_data_to_sim()
            touched = torch.unique(torch.cat((touched, reset_ids)))
        if len(touched) > 0:
            self.refresh(touched)
        dt = torch.full((self.num_envs,), self.step_dt, device=self.device)
        # Their commands were drawn by the reset, and no time has passed since.
        dt[reset_ids] = 0.0
        self.command_manager.compute(dt=dt)

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

    def _push(self) -> Tensor:
        """Kick the environments whose time has come; returns which. Shape (n,)."""
        if not self.pushes.enabled:
            return torch.zeros(0, dtype=torch.long, device=self.device)
        env_ids, change = self.pushes.step(self.step_dt)
        if len(env_ids) > 0:
            if (strength := self.buckets.values.get("push_strength")) is not None:
                change = change * strength[env_ids].unsqueeze(1)
            self.kick(env_ids, change)
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
        position = state.episode_origins()[env_ids].clone()
        position[:, :2] += start.position_xy
        position[:, 2] += robot.base_height
        begin = PhysicalState(
            pos_w=position,
            quat_w=quat_from_yaw(start.yaw),
            lin_vel_w=start.lin_vel_w,
            ang_vel_b=start.ang_vel_b,
            joint_pos=state.read("default_joint_pos") + start.joint_pos_offset,
            joint_vel=start.joint_vel,
        )
        self.write_state(env_ids, begin)
        state.reset(env_ids, start.gait_phase)

    def observation_noise(self, group: GroupName, term: str) -> Tensor:
        """Noise of one observation term in this control step. Shape (num_envs, size)."""
        noise = self._noise[group]
        level, bias = self.buckets.values.get("noise_level"), self.buckets.values.get("sensor_bias")

        def draw() -> Tensor:
            drawn = noise.draw(self.episode_length_buf)
            drawn = drawn if level is None else drawn * level.unsqueeze(1)
            return drawn if bias is None else drawn + noise.draw_bias() * bias.unsqueeze(1)

        drawn = self.robot_state.cached(f"noise/{group}", draw)
        return drawn[:, noise.columns[term]]

    def new_observation_delay(self) -> ObservationDelay:
        """For one term; only where the factor is in the manifest."""
        longest = int(self.manifest.randomization.factors["observation_delay"].edges[-1])
        self._observation_delays.append(ObservationDelay(self.buckets.values["observation_delay"], longest))
        return self._observation_delays[-1]
