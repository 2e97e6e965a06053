"""Registered tasks with small ground, and whether the robot's model is here."""

import pytest

from surefoot.engines.mjcf import robot_spec
from surefoot.errors import EngineError, MissingExtra
from surefoot.manifest import Manifest, compose_manifest, override_manifest
from surefoot_tasks import manifest_root

SMALL_GROUND = {"levels": 2, "tile_size": 5.0, "curriculum.start_level": 1}
"""Of `task.terrain.generator`: a tenth of the points."""


def small_ground(manifest: Manifest) -> list[str]:
    """Overrides that make rough ground small; none on a plane."""
    if manifest.task.terrain.generator is None:
        return []
    return [f"task.terrain.generator.{key}={value}" for key, value in SMALL_GROUND.items()]


def composed(task: str, *overrides: str) -> Manifest:
    """A task's manifest; skips where the robot's MJCF is neither installed nor downloaded, and there is no USD."""
    manifest = compose_manifest(manifest_root(), task, [])
    manifest = override_manifest(manifest, [*small_ground(manifest), *overrides])
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
