"""The manifest's terms as functions of a manager-based environment; what a term reads is fetched by name."""

from collections.abc import Iterator

import torch
from torch import Tensor

from surefoot.engines.delays import ControlDelay, ObservationDelay
from surefoot.engines.task_env import TaskEnv
from surefoot.manifest.manifest import Manifest
from surefoot.manifest.task import ObservationTerm
from surefoot.mdp.fields import reads_sensor
from surefoot.mdp.observation_layout import GroupName
from surefoot.mdp.term_check import TermBinding, bind_term


class BoundTerm:
    """A reward, termination or observation term.

    Args:
        binding: The function and what it reads.
        noise: Observation group and term name under which the environment keeps the term's noise, if it has any.
        delayed: Whether the factor `observation_delay` holds for it.
    """

    def __init__(self, binding: TermBinding, noise: tuple[GroupName, str] | None = None, delayed: bool = False) -> None:
        self._binding = binding
        self._noise = noise
        self._delayed = delayed
        self._delay: ObservationDelay | None = None
        self.__name__ = binding.func.__name__
        self.__module__ = binding.func.__module__  # Isaac Lab writes a term into its files as module:name

    def __call__(self, env: TaskEnv) -> Tensor:
        read = env.robot_state.read
        value = self._binding.func(**{name: read(name) for name in self._binding.reads}, **self._binding.params)
        if self._noise is not None:
            value = value + env.observation_noise(*self._noise)
        if self._delayed:
            self._delay = self._delay or env.new_observation_delay()
            value = self._delay(value, env.common_step_counter)
        return value


class JointTargetLaw:
    """Joint position targets, canonical joint order: default pose + scale * clipped action, delayed by the factor.

    Attributes:
        raw: Last action. Shape (num_envs, num_joints).
        targets: rad, before the delay. Shape (num_envs, num_joints).
    """

    def __init__(self, env: TaskEnv) -> None:
        manifest = env.manifest
        self._scale = manifest.task.actions.scale
        self._default = env.robot_state.read("default_joint_pos")
        self.raw = torch.zeros(env.num_envs, len(self._default), device=self._default.device)
        self.targets = torch.zeros_like(self.raw)
        self._delay: ControlDelay | None = None
        factor = manifest.randomization.factors.get("control_delay")
        if factor is not None:
            delay, decimation = env.buckets.values["control_delay"], manifest.simulation.decimation
            self._delay = ControlDelay(self._default, delay, int(factor.edges[-1]), decimation)

    @property
    def delayed(self) -> bool:
        """Whether targets change within a control step."""
        return self._delay is not None

    def push(self, actions: Tensor) -> None:
        """A control step begins with these actions. Shape (num_envs, num_joints)."""
        self.raw[:] = actions
        torch.add(self._default, actions, alpha=self._scale, out=self.targets)
        if self._delay is not None:
            self._delay.push(self.targets)

    def pull(self) -> Tensor:
        """Targets in force in the next physics step, rad. Shape (num_envs, num_joints)."""
        return self.targets if self._delay is None else self._delay.pull()

    def reset(self, env_ids: Tensor | slice | None) -> None:
        """Nothing was commanded before the episode."""
        self.raw[slice(None) if env_ids is None else env_ids] = 0.0
        if self._delay is not None:
            self._delay.reset(env_ids)


def reward_terms(manifest: Manifest) -> Iterator[tuple[str, BoundTerm, float]]:
    """Name, function and weight of each reward term, in the manifest's order."""
    for name, term in manifest.task.rewards.items():
        yield name, BoundTerm(bind_term("reward", term.func, term.params, f"task.rewards.{name}")), term.weight


def termination_terms(manifest: Manifest) -> Iterator[tuple[str, BoundTerm, bool]]:
    """Name, function and whether it is a time-out of each termination term, in the manifest's order."""
    for name, term in manifest.task.terminations.items():
        bound = BoundTerm(bind_term("termination", term.func, term.params, f"task.terminations.{name}"))
        yield name, bound, term.kind == "time_out"


def observation_terms(manifest: Manifest, group_name: GroupName) -> Iterator[tuple[str, BoundTerm, ObservationTerm]]:
    """Name, function and manifest entry of each term of an observation group, in the manifest's order."""
    group = getattr(manifest.task.observations, group_name)
    sensors_delayed = group_name == "actor" and "observation_delay" in manifest.randomization.factors
    for name, term in group.terms.items():
        binding = bind_term("observation", term.func, term.params, f"task.observations.{group_name}.terms.{name}")
        noise = (group_name, name) if group.noise and term.noise > 0 else None
        yield name, BoundTerm(binding, noise, delayed=sensors_delayed and reads_sensor(binding.reads)), term


def reset_robot(env: TaskEnv, env_ids: Tensor) -> None:
    """Event term: write the start of an episode into the simulator."""
    env.write_reset(env_ids)
