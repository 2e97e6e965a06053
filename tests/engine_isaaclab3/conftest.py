"""What a real Isaac Lab 3.0 on a CPU is needed for: `make test-isaaclab`."""

import importlib.util
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

import engines_here
from surefoot.engines.isaaclab import compat
from surefoot.errors import SurefootError

ROOT = Path(__file__).resolve().parents[2]


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
        pytest.skip(f"{reason} Run: make test-isaaclab")
    torch.set_num_threads(1)
    argv, sys.argv = sys.argv, sys.argv[:1]  # Isaac Lab reads the command line
    yield
    sys.argv = argv


@pytest.fixture(scope="session")
def isaaclab_command(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Isaac Lab's own command in a process of its own, with surefoot installed as its entry points say."""
    site = tmp_path_factory.mktemp("site")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    info = site / "surefoot-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: surefoot\nVersion: 0.1.0\n")
    groups = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
        for group, entries in project.get("entry-points", {}).items()
    ]
    (info / "entry_points.txt").write_text("\n".join(groups))
    paths = (str(site), str(Path(__file__).parent), str(ROOT / "source/surefoot"), str(ROOT / "tasks"))
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)}
    program = str(Path(sys.executable).parent / "isaaclab")

    def call(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=500
        )

    return call


@pytest.fixture
def on_newton() -> None:
    """For tests of Newton, and for those that choose the backends themselves and need one run of them only."""
    if engines_here.isaaclab_backend() != "newton_mjwarp":
        pytest.skip("runs where the backend is newton_mjwarp")


@pytest.fixture
def on_physx() -> None:
    """As `on_newton`, in the other run."""
    if engines_here.isaaclab_backend() != "ovphysx":
        pytest.skip("runs where the backend is ovphysx")
