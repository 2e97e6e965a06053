"""A run that cannot start leaves no folder behind."""

import errno
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from surefoot import files
from surefoot.errors import EngineError, RunFolderError
from surefoot.manifest import Manifest
from surefoot.rl import train as training
from surefoot.runs import run_folder

NOT_ENOUGH = [
    RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 99 bytes."),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
    MemoryError(),
    MemoryError("std::bad_alloc"),
]


def folders(root: Path) -> list[Path]:
    return [path for path in root.glob("*/*") if path.is_dir()]


def train_with(error: Exception, where: str, manifest: Manifest, runs: Path, patch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> object:
        assert len(folders(runs)) == 1
        raise error

    env = SimpleNamespace(num_envs=1, device="cpu", manifest=manifest)
    make_env = fail if where == "environment" else lambda *args, **kwargs: env
    patch.setattr(training, "load_engine", lambda name: SimpleNamespace(make_env=make_env))
    if where == "runner":
        patch.setattr(training, "TrainRunner", fail)
    training.train(manifest, runs=runs)


@pytest.mark.parametrize("where", ["environment", "runner"])
@pytest.mark.parametrize("error", NOT_ENOUGH, ids=repr)
def test_too_little_memory_is_one_line(
    go1_manifest: Manifest, where: str, error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(EngineError) as caught:
        train_with(error, where, go1_manifest, tmp_path, monkeypatch)
    message = str(caught.value)
    assert message.startswith(f"training.num_envs: {go1_manifest.training.num_envs} environments do not fit")
    assert "--num_envs" in message and "\n" not in message
    assert folders(tmp_path) == []


@pytest.mark.parametrize("where", ["environment", "runner"])
def test_another_error_stays_what_it_is(
    go1_manifest: Manifest, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        train_with(RuntimeError("mat1 and mat2 shapes"), where, go1_manifest, tmp_path, monkeypatch)
    assert folders(tmp_path) == []


def test_a_full_disk_leaves_no_folder(go1_manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(RunFolderError) as caught:
        run_folder.create(tmp_path, go1_manifest, "cpu")
    assert str(caught.value).endswith("manifest.yaml: cannot be written (No space left on device).")
    assert folders(tmp_path) == []


def test_where_there_was_a_file_the_message_says_that_it_is_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    files.write_atomically(tmp_path / "a", b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(RunFolderError, match="The previous content is unchanged"):
        files.write_atomically(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"
