"""scripts/evaluate.py on a policy that was really trained, if only for two iterations."""

import hashlib
import json
import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import engines_here
import surefoot.cli
from surefoot.errors import CheckpointError, UnknownName
from surefoot.evaluation.evaluate import evaluate_checkpoint
from surefoot.evaluation.provenance import task_manifest
from surefoot.machine import Machine
from surefoot.manifest import compose_manifest
from surefoot.rl.policy import load_actor, load_policy
from surefoot.rl.runner import TrainRunner
from surefoot.rl.vec_env import SurefootVecEnv
from surefoot.runs import checkpoint as checkpoints
from surefoot_tasks import manifest_root

TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
SCRIPT = Path(__file__).parents[2] / "scripts" / "evaluate.py"


def call(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ, timeout=300)


@pytest.fixture
def script(engine: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """scripts/evaluate.py in this process, which has paid for the imports: exit code and what it printed."""
    monkeypatch.setattr(surefoot.cli, "leave", sys.exit)  # not the process of the tests
    main: Callable[[], None] = runpy.run_path(str(SCRIPT))["main"]

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", [str(SCRIPT), "--engine", engine, *map(str, arguments)])
        code = 0
        try:
            surefoot.cli.run(main)
        except SystemExit as end:
            code = int(end.code or 0)
        out = capsys.readouterr()
        return code, out.out, out.err

    return run


def contents(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


SMALL = ("--replicates", "1", "--duration", "0.4", "--threads", "1")


def test_the_script_prints_a_table_and_writes_json(engine: str, checkpoint: Path, script):
    done = call("--engine", engine, "--checkpoint", checkpoint, *SMALL)
    assert done.returncode == 0, done.stderr
    mark = "" if engine == "mujoco" else f"_{engine.replace(':', '_')}"
    path = next(checkpoint.parent.glob(f"panel_command_grid_v3_2{mark}_*.json"))  # and the hash of the smaller panel
    data = json.loads(path.read_text())
    assert path.stem.endswith(data["panel_sha256"][:8])
    assert {path.with_suffix(".parquet"), path.with_suffix(".png")} <= set(checkpoint.parent.iterdir())
    assert len(data["cells"]) == 36 and sum(cell["episodes"] for cell in data["cells"]) == 36
    assert data["duration"] == 0.4
    assert data["checkpoint_sha256"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert (data["iteration"], data["contact_model"], data["engine"], data["seed"]) == (2, "lean", engine, 0)
    assert (data["manifest_changes"], data["valid"], data["score"]) == ([], True, None)
    error, rows = data["all_cells"]["lin_vel_error"]["value"], done.stdout.splitlines()
    assert f"{error:.3f}" in next(row for row in rows if row.startswith("lin_vel_error"))
    assert "0.0  [0.0, 9.6]" in next(row for row in rows if row.startswith("fall_rate"))  # Wilson at 0 of 36
    assert "the worst 8 of 36 commands:" in rows and str(path.with_suffix(".txt")) in done.stdout
    every = path.with_suffix(".txt").read_text().splitlines()
    table = [row.split("|")[0].split() for row in every if row.count("|") == 4][-36:]
    assert (table[0], table[-1]) == (["-0.50", "-0.30", "-0.50"], ["1.00", "0.30", "0.50"])

    again = checkpoint.parent / "again.json"
    assert script("--checkpoint", checkpoint, *SMALL, "--json", again)[0] == 0
    assert json.loads(again.read_text()) | {"seconds": 0} == data | {"seconds": 0}


def test_the_full_contact_model_by_override(engine: str, checkpoint: Path, tmp_path: Path, script):
    out = tmp_path / "full.json"
    code, _, err = script("--checkpoint", checkpoint, *SMALL, "simulation=full", "--json", out)
    if engines_here.physics(engine) == "isaacsim_physx":  # contact is per body
        assert code == 1 and err.startswith("error: simulation.contact_model: 'full'") and not out.exists()
        return
    assert code == 0, err
    data = json.loads(out.read_text())
    assert data["contact_model"] == "full"
    assert ["simulation.cone", "pyramidal", "elliptic"] in data["manifest_changes"]
    assert "task.actions.scale" not in {key for key, _, _ in data["manifest_changes"]}


def test_overrides_keep_what_the_policy_was_trained_with():
    trained = compose_manifest(manifest_root(), TASK, ["task.actions.scale=0.4"])
    full = task_manifest(trained, manifest_root(), None, ["simulation=full", "simulation.iterations=7"])
    assert (full.simulation.contact_model, full.simulation.iterations) == ("full", 7)
    assert full.task.actions.scale == 0.4
    named = task_manifest(trained, manifest_root(), TASK, ["simulation=full"])
    assert named.task.actions.scale == 0.5  # --task means the task as its files say


@pytest.mark.parametrize("kind", ["truncated", "text", "foreign", "pickle", "absent", "not finite"])
def test_a_bad_checkpoint_is_refused_before_the_environment_is_built(checkpoint: Path, tmp_path: Path, kind: str):
    path = tmp_path / "model_9.pt"
    whole = checkpoint.read_bytes()
    if kind == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "text":
        path.write_text("not a checkpoint")
    elif kind == "foreign":
        torch.save({"model_state_dict": {}, "iter": 3, "infos": None}, path)
    elif kind == "pickle":
        torch.save({"actor_state_dict": Path()}, path)
    elif kind == "not finite":
        content = checkpoints.read(checkpoint)
        next(iter(content["actor_state_dict"].values()))[:] = float("nan")
        checkpoints.save(content, path)
    before = contents(tmp_path)
    with pytest.raises(CheckpointError, match=str(path)):  # the engine, which does not exist, is not asked
        evaluate_checkpoint(path, manifests=manifest_root(), machine=Machine("none"))
    assert contents(tmp_path) == before


def test_a_policy_with_other_observations_is_refused(checkpoint: Path):
    history = ["task.observations.actor.terms.joint_pos.history=3"]
    with pytest.raises(CheckpointError, match=r"joint_pos\[12x1\].*joint_pos\[12x3\]"):
        evaluate_checkpoint(checkpoint, manifests=manifest_root(), overrides=history, machine=Machine("none"))


def test_an_unknown_engine_is_refused_with_the_nearest(checkpoint: Path):
    with pytest.raises(UnknownName, match="Did you mean 'mujoco'"):
        evaluate_checkpoint(checkpoint, manifests=manifest_root(), machine=Machine("mujocco"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--replicates", "0"), "panel command_grid_v3: replicates: input should be greater than 0"),
        (("--warm_up", "10"), "warm_up: expected less than the duration"),
        (("--duration", "nan"), "finite"),
        (("--seed", "-1"), "seed"),
        (("simulation=ful",), "Did you mean 'full'"),
        (("--task", "Surefoot-Velocity-Flat-Unitree-Go1"), "Did you mean 'Surefoot-Velocity-Flat-Unitree-Go1-v0'"),
        (("randomization.factors.friction.edges=[nan,1]",), "finite"),
        (("--json", "/no/such/folder/report.json"), "does not exist"),
    ],
)
def test_bad_arguments_are_one_message(checkpoint: Path, script, arguments: tuple[str, ...], message: str):
    before = contents(checkpoint.parent)
    code, _, err = script("--checkpoint", checkpoint, *arguments)
    assert code == 1
    assert err.startswith("error: ")
    assert message in err
    assert contents(checkpoint.parent) == before


def test_the_loaded_policy_is_the_mean_of_the_trained_actor(make_env: engines_here.Builder, checkpoint: Path):
    loaded = checkpoints.load(checkpoint)
    env = make_env(loaded.manifest, num_threads=1)
    runner = TrainRunner(SurefootVecEnv(env), loaded.manifest, None)
    runner.alg.load(loaded.content, None, strict=True)
    obs = runner.env.get_observations()
    expected = runner.get_inference_policy("cpu")(obs)
    action = load_policy(loaded, loaded.manifest)(obs["actor"])
    assert torch.equal(action, expected)
    assert not action.requires_grad
    assert not load_actor(loaded, loaded.manifest).training
