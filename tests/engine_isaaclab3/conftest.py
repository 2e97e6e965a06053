"""What a real Isaac Lab 3.0 with Newton on the CPU is needed for: `make test-isaaclab3 ISAACLAB_PATH=...`."""

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from surefoot.engines.isaaclab import compat
from surefoot.errors import SurefootError


def missing() -> str:
    """Why these tests cannot run here; empty where they can."""
    try:
        version = compat.isaaclab_version()
    except SurefootError as error:
        return str(error)
    if version != "3.0" or importlib.util.find_spec("isaaclab_newton") is None:
        return f"runs on Isaac Lab 3.0 with Newton; here is {version}"
    return ""


@pytest.fixture(autouse=True, scope="session")
def isaaclab3() -> Iterator[None]:
    if reason := missing():
        pytest.skip(f"{reason} Run: make test-isaaclab3 ISAACLAB_PATH=...")
    torch.set_num_threads(1)
    argv, sys.argv = sys.argv, sys.argv[:1]  # Isaac Lab reads the command line
    yield
    sys.argv = argv


@pytest.fixture(scope="session")
def isaaclab_scripts() -> Path:
    """Folder of Isaac Lab's own train.py and play.py."""
    root = os.environ.get("ISAACLAB_PATH")
    if not root:
        pytest.skip("ISAACLAB_PATH is not set: Isaac Lab's own scripts are in its repository only")
    return Path(root) / "scripts" / "reinforcement_learning"
