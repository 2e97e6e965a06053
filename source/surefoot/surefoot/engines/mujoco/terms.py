"""The command and action terms of mjlab's managers."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from mjlab.managers.action_manager import ActionTerm
from mjlab.managers.command_manager import CommandTerm, CommandTermCfg
from torch import Tensor

from surefoot.engines.terms import JointTargetLaw

if TYPE_CHECKING:
    from surefoot.engines.mujoco.env import MujocoEnv


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
    """mjlab's place for `JointTargetLaw`."""

    def __init__(self, cfg: Any, env: "MujocoEnv") -> None:
        super().__init__(cfg, env)
        ids, _ = self._entity.find_joints(list(env.manifest.robot.joint_names), preserve_order=True)
        self._joint_ids = torch.tensor(ids, device=self.device)
        self._law = JointTargetLaw(env)

    @property
    def action_dim(self) -> int:
        return self._law.raw.shape[1]

    @property
    def raw_action(self) -> Tensor:
        return self._law.raw

    def process_actions(self, actions: Tensor) -> None:
        self._law.push(actions)

    def apply_actions(self) -> None:
        self._entity.set_joint_position_target(self._law.pull(), joint_ids=self._joint_ids)

    def reset(self, env_ids: Tensor | slice | None = None) -> None:
        self._law.reset(env_ids)
