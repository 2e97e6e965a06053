"""Where Python finds the double and the Isaac Lab of the wheel, in this process and in those it starts."""

import importlib.metadata
import importlib.util
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SITE = HERE / "site"
PACKAGES = ("isaaclab", "isaaclab_assets", "isaaclab_tasks", "isaaclab_rl", "isaaclab_contrib")


def lacking() -> str:
    """Why the double cannot stand in here; empty where it can."""
    try:
        version = importlib.metadata.version("isaaclab")
    except importlib.metadata.PackageNotFoundError:
        return "Isaac Lab 2.3 is not installed (make test-isaaclab has it)"
    if not version.startswith("2.3."):
        return f"stands in for Isaac Sim under Isaac Lab 2.3; installed is {version}"
    found = importlib.util.find_spec("isaacsim")
    if found is not None and found.origin != str(SITE / "isaacsim" / "__init__.py"):
        return "a real Isaac Sim is installed"
    return ""


def search_path(isaac_sim: bool = True) -> list[str]:
    """Folders that come first on `sys.path`, as after installing Isaac Lab from its repository.

    Args:
        isaac_sim: With the double of Isaac Sim; without it Isaac Lab is there and Isaac Sim is not.
    """
    wheel = Path(str(importlib.metadata.distribution("isaaclab").locate_file("isaaclab"))) / "source"
    folders = [wheel / package for package in PACKAGES]
    return [str(folder) for folder in ([SITE, HERE.parent, *folders] if isaac_sim else folders)]


def environment(isaac_sim: bool = True) -> dict[str, str]:
    """Environment variables of a process that is to find the same; see `search_path`."""
    inherited = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    ours = search_path(isaac_sim)
    rest = [path for path in inherited if path not in search_path()]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([*ours, *rest])}


def activate() -> None:
    """Make this process and its children see the double."""
    sys.path[:0] = [path for path in search_path() if path not in sys.path]
    os.environ["PYTHONPATH"] = environment()["PYTHONPATH"]
    import sitecustomize  # noqa: F401  (children load it by themselves)
