"""Checkpoints of Isaac Lab's own trainer: where their manifest comes from, and what a damaged file gets."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from surefoot.errors import CheckpointError, ManifestError
from surefoot.evaluation.evaluate import task_manifest
from surefoot.manifest import Manifest
from surefoot.manifest.extension import Extension
from surefoot.rl.config import named_runner_config
from surefoot.rl.policy import load_actor
from surefoot.rl.train import train
from surefoot.runs import checkpoint, isaaclab_run
from surefoot_tasks import manifest_root
from trained import checkpoint_content

EXTENSION = Extension(added=("rewards.mine", "events.mine"), sha256="0123456789ab" + "0" * 52)
PWNED = "!!python/object/apply:builtins.open [{path}, w]"


@pytest.fixture(scope="module")
def whole(go1_manifest: Manifest) -> dict[str, Any]:
    """As RSL-RL's runner writes it: `infos` is empty."""
    return checkpoint_content(go1_manifest) | {"infos": None, "iter": 2}


def write(folder: Path, content: dict[str, Any], params: str | None = None) -> Path:
    path = folder / "model_2.pt"
    torch.save(content, path)
    if params is not None:
        (folder / "params").mkdir()
        (folder / "params/env.yaml").write_text(params)
    return path


def params_of(manifest: Manifest, **others: Any) -> str:
    """With tags of Python's and aliases, as Isaac Lab writes."""
    shared = {"size": (1280, 720), "part": slice(0, 2)}
    return yaml.dump({"viewer": shared, "again": shared, "manifest": manifest.to_plain()} | others, sort_keys=False)


def test_the_note_in_the_checkpoint_is_enough(whole: dict[str, Any], go1_manifest: Manifest, tmp_path: Path) -> None:
    content = whole | {isaaclab_run.NOTE: isaaclab_run.note(go1_manifest, samples=192)}
    loaded = checkpoint.load(write(tmp_path, content))
    assert loaded.manifest == go1_manifest
    assert loaded.iteration == 2
    assert loaded.content["infos"]["samples"] == 192
    load_actor(loaded, go1_manifest)


def test_otherwise_params_hold_the_manifest(whole: dict[str, Any], go1_manifest: Manifest, tmp_path: Path) -> None:
    text = params_of(go1_manifest)
    assert "!!python/tuple" in text and "&id001" in text
    loaded = checkpoint.load(write(tmp_path, whole, text))
    assert loaded.manifest == go1_manifest
    load_actor(loaded, go1_manifest)


@pytest.mark.parametrize("kind", ["call", "module"])
def test_yaml_of_strangers_runs_no_code(
    whole: dict[str, Any], go1_manifest: Manifest, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "mark"
    (tmp_path / "strange.py").write_text(f"open({str(mark)!r}, 'w').close()\n")
    monkeypatch.syspath_prepend(tmp_path)
    tag = PWNED.format(path=mark) if kind == "call" else "!!python/module:strange ''"
    outside = f"x: {tag}\n" + params_of(go1_manifest)
    assert checkpoint.load(write(tmp_path, whole, outside)).manifest == go1_manifest
    inside = params_of(go1_manifest).replace("schema_version: 1", f"schema_version: {tag}")
    (tmp_path / "params/env.yaml").write_text(inside)
    with pytest.raises(CheckpointError, match=r"schema_version|no plain value"):
        checkpoint.load(tmp_path / "model_2.pt")
    assert not mark.exists()


def nested(levels: int) -> str:
    """A few lines that unfold to more than any memory holds."""
    lines = ["a0: &a0 [1, 1]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, levels)]
    return "\n".join(lines) + f"\nmanifest: {{x: *a{levels - 1}}}\n"


BAD = {
    "no manifest": ("scene: {num_envs: 4}\n", "holds no manifest: the run trained a task that is not surefoot's"),
    "no mapping": ("- 1\n", "holds no manifest"),
    "torn": ("manifest: {a: [1, 2\n", "damaged, not YAML"),
    "nothing": ("", "holds no manifest"),
    "no section": ("manifest: {name: x}\n", "missing key"),
    "not finite": ("manifest: {a: .nan}\n", "expected finite numbers"),
    "bomb": (nested(12), "keys and values"),
    "deep": ("manifest: {a: " + "[" * 60 + "]" * 60 + "}\n", "larger or deeper"),
    "very deep": ("manifest: " + "[" * 5000 + "]" * 5000, "damaged, not YAML"),
    "text of another kind": ("manifest: {schema_version: one}\n", "schema_version"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_params_file_is_one_message(whole: dict[str, Any], case: str, tmp_path: Path) -> None:
    text, message = BAD[case]
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(write(tmp_path, whole, text))
    assert message in str(caught.value)
    assert str(tmp_path) in str(caught.value).splitlines()[0]


def test_without_note_and_params_the_message_says_how_to_name_one(whole: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no params/env.yaml beside it.*logs/rsl_rl/TASK/RUN/model_N.pt"):
        checkpoint.load(write(tmp_path, whole))


@pytest.mark.parametrize("note", [7, {}, {"format": 1}, {"format": 9, "manifest": "{}"}, {"format": 1, "manifest": 3}])
def test_a_damaged_note_is_one_line(whole: dict[str, Any], note: Any, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(write(tmp_path, whole | {isaaclab_run.NOTE: note}))
    assert "\n" not in str(caught.value)


def test_what_the_agent_says_becomes_the_manifests(go1_manifest: Manifest) -> None:
    config = named_runner_config(go1_manifest) | {"max_iterations": 3, "save_interval": 7}
    assert isaaclab_run.learned_with(go1_manifest, config | {"max_iterations": go1_manifest.training.max_iterations,
        "save_interval": go1_manifest.training.save_interval}) == go1_manifest  # fmt: skip
    config["algorithm"]["gamma"] = 0.5
    config["actor"]["hidden_dims"] = [8, 4]
    config["actor"]["class_name"] = config["critic"]["class_name"] = "MLPModel"
    config["num_steps_per_env"] = 11
    found = isaaclab_run.learned_with(go1_manifest, config)
    assert (found.ppo.gamma, found.ppo.num_steps_per_env, found.ppo.symmetry) == (0.5, 11, "none")
    assert found.ppo.actor.hidden_dims == (8, 4)
    assert (found.training.max_iterations, found.training.save_interval) == (3, 7)
    assert found.task == go1_manifest.task


def test_what_no_manifest_can_say_is_said(go1_manifest: Manifest, capsys: pytest.CaptureFixture[str]) -> None:
    config = copy.deepcopy(named_runner_config(go1_manifest))
    config["algorithm"]["gamma"] = 7.0
    assert isaaclab_run.learned_with(go1_manifest, config) == go1_manifest
    assert "The manifest cannot say what agent says" in capsys.readouterr().out


def extended(manifest: Manifest) -> Manifest:
    return manifest.model_copy(update={"extension": EXTENSION})


def test_an_extension_is_hashed_named_and_left_out_of_evaluations(go1_manifest: Manifest) -> None:
    manifest = extended(go1_manifest)
    assert manifest.sha256 != go1_manifest.sha256
    alone, caveats = checkpoint.without_extension(manifest)
    assert alone == go1_manifest
    assert "rewards.mine, events.mine (configuration sha256 0123456789ab)" in caveats[0]
    assert task_manifest(manifest, manifest_root(), None, []) == go1_manifest
    assert EXTENSION.names("rewards") == ("mine",)
    assert checkpoint.without_extension(go1_manifest) == (go1_manifest, ())


def test_networks_that_read_what_was_added_are_refused_with_its_name(
    whole: dict[str, Any], go1_manifest: Manifest, tmp_path: Path
) -> None:
    content = copy.deepcopy(whole) | {isaaclab_run.NOTE: isaaclab_run.note(extended(go1_manifest), samples=0)}
    state = content["actor_state_dict"]
    name = next(name for name in state if name.endswith("weight"))
    state[name] = torch.zeros(state[name].shape[0], state[name].shape[1] + 3)
    loaded = checkpoint.load(write(tmp_path, content))
    with pytest.raises(CheckpointError, match=r"do not fit.*Python code had added to the task: rewards.mine"):
        load_actor(loaded, checkpoint.without_extension(loaded.manifest)[0])


def test_our_own_trainer_refuses_what_only_python_can_say(go1_manifest: Manifest, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"extension: Python code added rewards.mine.*Isaac Lab's own trainer"):
        train(extended(go1_manifest), runs=tmp_path)
    assert not list(tmp_path.iterdir())
