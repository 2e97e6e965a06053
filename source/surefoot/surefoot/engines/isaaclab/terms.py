"""The command and action terms of Isaac Lab's managers."""

from typing import TYPE_CHECKING, Any

from isaaclab.managers import ActionTerm, CommandTerm
from torch import Tensor

from surefoot.engines.terms import JointTargetLaw

if TYPE_CHECKING:
    from surefoot.engines.isaaclab.env import IsaacLabEnv


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
    """Isaac Lab's place for `JointTargetLaw`."""

    def __init__(self, cfg: Any, env: "IsaacLabEnv") -> None:
        super().__init__(cfg, env)
        self._handle = env.handle
        self._law = JointTargetLaw(env)

    @property
    def action_dim(self) -> int:
        return self._law.raw.shape[1]

    @property
    def raw_actions(self) -> Tensor:
        return self._law.raw

    @property
    def processed_actions(self) -> Tensor:
        return self._law.targets

    def process_actions(self, actions: Tensor) -> None:
        self._law.push(actions)

    def apply_actions(self) -> None:
        self._handle.set_targets(self._law.pull())

    def reset(self, env_ids: Any = None) -> None:
        self._law.reset(env_ids)
