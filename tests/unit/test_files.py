"""Files that are whole or absent: one alone, and several with one wait for the disk."""

import os
from pathlib import Path

import pytest

from surefoot.errors import RunFolderError
from surefoot.files import write_atomically, write_together


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_several_files_have_their_contents_and_nothing_else_is_left(tmp_path: Path):
    (tmp_path / "b").write_bytes(b"old")
    write_together([(tmp_path / "a", b"one"), (tmp_path / "b", b"two")])
    assert [(tmp_path / name).read_bytes() for name in "ab"] == [b"one", b"two"]
    assert names(tmp_path) == {"a", "b"}
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


def test_nothing_appears_before_everything_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    log: list[str] = []
    flush, rename = os.fsync, os.replace
    monkeypatch.setattr("surefoot.files.os.fsync", lambda handle: (flush(handle), log.append("flush"))[0])
    monkeypatch.setattr("surefoot.files.os.replace", lambda old, new: (rename(old, new), log.append(Path(new).name))[0])
    write_together([(tmp_path / "state", b"1"), (tmp_path / "model", b"2")])
    assert log == ["flush", "flush", "state", "model"]


@pytest.mark.parametrize("failing", [1, 2])
def test_a_full_disk_leaves_every_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int):
    (tmp_path / "b").write_bytes(b"old")
    calls = 0

    def full(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls == failing:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("surefoot.files.os.fsync", full)
    with pytest.raises(RunFolderError, match="No space left"):
        write_together([(tmp_path / "a", b"one"), (tmp_path / "b", b"two")])
    assert names(tmp_path) == {"b"}
    assert (tmp_path / "b").read_bytes() == b"old"


def test_a_folder_that_is_not_there(tmp_path: Path):
    with pytest.raises(RunFolderError, match="gone/a"):
        write_together([(tmp_path / "a", b"one"), (tmp_path / "gone/a", b"two")])
    assert names(tmp_path) == set()


def test_one_file_alone(tmp_path: Path):
    write_atomically(tmp_path / "a", b"one")
    with pytest.raises(RunFolderError, match="cannot be written"):
        write_atomically(tmp_path / "gone/a", b"two")
    assert names(tmp_path) == {"a"}
