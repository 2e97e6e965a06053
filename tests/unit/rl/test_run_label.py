"""Name and tags of a run in Weights & Biases, without a connection."""

import dataclasses
from pathlib import Path

import pytest

from surefoot.errors import SurefootError
from surefoot.manifest import Manifest, compose_manifest
from surefoot.rl.loggers import RunLabel, WandbWriter
from surefoot_tasks import manifest_root

TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"


def manifest(logger: str) -> Manifest:
    return compose_manifest(manifest_root(), TASK, [f"training.logger={logger}"])


@pytest.mark.parametrize(
    ("label", "name", "tags"),
    [(RunLabel(), f"{TASK}/run_seed1", ()), (RunLabel("soft-knees", ("gains", "go1")), "soft-knees", ("gains", "go1"))],
)
def test_a_run_is_named_by_task_and_folder_or_as_one_says(
    label: RunLabel, name: str, tags: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    for key, value in (("WANDB_MODE", "offline"), ("WANDB_SILENT", "true")):
        monkeypatch.setenv(key, value)
    folder = tmp_path / "run_seed1"
    folder.mkdir()
    writer = WandbWriter(folder, manifest("wandb"), label)
    assert (writer._run.name, writer._run.tags or ()) == (name, tags)
    writer.close()


@pytest.mark.parametrize("field", [{"name": "a"}, {"tags": ("a",)}])
def test_a_label_that_nobody_would_see_is_refused(field: dict) -> None:
    label = dataclasses.replace(RunLabel(), **field)
    label.check(manifest("wandb"))
    with pytest.raises(SurefootError, match="logger=wandb"):
        label.check(manifest("tensorboard"))
    RunLabel().check(manifest("none"))
