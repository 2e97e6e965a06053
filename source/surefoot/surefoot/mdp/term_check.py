"""Checks of a manifest's terms against their functions, before any simulator starts."""

import inspect
import re
from dataclasses import dataclass
from typing import Any, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from surefoot.errors import ManifestError, UnknownName, did_you_mean
from surefoot.manifest.manifest import Manifest
from surefoot.manifest.task import ObservationGroup, Params
from surefoot.mdp.fields import READABLE
from surefoot.mdp.registry import Kind, Term, lab_of, term


@dataclass(frozen=True)
class TermBinding:
    """A term function with what it reads and what the manifest gives it."""

    func: Term
    reads: tuple[str, ...]
    params: dict[str, Any]


def bind_term(kind: Kind, func_name: str, params: Params, where: str) -> TermBinding:
    """Match a function's parameters with RobotState fields and manifest parameters.

    Args:
        kind: reward, termination or observation.
        func_name: Registered name.
        params: What the manifest gives.
        where: Manifest key, for messages.

    Raises:
        ManifestError: Unknown function, a parameter that nobody supplies, one that the function does not take, or a
            value that its annotation does not allow.
    """
    try:
        func = term(kind, func_name)
    except UnknownName as error:
        raise ManifestError(str(error), f"{where}.func") from error
    signature = inspect.signature(func).parameters
    free = [name for name in signature if name not in READABLE]
    for name in params:
        # The function would get the argument twice.
        if name in READABLE and name in signature:
            raise ManifestError(f"{func_name} reads {name!r} from RobotState; remove it", f"{where}.params.{name}")
        if name not in free:
            hint = did_you_mean(name, free) if free else "It takes none."
            raise ManifestError(f"{func_name} takes no such parameter. {hint}", f"{where}.params.{name}")
    for name in free:
        if name not in params and signature[name].default is inspect.Parameter.empty:
            raise ManifestError(
                f"{func_name} needs {name!r}, which is no RobotState field and is not given. "
                f"Add {where}.params.{name}, or rename it to a field. {did_you_mean(name, READABLE)}",
                f"{where}.params",
            )
    _check_values(func, params, where)
    return TermBinding(func, tuple(name for name in signature if name in READABLE), dict(params))


def _check_values(func: Term, params: Params, where: str) -> None:
    hints = get_type_hints(func, include_extras=True)
    for name, value in params.items():
        # A user's own function may have no annotations.
        if name not in hints:
            continue
        # Strict: a number in quotes is text, as everywhere in a manifest.
        adapter: TypeAdapter[Any] = TypeAdapter(hints[name], config=ConfigDict(strict=True, allow_inf_nan=False))
        try:
            adapter.validate_python(value)
        except ValidationError as error:
            message = error.errors()[0]["msg"]
            raise ManifestError(f"{message[0].lower()}{message[1:]}, got {value!r}", f"{where}.params.{name}") from None


def term_problems(manifest: Manifest) -> list[ManifestError]:
    """Bind every term of a manifest.

    Returns:
        One error for each term that does not fit: wrong function or parameters, an actor that reads what no robot
        measures, a contact that the chosen contact model cannot have.
    """
    problems: list[ManifestError] = []
    task = manifest.task
    for name, reward in task.rewards.items():
        _check(manifest, "reward", reward.func, reward.params, f"task.rewards.{name}", problems)
    for name, termination in task.terminations.items():
        _check(manifest, "termination", termination.func, termination.params, f"task.terminations.{name}", problems)
    for group_name in ("actor", "critic"):
        group: ObservationGroup = getattr(task.observations, group_name)
        where = f"task.observations.{group_name}"
        if not group.terms:
            problems.append(ManifestError("expected at least one term, got none", f"{where}.terms"))
        for unknown in group.allow_privileged:
            if unknown not in READABLE:
                hint = did_you_mean(unknown, READABLE)
                problems.append(
                    ManifestError(f"{unknown!r} is no RobotState field. {hint}", f"{where}.allow_privileged")
                )
        for name, entry in group.terms.items():
            key = f"{where}.terms.{name}"
            binding = _check(manifest, "observation", entry.func, entry.params, key, problems)
            if binding is not None and group_name == "actor":
                problems += _leaks(binding, group, key)
    return problems


def lab_names(manifest: Manifest) -> set[str]:
    """Labs whose functions a manifest's terms are."""
    task = manifest.task
    groups = (task.observations.actor, task.observations.critic)
    kinds: tuple[tuple[Kind, list[str]], ...] = (
        ("reward", [entry.func for entry in task.rewards.values()]),
        ("termination", [entry.func for entry in task.terminations.values()]),
        ("observation", [entry.func for group in groups for entry in group.terms.values()]),
    )
    return {lab for kind, names in kinds for name in names if (lab := lab_of(term(kind, name))) is not None}


def _check(
    manifest: Manifest, kind: Kind, func_name: str, params: Params, where: str, problems: list[ManifestError]
) -> TermBinding | None:
    try:
        binding = bind_term(kind, func_name, params, where)
    except ManifestError as error:
        problems.append(error)
        return None
    # A pattern that matches no joint would be a term that is always zero.
    if "joint_names" in binding.reads and "joints" in params:
        problem = _pattern_problem(str(params["joints"]), manifest.robot.joint_names)
        if problem:
            problems.append(ManifestError(problem, f"{where}.params.joints"))
    if "height_scan" in binding.reads and manifest.task.height_scan is None:
        problems.append(
            ManifestError(f"{func_name} reads 'height_scan', but task.height_scan is null. Give its size.", where)
        )
    chosen = manifest.simulation.contact_model
    collide = manifest.robot.contact_models[chosen].collide
    for read in binding.reads:
        group = READABLE[read].contact_group
        if group is not None and group not in collide:
            able = [name for name, model in manifest.robot.contact_models.items() if group in model.collide]
            way_out = f"Set simulation.contact_model to {' or '.join(able)}, or drop the term." if able else "Drop it."
            problems.append(
                ManifestError(
                    f"{func_name} reads {read!r}, which is always zero here: contact model {chosen!r} lets only "
                    f"{', '.join(collide)} touch the ground, not {group}. {way_out}",
                    where,
                )
            )
    return binding


def _pattern_problem(pattern: str, names: tuple[str, ...]) -> str:
    """What is wrong with a regular expression for joint names, or nothing."""
    try:
        if any(re.fullmatch(pattern, name) for name in names):
            return ""
    except re.error as error:
        return f"{pattern!r} is no regular expression: {error}"
    return f"no joint's whole name matches {pattern!r}; the robot has {', '.join(names)}"


def _leaks(binding: TermBinding, group: ObservationGroup, where: str) -> list[ManifestError]:
    return [
        ManifestError(
            f"observation leak: the actor would read {read!r} ({READABLE[read].meaning}), which no robot measures. "
            f"Move the term to the critic, or name {read!r} in task.observations.actor.allow_privileged.",
            where,
        )
        for read in binding.reads
        if not READABLE[read].on_hardware and read not in group.allow_privileged
    ]
