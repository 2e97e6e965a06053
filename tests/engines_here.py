"""Engines that tests run on: those that SUREFOOT_TEST_ENGINES names, which then must be here, or all that are here."""

import importlib.util
import os
from typing import Any

import pytest

from isaaclab_double import paths
from surefoot.engines import load_engine
from surefoot.engines.isaaclab import compat
from surefoot.errors import SurefootError
from surefoot.manifest import Manifest

VARIABLE = "SUREFOOT_TEST_ENGINES"
ENGINES = ("mujoco", "isaaclab", "isaaclab:newton_mjwarp", "isaaclab:ovphysx")
# Newton's solver throws out feet that sink into rough ground, as they do with the soft contacts of the shipped tasks.
FIRM = ("simulation.timestep=0.005", "simulation.decimation=4", "robot.contact_models.lean.solref=[0.01,1.0]")


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
    backend = compat.physics_backend(version, _backend(engine))
    needed = {"newton_mjwarp": "newton", "ovphysx": "ovphysx", "isaacsim_physx": "isaacsim"}[backend]
    return "" if importlib.util.find_spec(needed) else f"Isaac Lab {version} without {needed}"


def here() -> tuple[str, ...]:
    """Engines to run on."""
    return named() or tuple(engine for engine in ("mujoco", "isaaclab") if not missing(engine))


def parametrize(metafunc: pytest.Metafunc) -> None:
    """For a folder's `pytest_generate_tests`: a test that takes `engine` runs once on each."""
    if "engine" in metafunc.fixturenames:
        found = here() or [pytest.param("", marks=pytest.mark.skip(reason="no engine is installed"))]
        metafunc.parametrize("engine", found, scope="session")


def physics(engine: str) -> str:
    """Backend that an engine simulates with: `mujoco`, or one of Isaac Lab's."""
    return "mujoco" if engine == "mujoco" else compat.physics_backend(compat.isaaclab_version(), _backend(engine))


def contacts(engine: str) -> str:
    """The richest contact model that an engine has; PhysX in Isaac Sim reports contact per body."""
    return "lean" if physics(engine) == "isaacsim_physx" else "full"


def isaaclab_backend() -> str:
    """Backend that the folders of Isaac Lab's tests run on: of the engine that the variable names, or the default."""
    return physics(next((name for name in named() if name != "mujoco"), "isaaclab"))


def make_isaaclab_env(manifest: Manifest, **options: Any) -> Any:
    """A batch of Isaac Lab's environments on the CPU, on `isaaclab_backend`."""
    return load_engine(f"isaaclab:{isaaclab_backend()}").make_env(manifest, device="cpu", **options)


def _backend(engine: str) -> str | None:
    return engine.partition(":")[2] or None


class Builder:
    """Builds environments on the CPU, one at a time: Isaac Lab has one simulation in a process."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._last: Any = None

    def __call__(self, manifest: Manifest, **options: Any) -> Any:
        self.close()
        self._last = load_engine(self._engine).make_env(manifest, device="cpu", **options)
        return self._last

    def close(self) -> None:
        """End the last one."""
        if self._last is not None:
            self._last.close()
        self._last = None
