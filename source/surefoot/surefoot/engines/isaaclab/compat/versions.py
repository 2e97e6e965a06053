"""Which Isaac Lab is installed, and the physics backends it has."""

import importlib.metadata
import importlib.util
import platform
import re

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from surefoot.errors import EngineError, MissingExtra, unknown_name

BACKENDS = {"2.3": ("isaacsim_physx",), "3.0": ("newton_mjwarp", "ovphysx", "isaacsim_physx")}
"""Physics backends by version; the first one is the default. The names are those of Isaac Lab 3.0's presets."""
NEEDS = {"newton_mjwarp": ("newton", "warp-lang"), "ovphysx": ("ovphysx", "ovstage", "warp-lang"), "isaacsim_physx": ()}
"""Distributions that a backend of 3.0 computes with."""
PHYSX = "physx"
"""Isaac Lab's name for PhysX wherever it runs: in Isaac Sim where that is installed, without it otherwise."""


def isaaclab_version() -> str:
    """`2.3` or `3.0`, without importing Isaac Lab: on 2.3 nothing of it may be imported before the launch.

    Raises:
        MissingExtra: Not installed.
        EngineError: Another version.
    """
    if importlib.util.find_spec("isaaclab") is None:
        here = ".".join(platform.python_version_tuple()[:2])
        raise MissingExtra(
            "Engine 'isaaclab' needs Isaac Lab. On Python 3.12: pip install 'isaaclab[ovphysx]==3.0.0'. On Python 3.11 "
            f"with Isaac Sim 5.1: pip install 'isaaclab>=2.3,<3'. Here is Python {here}."
        )
    try:
        number = importlib.metadata.version("isaaclab")
    except importlib.metadata.PackageNotFoundError:  # on sys.path, not installed
        number = _number_in_tree()
    return version_family(number)


def version_family(number: str) -> str:
    """Family of a version of the package `isaaclab`: PyPI counts releases, the repository counts the extension.

    Raises:
        EngineError: Neither 2.3 nor 3.0.
    """
    found = re.match(r"(\d+)\.(\d+)", number)
    if found is not None:
        major, minor = int(found[1]), int(found[2])
        if (major, minor) == (2, 3) or (major == 0 and minor >= 47):
            return "2.3"
        if major >= 3:
            return "3.0"
    raise EngineError(
        f"Engine 'isaaclab' works with Isaac Lab 3.0 (package version 3.0 or newer) and 2.3 (2.3.x, or 0.47 and newer "
        f"from the repository); installed is {number!r}."
    )


def _number_in_tree() -> str:
    spec = importlib.util.find_spec("isaaclab")
    for place in (spec.submodule_search_locations or []) if spec is not None else []:
        if importlib.util.find_spec("isaaclab_newton") is not None:
            return "3.0"
        if importlib.util.find_spec("isaacsim") is not None:
            return "2.3"
        return f"unknown, at {place}"
    return "unknown"


def physics_backend(version: str, name: str | None) -> str:
    """The backend to use; an unknown one is refused with the nearest name."""
    known = BACKENDS[version]
    if name is None:
        return known[0]
    if name == PHYSX:
        has_isaac_sim = importlib.util.find_spec("isaacsim") is not None
        return "isaacsim_physx" if has_isaac_sim or "ovphysx" not in known else "ovphysx"
    if name not in known:
        raise unknown_name(f"Physics backend of Isaac Lab {version}", name, (*known, PHYSX))
    return name


def backend_here(name: str | None) -> str:
    """The backend that a name, or none, stands for with what is installed; a particular one stands for itself."""
    return physics_backend(isaaclab_version(), name) if name in (None, PHYSX) else name


def chosen_backend(overrides: list[str]) -> tuple[str | None, list[str]]:
    """Isaac Lab's `physics=NAME` and `presets=NAME` among overrides, and the other overrides.

    Raises:
        UnknownName: Neither version has a backend of that name.
    """
    known = sorted({PHYSX, *(name for names in BACKENDS.values() for name in names)})
    rest, backend = [], None
    for text in overrides:
        found = re.fullmatch(r"(physics|presets)=(.*)", text)
        if found is None:
            rest.append(text)
            continue
        backend = found[2]
        if backend not in known:
            raise unknown_name("Physics backend" if found[1] == "physics" else "Preset", backend, known)
    return backend, rest


def check_packages(backend: str) -> None:
    """Refuse packages that Isaac Lab was not released with, before one of them fails on the other.

    Args:
        backend: Of 3.0.

    Raises:
        MissingExtra: One is not installed.
        EngineError: One has another version than Isaac Lab asks for, or Python has.
    """
    try:
        isaaclab = importlib.metadata.distribution("isaaclab")
    except importlib.metadata.PackageNotFoundError:  # a source tree on sys.path says nothing of what it needs
        return
    install = f"pip install '{'isaaclab[ovphysx]' if backend == 'ovphysx' else 'isaaclab'}=={isaaclab.version}'"
    python = str(isaaclab.metadata["Requires-Python"] or "")
    if not SpecifierSet(python).contains(platform.python_version()):
        raise EngineError(
            f"Isaac Lab {isaaclab.version} needs Python {python}; here is {platform.python_version()}. Make an "
            f"environment with python3.12, then: {install}"
        )
    wanted = {}
    for text in isaaclab.requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": "ovphysx"}):
            wanted[requirement.name] = requirement.specifier
    for name in NEEDS[backend]:
        try:
            number = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            raise MissingExtra(
                f"Physics {backend} needs the package {name!r}, which is not installed: {install}"
            ) from None
        if name in wanted and not wanted[name].contains(number, prereleases=True):
            raise EngineError(
                f"Isaac Lab {isaaclab.version} works with {name}{wanted[name]}; installed is {name} {number}. The "
                f"two do not fit together: {install}"
            )
