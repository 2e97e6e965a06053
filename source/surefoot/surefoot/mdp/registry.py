"""Term functions by kind and name, and the way for users to add their own."""

import importlib
import inspect
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Literal

from torch import Tensor

from surefoot import labs
from surefoot.errors import SurefootError, TermError, unknown_name
from surefoot.mdp import observations, rewards, terminations
from surefoot.mdp.observations import MIRROR, Mirror

Term = Callable[..., Tensor]
Kind = Literal["reward", "termination", "observation"]


def _public_functions(module: ModuleType) -> dict[str, Term]:
    found = inspect.getmembers(module, inspect.isfunction)
    return {
        name: func
        for name, func in found
        # What a module imports is no term of it, nor is the decorator.
        if func.__module__ == module.__name__ and not name.startswith("_") and name != "observation"
    }


_TERMS: dict[Kind, dict[str, Term]] = {
    "reward": _public_functions(rewards),
    "termination": _public_functions(terminations),
    "observation": _public_functions(observations),
}


_PROBLEMS: dict[str, str] = {}
"""Why a lab's Python could not be used, by lab; every lab that was asked is among them, with nothing to say or much."""


def term(kind: Kind, name: str) -> Term:
    """Look a term up, in surefoot first and then in the labs; an unknown name is refused with the nearest one."""
    if name not in _TERMS[kind]:
        import_labs()
    if name not in _TERMS[kind]:
        error = unknown_name(f"{kind.capitalize()} term", name, _TERMS[kind])
        left_out = [problem for problem in _PROBLEMS.values() if problem]
        raise type(error)(" ".join([str(error), *(f"Left out: {problem.rstrip('.')}." for problem in left_out)]))
    return _TERMS[kind][name]


def term_names(kind: Kind) -> list[str]:
    """All registered names of a kind, sorted."""
    return sorted(_TERMS[kind])


def import_labs() -> list[str]:
    """Import every installed lab once, so that its terms are registered; what fails is left out whole.

    Returns:
        One line for each lab that cannot be used.
    """
    for lab in labs.installed():
        if lab.name not in _PROBLEMS:
            _PROBLEMS[lab.name] = lab.problem or _import(lab)
    return [problem for problem in _PROBLEMS.values() if problem]


def _import(lab: labs.Lab) -> str:
    before: dict[Kind, dict[str, Term]] = {kind: dict(terms) for kind, terms in _TERMS.items()}
    mirrors = dict(MIRROR)
    try:
        importlib.import_module(lab.name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever a stranger's module raises, SystemExit too, the other labs work
        for kind, terms in before.items():
            _TERMS[kind].clear()
            _TERMS[kind].update(terms)
        MIRROR.clear()
        MIRROR.update(mirrors)
        what = str(error) if isinstance(error, SurefootError) else f"{type(error).__name__}: {error}"
        where = _culprit(error, lab)
        return f"lab {lab.name!r} (package {lab.package} {lab.version}) cannot be imported: {where}: {what}".strip()
    return ""


def _culprit(error: BaseException, lab: labs.Lab) -> str:
    """File and line of the lab that raised, or that a syntax error is in."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).resolve().is_relative_to(lab.folder)]
    return f"{own[-1].filename}:{own[-1].lineno}" if own else str(lab.folder)


def lab_of(func: Term) -> str | None:
    """The lab that a term's function stands in; None for surefoot's own, and for those of a script."""
    package = func.__module__.partition(".")[0]
    return package if any(lab.name == package for lab in labs.installed()) else None


def register_term(kind: Kind, func: Term, mirror: Mirror | None = None) -> Term:
    """Make a function of the user's own available to manifests under its name.

    Args:
        kind: `reward`, `termination` or `observation`.
        func: Takes fields of RobotState by their names, and parameters that a manifest gives.
        mirror: Of an observation: how it mirrors left to right, such as `scalar`, `vector` or `joints`.

    Raises:
        TermError: The name is taken by another function, or an observation term lacks its mirror kind.
    """
    name = func.__name__
    if kind not in _TERMS:
        raise unknown_name("Kind of term", kind, _TERMS)
    taken = _TERMS[kind].get(name, func)
    if taken is not func:
        raise TermError(
            f"{kind} term {name!r} exists already, in {taken.__module__}; give the new function, in "
            f"{func.__module__}, another name."
        )
    if kind == "observation":
        if mirror is None:
            raise TermError(f"observation term {name!r}: say how it mirrors left to right, for example mirror='scalar'")
        MIRROR[name] = mirror
    _TERMS[kind][name] = func
    return func
