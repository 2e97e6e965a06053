"""Engines that tests run on: those that SUREFOOT_TEST_ENGINES names, which then must be here, or all that are here."""

import importlib.util
import os

from isaaclab_double import paths
from surefoot.engines.isaaclab import compat
from surefoot.errors import SurefootError

VARIABLE = "SUREFOOT_TEST_ENGINES"
ENGINES = ("mujoco", "isaaclab")


def named() -> tuple[str, ...]:
    """Engines of the variable, comma-separated; empty without it."""
    names = tuple(name for name in os.environ.get(VARIABLE, "").split(",") if name)
    unknown = sorted(set(names) - set(ENGINES))
    if unknown:
        raise ValueError(f"{VARIABLE}: unknown engines {unknown}; known: {ENGINES}.")
    return names


def missing(engine: str) -> str:
    """What an engine lacks here; empty where it can run."""
    if engine == "mujoco":
        lacking = [package for package in ("mjlab", "mjbatch") if importlib.util.find_spec(package) is None]
        return f"not installed: {', '.join(lacking)}" if lacking else ""
    if not paths.lacking():
        paths.activate()
    try:
        version = compat.isaaclab_version()
    except SurefootError as error:
        return str(error)
    needed = "isaacsim" if version == "2.3" else "isaaclab_newton"
    return "" if importlib.util.find_spec(needed) else f"Isaac Lab {version} without {needed}"


def here() -> tuple[str, ...]:
    """Engines to run on."""
    return named() or tuple(engine for engine in ENGINES if not missing(engine))
