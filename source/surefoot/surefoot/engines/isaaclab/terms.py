"""The command and action terms of Isaac Lab's managers."""

from typing import TYPE_CHECKING, Any

from isaaclab.managers import ActionTerm, CommandTerm
from torch import Tensor

from surefoot.engines.delays import RedrawnDelay
from surefoot.engines.terms import BoundTerm, JointTargetLaw

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


class DelayedTerm:
    """An observation term with `delay_steps`.

    Args:
        term: What it shows late.
        lags: Smallest and largest lag, control steps.
    """

    def __init__(self, term: BoundTerm, lags: tuple[int, int]) -> None:
        self._term, self._lags = term, lags
        self._delay: RedrawnDelay | None = None
        self.__name__, self.__module__ = term.__name__, term.__module__

    def __call__(self, env: "IsaacLabEnv") -> Tensor:
        value = self._term(env)
        if self._delay is None:
            self._delay = RedrawnDelay(self._lags, env.num_envs, env.device)
            env.add_observation_delay(self._delay)
        return self._delay(value, env.common_step_counter)


class JointTargets(ActionTerm):
    """Isaac Lab's place for `JointTargetLaw`, and for `task.actions.delay_steps`."""

    def __init__(self, cfg: Any, env: "IsaacLabEnv") -> None:
        super().__init__(cfg, env)
        self._handle = env.handle
        self._law = JointTargetLaw(env)
        self._physics_step = 0
        self._is_set = False
        lags = env.manifest.task.actions.delay_steps
        self._delay = RedrawnDelay(lags, env.num_envs, env.device) if lags[1] > 0 else None

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
        self._is_set = False

    def apply_actions(self) -> None:
        if self._is_set and self._delay is None and not self._law.delayed:
            return  # Isaac Lab keeps the targets of the control step's first physics step
        self._is_set = True
        targets = self._law.pull()
        if self._delay is not None:
            targets = self._delay(targets, self._physics_step)
            self._physics_step += 1
        self._handle.set_targets(targets)

    def reset(self, env_ids: Any = None) -> None:
        self._law.reset(env_ids)
        if self._delay is not None:
            self._delay.reset(slice(None) if env_ids is None else env_ids, self._physics_step)
