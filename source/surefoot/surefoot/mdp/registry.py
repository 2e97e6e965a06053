"""Term functions by kind and name, and the way for users to add their own."""

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Literal

from torch import Tensor

from surefoot.errors import TermError, unknown_name
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


def term(kind: Kind, name: str) -> Term:
    """Look a term up; an unknown name is refused with the nearest one."""
    if name not in _TERMS[kind]:
        raise unknown_name(f"{kind.capitalize()} term", name, _TERMS[kind])
    return _TERMS[kind][name]


def term_names(kind: Kind) -> list[str]:
    """All registered names of a kind, sorted."""
    return sorted(_TERMS[kind])


def register_term(kind: Kind, func: Term, mirror: Mirror | None = None) -> Term:
    """Make a function of the user's own available to manifests under its name.

    Raises:
        TermError: The name is taken by another function, or an observation term lacks its mirror kind.
    """
    name = func.__name__
    if _TERMS[kind].get(name, func) is not func:
        raise TermError(f"{kind} term {name!r} exists already; give the new function another name.")
    if kind == "observation":
        if mirror is None:
            raise TermError(f"observation term {name!r}: say how it mirrors left to right, for example mirror='scalar'")
        MIRROR[name] = mirror
    _TERMS[kind][name] = func
    return func
