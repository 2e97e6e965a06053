"""Training: every task, by the function and by the script, and what bad input gets."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import surefoot.cli
from composed_tasks import composed
from surefoot.audit.record.record_file import read_record
from surefoot.machine import Machine
from surefoot.manifest import read_manifest
from surefoot.rl.train import train
from surefoot.runs import checkpoint
from surefoot_tasks import list_tasks

SCRIPT = Path(__file__).parents[2] / "scripts" / "train.py"
TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
SMALL = [
    "training.num_envs=16", "training.max_iterations=3", "training.save_interval=1", "training.logger=none",
    "ppo.num_steps_per_env=8", "ppo.actor.hidden_dims=[16]", "ppo.critic.hidden_dims=[16]", "ppo.num_mini_batches=1",
]  # fmt: skip


def in_a_process(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def check_run(folder: Path, iterations: int) -> None:
    """Something was learned from something, and nothing in it is not a number."""
    record = read_record(folder)
    assert record.iteration.tolist() == list(range(1, iterations + 1))
    first, last = (
        checkpoint.load(folder / f"model_{number}.pt").content["actor_state_dict"] for number in (1, iterations)
    )
    moved = [not torch.equal(first[name], last[name]) for name in first if name.endswith("weight")]
    assert moved and all(moved)
    assert all(torch.isfinite(value).all() for value in last.values() if value.is_floating_point())


@pytest.mark.parametrize("task", list_tasks())
def test_every_task_trains(engine: str, task: str, tmp_path: Path) -> None:
    check_run(train(composed(task, *SMALL), runs=tmp_path, machine=Machine(engine, threads=1)), 3)


def test_the_script_trains_with_overrides(engine: str, tmp_path: Path) -> None:
    done = in_a_process(
        "--engine", engine, "--task", TASK, "--runs", tmp_path, "--num_envs", "16", "--max_iterations", "2", *SMALL[2:],
        "task.rewards.torques.weight=-0.001", "ppo.gamma=0.98",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / TASK).iterdir()
    check_run(folder, 2)
    manifest = read_manifest(folder / "manifest.yaml")
    assert (manifest.task.rewards["torques"].weight, manifest.ppo.gamma) == (-0.001, 0.98)
    assert f"Run folder: {folder}" in done.stdout


BAD = {
    "task": (
        ["--task", "Surefoot-Velocity-Flat-Unitree-Go1-v1"],
        "Did you mean 'Surefoot-Velocity-Flat-Unitree-Go1-v0'",
    ),
    "key": (["--task", TASK, "task.rewards.torque.weight=1"], "torque"),
    "term": (["--task", TASK, "+task.rewards.x={func: foot_slipp, weight: 1}"], "foot_slip"),
    "device": (["--task", TASK, "--device", "cuda:99"], "'cuda:99' is not there"),
}


@pytest.mark.parametrize(("arguments", "says"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_one_line(
    engine: str,
    arguments: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), "--engine", engine, "--runs", str(tmp_path), *arguments])
    monkeypatch.setattr(surefoot.cli, "leave", sys.exit)  # not the process of the tests
    with pytest.raises(SystemExit) as end:
        surefoot.cli.run(runpy.run_path(str(SCRIPT))["main"])
    (line,) = capsys.readouterr().err.splitlines()
    assert end.value.code == 1
    assert line.startswith("error: ") and says in line
    assert not list(tmp_path.glob("*/*"))
