"""Processes in which Isaac Lab 2.3 is installed and Isaac Sim is not, or in which Isaac Sim has the last word."""

import subprocess
import sys
from pathlib import Path

import pytest

import engines_here
from isaaclab_double import paths

SCRIPT = Path(__file__).parents[2] / "scripts" / "train.py"
TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"


@pytest.fixture(autouse=True)
def _double() -> None:
    if lacking := engines_here.missing("isaaclab") or paths.lacking():
        pytest.skip(lacking)


def train(*arguments: str | Path, isaac_sim: bool) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--engine", "isaaclab", "--task", TASK, *map(str, arguments)]
    environment = paths.environment(isaac_sim)
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)


def test_isaac_lab_without_isaac_sim_is_one_line(tmp_path: Path) -> None:
    done = train("--runs", tmp_path, isaac_sim=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: PhysX on Isaac Lab 2.3 needs Isaac Sim 5.1, which is not installed: pip install")
    assert not list(tmp_path.glob("*/*"))


def test_an_error_after_the_launch_is_the_exit_code(tmp_path: Path) -> None:
    """Isaac Sim's own exit handler would end the process with 0."""
    payload = "randomization.factors.payload_mass.edges=[-50,0,1,2]"
    done = train("--runs", tmp_path, "--num_envs", "12", payload, isaac_sim=True)
    assert "error: randomization.factors.payload_mass.edges: " in done.stderr and "'trunk'" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == 1
