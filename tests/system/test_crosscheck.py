"""The crosscheck as a user runs it: floors of exactly 0, exit code 2 for a changed definition, errors of one line."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
OTHER = {"mujoco": "isaaclab", "isaaclab": "mujoco"}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "scripts/crosscheck.py", "--task", TASK, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_a_changed_weight_is_exit_code_2_and_physics_is_the_floor(engine: str, tmp_path: Path) -> None:
    planted = "b:task.rewards.torques.weight=-1"
    done = run("--engines", f"{engine},{engine}", "--override", planted, "--num_envs", "6", "--out", str(tmp_path))
    assert done.returncode == 2, done.stderr
    assert "task.rewards.torques.weight" in done.stdout
    report = json.loads((tmp_path / "crosscheck.json").read_text())
    differing = {(check["part"], check["name"]) for check in report["checks"] if check["status"] == "differs"}
    assert differing == {
        ("manifest", "task.rewards.torques.weight"),
        ("layout", "rewards.torques: weight"),
        ("rewards", "torques"),
    }
    assert report["engines"][0]["manifest_sha256"] != report["engines"][1]["manifest_sha256"]
    compared = [row for row in report["physics"] if row["num_envs"] > 0]
    assert len(compared) > 10
    assert {number for row in compared for number in (row["rms"], row["largest"], *row["floors"])} == {0.0}


def test_an_engine_that_is_not_there_is_one_line(engine: str, tmp_path: Path) -> None:
    other = OTHER[engine.partition(":")[0]]
    done = run("--engines", f"{other},{engine}", "--python", f"{other}=/bin/false", "--out", str(tmp_path))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"error: Engine {other!r} gave no result (exit code 1)" in done.stderr
    assert not (tmp_path / "crosscheck.json").exists()
