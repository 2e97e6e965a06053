"""Checks of a manifest's terms against their functions, before any simulator starts."""

import inspect
from dataclasses import dataclass
from typing import Any

from surefoot.errors import ManifestError, UnknownName, did_you_mean
from surefoot.manifest.manifest import Manifest
from surefoot.manifest.task import ObservationGroup, Params
from surefoot.mdp.fields import READABLE
from surefoot.mdp.registry import Kind, Term, term


@dataclass(frozen=True)
class Binding:
    """A term function with what it reads and what the manifest gives it."""

    func: Term
    reads: tuple[str, ...]
    params: dict[str, Any]


def bind_term(kind: Kind, func_name: str, params: Params, where: str) -> Binding:
    """Match a function's parameters with RobotState fields and manifest parameters.

    Args:
        kind: reward, termination or observation.
        func_name: Registered name.
        params: What the manifest gives.
        where: Manifest key, for messages.

    Raises:
        ManifestError: Unknown function, a parameter that nobody supplies, or one that the function does not take.
    """
    try:
        func = term(kind, func_name)
    except UnknownName as error:
        raise ManifestError(f"{where}.func: {error}") from error
    signature = inspect.signature(func).parameters
    free = [name for name in signature if name not in READABLE]
    for name in params:
        if name not in free:
            taken = f"{func_name} reads {name!r} from RobotState" if name in READABLE and name in signature else ""
            raise ManifestError(
                f"{where}.params.{name}: "
                + (taken or f"{func_name} takes no such parameter. {did_you_mean(name, free)}")
            )
    for name in free:
        if name not in params and signature[name].default is inspect.Parameter.empty:
            raise ManifestError(
                f"{where}.params: {func_name} needs {name!r}, which is no RobotState field and is not given. "
                f"Add {where}.params.{name}, or rename it to a field. {did_you_mean(name, READABLE)}"
            )
    return Binding(func, tuple(name for name in signature if name in READABLE), dict(params))


def check_terms(manifest: Manifest) -> None:
    """Bind every term of a manifest, and refuse an actor that reads what no robot measures.

    Raises:
        ManifestError: With the key of the first term that does not fit.
    """
    task = manifest.task
    for name, reward in task.rewards.items():
        bind_term("reward", reward.func, reward.params, f"task.rewards.{name}")
    for name, termination in task.terminations.items():
        bind_term("termination", termination.func, termination.params, f"task.terminations.{name}")
    for group_name in ("actor", "critic"):
        group: ObservationGroup = getattr(task.observations, group_name)
        if not group.terms:
            raise ManifestError(f"task.observations.{group_name}.terms: expected at least one term, got none")
        for unknown in set(group.allow_privileged) - set(READABLE):
            raise ManifestError(
                f"task.observations.{group_name}.allow_privileged: {unknown!r} is no RobotState field. "
                f"{did_you_mean(unknown, READABLE)}"
            )
        for name, observation in group.terms.items():
            where = f"task.observations.{group_name}.terms.{name}"
            binding = bind_term("observation", observation.func, observation.params, where)
            if group_name == "actor":
                _refuse_leak(binding, group, where)


def _refuse_leak(binding: Binding, group: ObservationGroup, where: str) -> None:
    for read in binding.reads:
        if not READABLE[read].on_hardware and read not in group.allow_privileged:
            raise ManifestError(
                f"{where}: observation leak: the actor would read {read!r} ({READABLE[read].meaning}), which no robot "
                f"measures. Move the term to the critic, or name {read!r} in task.observations.actor.allow_privileged."
            )
