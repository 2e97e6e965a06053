"""surefoot's terms in Isaac Lab's managers: what a term reads is fetched by name from RobotState."""

from typing import TYPE_CHECKING, Any

import torch
from isaaclab.managers import ActionTerm, CommandTerm
from torch import Tensor

from surefoot.mdp.check import Binding
from surefoot.mdp.layout import GroupName

if TYPE_CHECKING:
    from surefoot.engines.isaaclab.env import IsaacLabEnv


class BoundTerm:
    """A reward, termination or observation term.

    Args:
        binding: The function and what it reads.
        noise: Observation group and term name under which the environment keeps the term's noise, if it has any.
    """

    def __init__(self, binding: Binding, noise: tuple[GroupName, str] | None = None) -> None:
        self._binding = binding
        self._noise = noise
        self.__name__ = binding.func.__name__

    def __call__(self, env: "IsaacLabEnv") -> Tensor:
        read = env.robot_state.read
        value = self._binding.func(**{name: read(name) for name in self._binding.reads}, **self._binding.params)
        if self._noise is not None:
            value = value + env.observation_noise(*self._noise)
        return value


class VelocityCommandTerm(CommandTerm):
    """Lets Isaac Lab's command manager drive `VelocityCommands`."""

    @property
    def command(self) -> Tensor:
        return self._env.commands.buffer

    def reset(self, env_ids: Any = None) -> dict[str, float]:
        self._env.commands.reset(env_ids)
        return {}

    def compute(self, dt: float | Tensor) -> None:
        self._env.commands.step(dt)

    def _update_metrics(self) -> None: ...
    def _resample_command(self, env_ids: Any) -> None: ...
    def _update_command(self) -> None: ...


class JointTargets(ActionTerm):
    """Joint position targets, canonical joint order: default pose + scale * clipped action."""

    def __init__(self, cfg: Any, env: "IsaacLabEnv") -> None:
        super().__init__(cfg, env)
        self._handle = env.handle
        self._scale = env.manifest.task.actions.scale
        self._default = env.robot_state.read("default_joint_pos")
        self._raw = torch.zeros(self.num_envs, len(self._default), device=self.device)
        self._targets = torch.zeros_like(self._raw)

    @property
    def action_dim(self) -> int:
        return self._raw.shape[1]

    @property
    def raw_actions(self) -> Tensor:
        return self._raw

    @property
    def processed_actions(self) -> Tensor:
        return self._targets

    def process_actions(self, actions: Tensor) -> None:
        self._raw[:] = actions
        torch.add(self._default, actions, alpha=self._scale, out=self._targets)

    def apply_actions(self) -> None:
        self._handle.set_targets(self._targets)

    def reset(self, env_ids: Any = None) -> None:
        self._raw[slice(None) if env_ids is None else env_ids] = 0.0


def reset_robot(env: "IsaacLabEnv", env_ids: Tensor) -> None:
    """Write the start of an episode into the simulator."""
    env.write_reset(env_ids)
