"""The double's own tests: a small robot on a stage, without Isaac Lab's scene."""

from collections.abc import Iterator
from typing import Any

import pytest

import engines_here
from isaaclab_double import paths


@pytest.fixture(scope="session")
def launched() -> None:
    """The app runs, and USD can be imported."""
    if lacking := engines_here.missing("isaaclab") or paths.lacking():
        pytest.skip(lacking)
    from surefoot.engines.isaaclab import compat

    compat.launch("2.3", "isaacsim_physx", "cpu")


@pytest.fixture
def stage(launched: None) -> Iterator[Any]:
    from isaaclab_double.small_robot import new_stage

    yield new_stage()
