"""surefoot's terms as functions of mjlab's managers: what a term reads is fetched by name from RobotState."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from mjlab.managers.action_manager import ActionTerm
from mjlab.managers.command_manager import CommandTerm, CommandTermCfg
from torch import Tensor

from surefoot.engines.mujoco.delays import ControlDelay, ObservationDelay
from surefoot.mdp.check import Binding
from surefoot.mdp.layout import GroupName

if TYPE_CHECKING:
    from surefoot.engines.mujoco.env import MujocoEnv


class BoundTerm:
    """A reward, termination or observation term.

    Args:
        binding: The function and what it reads.
        noise: Observation group and term name under which the environment keeps the term's noise, if it has any.
        delayed: Whether the factor `observation_delay` holds for it.
    """

    def __init__(self, binding: Binding, noise: tuple[GroupName, str] | None = None, delayed: bool = False) -> None:
        self._binding = binding
        self._noise = noise
        self._delayed = delayed
        self._delay: ObservationDelay | None = None
        self.__name__ = binding.func.__name__

    def __call__(self, env: "MujocoEnv") -> Tensor:
        read = env.robot_state.read
        value = self._binding.func(**{name: read(name) for name in self._binding.reads}, **self._binding.params)
        if self._noise is not None:
            value = value + env.observation_noise(*self._noise)
        if self._delayed:
            self._delay = self._delay or env.new_observation_delay()
            value = self._delay(value, env.common_step_counter)
        return value


class VelocityCommandTermCfg(CommandTermCfg):
    """mjlab's place for a command term; the ranges are in the manifest."""

    def build(self, env: Any) -> "VelocityCommandTerm":
        return VelocityCommandTerm(self, env)


class VelocityCommandTerm(CommandTerm):
    """Lets mjlab's command manager drive `VelocityCommands`."""

    gui: Callable[[Any], None] | None = None
    """Adds a viewer's controls to a viser server; set by `surefoot.engines.mujoco.viewer`."""

    def create_gui(self, name: str, server: Any, *args: Any, **kwargs: Any) -> None:
        if self.gui is not None:
            self.gui(server)

    @property
    def command(self) -> Tensor:
        return self._env.commands.buffer

    def reset(self, env_ids: Any) -> dict[str, float]:
        self._env.commands.reset(env_ids)
        return {}

    def compute(self, dt: float | Tensor, env_ids: Tensor | None = None) -> None:
        if env_ids is None:
            self._env.commands.step(dt)

    def _update_metrics(self) -> None: ...
    def _resample_command(self, env_ids: Tensor) -> None: ...
    def _update_command(self, env_ids: Tensor | None) -> None: ...


class JointTargets(ActionTerm):
    """Joint position targets, canonical joint order: default pose + scale * clipped action."""

    def __init__(self, cfg: Any, env: "MujocoEnv") -> None:
        super().__init__(cfg, env)
        self._scale = env.manifest.task.actions.scale
        names = env.manifest.robot.joint_names
        ids, _ = self._entity.find_joints(list(names), preserve_order=True)
        self._joint_ids = torch.tensor(ids, device=self.device)
        self._default = env.robot_state.read("default_joint_pos")
        self._raw = torch.zeros(self.num_envs, len(names), device=self.device)
        self._targets = torch.zeros_like(self._raw)
        self._delay: ControlDelay | None = None
        factor = env.manifest.randomization.factors.get("control_delay")
        if factor is not None:
            delay, decimation = env.buckets.values["control_delay"], env.manifest.simulation.decimation
            self._delay = ControlDelay(self._default, delay, int(factor.edges[-1]), decimation)

    @property
    def action_dim(self) -> int:
        return self._raw.shape[1]

    @property
    def raw_action(self) -> Tensor:
        return self._raw

    def process_actions(self, actions: Tensor) -> None:
        self._raw[:] = actions
        torch.add(self._default, actions, alpha=self._scale, out=self._targets)
        if self._delay is not None:
            self._delay.push(self._targets)

    def apply_actions(self) -> None:
        targets = self._targets if self._delay is None else self._delay.pull()
        self._entity.set_joint_position_target(targets, joint_ids=self._joint_ids)

    def reset(self, env_ids: Tensor | slice | None = None) -> None:
        self._raw[env_ids] = 0.0
        if self._delay is not None:
            self._delay.reset(env_ids)


def reset_robot(env: "MujocoEnv", env_ids: Tensor) -> None:
    """Write the start of an episode into the simulator."""
    env.write_reset(env_ids)
