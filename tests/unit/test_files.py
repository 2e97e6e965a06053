"""Files that are whole or absent: one alone, and several with one wait for the disk."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from surefoot.errors import RunFolderError
from surefoot.files import make_way, read_file, sweep, write_atomically, write_together


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


KILLED = """
import os, signal, sys
from pathlib import Path
from surefoot.files import replacing
with replacing(Path(sys.argv[1])) as file:
    file.write(b"half")
    print("writes", flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_writer_left_is_swept_and_what_is_being_written_is_not(tmp_path: Path):
    (tmp_path / "below").mkdir()
    path = tmp_path / "below" / "a"
    writer = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert writer.stdout is not None and writer.stdout.readline() == b"writes\n"
    (part,) = path.parent.iterdir()
    assert sweep(tmp_path) == [] and part.exists()
    writer.kill()
    writer.wait()
    (tmp_path / ".mine").write_bytes(b"a person's")
    assert sweep(tmp_path) == [part] and names(path.parent) == set() and names(tmp_path) == {".mine", "below"}


@pytest.mark.parametrize(("kind", "said"), [("pipe", "a pipe"), ("folder", "a folder"), ("device", "a device")])
def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path, kind: str, said: str):
    path = tmp_path / "a"
    {"pipe": os.mkfifo, "folder": os.mkdir, "device": lambda path: path.symlink_to("/dev/zero")}[kind](path)
    with pytest.raises(OSError, match=said):
        read_file(path, follow=True)
    if kind == "device":
        with pytest.raises(OSError, match="symbolic link"):
            read_file(path)
    make_way(path, print)
    assert names(tmp_path) == {"a.broken1"}


def test_a_file_that_is_too_large_is_refused(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"12345")
    assert read_file(tmp_path / "a", most=5) == b"12345"
    with pytest.raises(OSError, match="larger than 4 bytes"):
        read_file(tmp_path / "a", most=4)
