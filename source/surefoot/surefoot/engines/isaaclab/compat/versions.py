"""Which Isaac Lab is installed, and the physics backends it has."""

import importlib.metadata
import importlib.util
import re

from surefoot.errors import EngineError, MissingExtra, unknown_name

BACKENDS = {"2.3": ("isaacsim_physx",), "3.0": ("newton_mjwarp", "ovphysx", "isaacsim_physx")}
"""Physics backends by version; the first one is the default. The names are those of Isaac Lab 3.0's presets."""
PHYSX = "physx"
"""Isaac Lab's name for PhysX wherever it runs: in Isaac Sim where that is installed, without it otherwise."""


def isaaclab_version() -> str:
    """`2.3` or `3.0`, without importing Isaac Lab: on 2.3 nothing of it may be imported before the launch.

    Raises:
        MissingExtra: Not installed.
        EngineError: Another version.
    """
    if importlib.util.find_spec("isaaclab") is None:
        raise MissingExtra(
            "Engine 'isaaclab' needs Isaac Lab 3.0 or 2.3. Install 3.0 from its repository "
            "(https://github.com/isaac-sim/IsaacLab), or 2.3 on Python 3.11: pip install 'isaaclab>=2.3,<3'"
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
