"""Batches of environments for the tests of this folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from engines_here import make_isaaclab_env
from surefoot.errors import EngineError
from surefoot.manifest import compose_manifest
from surefoot_tasks import manifest_root

TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"


@contextmanager
def batch(num_envs: int, *overrides: str, task: str = TASK, evaluation: bool = False) -> Iterator[Any]:
    """One at a time: Isaac Lab has one simulation in a process."""
    env = make_isaaclab_env(
        compose_manifest(manifest_root(), task, list(overrides)), num_envs=num_envs, evaluation=evaluation
    )
    try:
        yield env
    finally:
        env.close()


@contextmanager
def skipping_absent_models() -> Iterator[None]:
    """Some robots' models are on servers that not every machine reaches."""
    try:
        yield
    except EngineError as error:
        if "asset server" in str(error) or "MuJoCo Menagerie" in str(error):
            pytest.skip(str(error))
        raise
