"""The crosscheck of the Isaac Lab that is here against the engine `mujoco` in its own environment, on the same MJCF."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import engines_here
from composed_tasks import small_ground
from surefoot.crosscheck.report import CrosscheckResult
from surefoot.crosscheck.run import Question, crosscheck, parse_sides
from surefoot.manifest import compose_manifest
from surefoot_tasks import manifest_root

ROOT = Path(__file__).parents[2]
MUJOCO_PYTHON = os.environ.get("SUREFOOT_MUJOCO_PYTHON", str(ROOT / ".venv/bin/python"))
"""Interpreter that has the engine `mujoco`; `make setup` makes the default one."""
TASK, ROUGH = "Surefoot-Velocity-Flat-Unitree-Go1-v0", "Surefoot-Velocity-Rough-Unitree-Go1-v0"

Ask = Callable[..., CrosscheckResult]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Compare `mujoco` with `isaaclab`, with overrides of the second, on small ground."""
    if lacking := engines_here.missing("isaaclab"):
        pytest.skip(lacking)
    found = [MUJOCO_PYTHON, "-c", "import mjlab, mjbatch"]
    if not Path(MUJOCO_PYTHON).is_file() or subprocess.run(found, capture_output=True).returncode:
        pytest.skip(f"no engine 'mujoco' in {MUJOCO_PYTHON} (make setup; or SUREFOOT_MUJOCO_PYTHON)")

    def compare(*overrides: str, task: str = TASK) -> CrosscheckResult:
        small = small_ground(compose_manifest(manifest_root(), task, []))
        pythons = [f"mujoco={MUJOCO_PYTHON}", f"isaaclab={sys.executable}"]
        own = [f"{side}:{text}" for side in "ab" for text in small] + [f"b:{text}" for text in overrides]
        sides = parse_sides(f"mujoco,isaaclab:{engines_here.isaaclab_backend()}", pythons, own, "cpu")
        return crosscheck(Question(task, manifest_root(), sides, num_envs=12, quiet=True), tmp_path)

    return compare


def test_no_definition_differs_and_each_engine_equals_itself(ask: Ask) -> None:
    outcome = ask()
    assert outcome.different == []
    compared = [row for row in outcome.differences if row.num_envs > 0]
    assert len(compared) > 10
    assert {floor for row in compared for floor in row.floors} == {0.0}
    far = 0.3 if engines_here.isaaclab_backend() == "ovphysx" else 0.1  # m, rad or m/s: another solver
    assert all(row.largest is not None and row.largest < far for row in compared if row.part == "hold")


def test_no_definition_differs_on_rough_ground(ask: Ask) -> None:
    outcome = ask(task=ROUGH)
    assert outcome.different == []
    equal = {check.name for check in outcome.checks if check.part == "fields" and check.status == "equal"}
    assert {"height_scan", "base_height", "foot_height", "distance_to_tile_edge"} <= equal


def test_a_changed_weight_and_scale_on_one_engine_are_found(ask: Ask) -> None:
    outcome = ask("task.rewards.torques.weight=-1", "task.observations.actor.terms.joint_vel.scale=0.05")
    found = {(check.part, check.name) for check in outcome.different}
    assert {("rewards", "torques"), ("observations", "actor.joint_vel")} <= found
    assert not {name for part, name in found if part in ("fields", "joints", "feet", "terminations")}
    ambiguous = {check.name for check in outcome.checks if check.status == "ambiguous"}
    assert ambiguous <= {"foot_slip, sliding", "imu_lin_acc_b"}
