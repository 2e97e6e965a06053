"""Tasks whose robot's model is here."""

import pytest

from surefoot.engines.mjcf import robot_spec
from surefoot.errors import EngineError, MissingExtra
from surefoot.manifest import Manifest, compose_manifest
from surefoot_tasks import manifest_root


def composed(task: str, *overrides: str) -> Manifest:
    """A task's manifest; skips where the robot's MJCF is neither installed nor downloaded."""
    manifest = compose_manifest(manifest_root(), task, list(overrides))
    try:
        robot_spec(str(manifest.robot.assets.mujoco))
    except (EngineError, MissingExtra) as error:
        pytest.skip(str(error))
    return manifest
