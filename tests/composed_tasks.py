"""Registered tasks: which engine refuses which, and whether the robot's model is here."""

import pytest

from surefoot.engines.mjcf import robot_spec
from surefoot.errors import EngineError, MissingExtra
from surefoot.manifest import Manifest, compose_manifest
from surefoot_tasks import list_tasks, manifest_root

REFUSED = {
    ("isaaclab", f"Surefoot-Velocity-Rough-Unitree-{robot}-v0"): "task.terrain.kind" for robot in ("Go1", "Go2", "G1")
}
"""Manifest key that an engine does not have, by engine and task; everything else must run."""


def runs_on(engine: str) -> list[str]:
    """Tasks that an engine must run."""
    return [task for task in list_tasks() if (engine, task) not in REFUSED]


def composed(task: str, *overrides: str) -> Manifest:
    """A task's manifest; skips where the robot's MJCF is neither installed nor downloaded, and there is no USD."""
    manifest = compose_manifest(manifest_root(), task, list(overrides))
    assets = manifest.robot.assets
    if assets.mujoco is None:
        if assets.usd is None:
            pytest.skip(f"robot {manifest.robot.name!r} comes from Isaac's asset server, robot.assets.usd is not set")
        return manifest
    try:
        robot_spec(assets.mujoco)
    except (EngineError, MissingExtra) as error:
        pytest.skip(str(error))
    return manifest
