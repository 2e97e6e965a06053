"""Isaac Lab: 3.0 on Newton (no Isaac Sim needed) or PhysX, 2.3 on PhysX; imported by `make_env`, not before."""

from functools import partial
from types import SimpleNamespace
from typing import Any

from surefoot.engines.isaaclab.factors import SUPPORTED as FACTORS
from surefoot.engines.isaaclab.make import make_env
from surefoot.manifest.terrain_classes import TERRAIN_CLASSES

__all__ = ["FACTORS", "ONE_AT_A_TIME", "TERRAINS", "make_env", "open_viewer", "with_physics"]

TERRAINS = frozenset(TERRAIN_CLASSES)
ONE_AT_A_TIME = True
"""Isaac Lab has one simulation in a process."""


def open_viewer(*args: Any, **kwargs: Any) -> None:
    """See `surefoot.engines.drawing.viewer.open_viewer`; viser is imported only for it."""
    from surefoot.engines.drawing import viewer

    viewer.open_viewer(*args, **kwargs)


def with_physics(backend: str) -> Any:
    """This engine with a physics backend chosen; whether the version has it is said by `make_env`."""
    make = partial(make_env, physics=backend)
    constants = {"FACTORS": FACTORS, "TERRAINS": TERRAINS, "ONE_AT_A_TIME": ONE_AT_A_TIME}
    return SimpleNamespace(make_env=make, open_viewer=open_viewer, **constants)
