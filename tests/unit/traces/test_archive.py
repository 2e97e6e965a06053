"""Archives are read, and never write outside of their folder."""

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from log_cases import changed_profile, imported, joint_values, stamps, write_table
from surefoot.errors import TraceError
from surefoot.traces.sources.archive import unpack


def make_tar(path: Path, **member: object) -> Path:
    """A tar with one member of odd properties."""
    info = tarfile.TarInfo("log.csv")
    info.size = 3
    for key, value in member.items():
        setattr(info, key, value)
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(info, io.BytesIO(b"abc"))
    return path


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_folder_of_tables_in_an_archive(tmp_path: Path, kind: str):
    """State and command as a file each; the command 10 ms behind, held."""
    values, folder = joint_values(100), tmp_path / "run"
    folder.mkdir()
    write_table(folder / "state.csv", stamps(100), {name: values[name] for name in ("q", "dq", "tau")})
    write_table(folder / "command.csv", stamps(100) + 10_000_000, {"q_des": values["q_des"]})
    archive = tmp_path / f"run.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(archive, "w") as out:
            for file in folder.iterdir():
                out.write(file, f"run/{file.name}")
    else:
        with tarfile.open(archive, "w:gz") as out:
            out.add(folder, "run")

    def split(plain: dict) -> None:
        log = plain["topics"].pop("log")
        command = {"q_des": log["signals"].pop("q_des")}
        stamp = dict(log["stamp"])
        plain["topics"]["state"] = {**log, "file": "state.csv"}
        plain["topics"]["command"] = {"file": "command.csv", "stamp": stamp, "merge": "hold", "signals": command}
        plain["base"] = "state"

    trace = imported(archive, changed_profile(tmp_path, "go2_columns", split))
    assert np.array_equal(trace.get("q"), values["q"])
    assert np.isnan(trace.get("q_des")[:5]).all()
    assert np.array_equal(trace.get("q_des")[5:], values["q_des"][:-5])
    assert [file.name for file in trace.header.sources] == [archive.name]


@pytest.mark.parametrize("name", ["../log.csv", "/tmp/log.csv", "a/../../log.csv", "..\\log.csv", "C:\\log.csv"])
def test_paths_that_lead_out_are_refused(tmp_path: Path, name: str):
    (tmp_path / "in").mkdir()
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("fine.csv", "x")
        info = zipfile.ZipInfo()
        info.filename = name
        archive.writestr(info, "x")
    for path in (tmp_path / "a.zip", make_tar(tmp_path / "a.tar.gz", name=name)):
        with pytest.raises(TraceError, match="leads out of the folder; refused"):
            unpack(path, tmp_path / "in")
    assert not (tmp_path / "log.csv").exists()
    with pytest.raises(TraceError, match="refused"):
        imported(tmp_path / "a.zip", "go2_columns")


def test_links_and_devices_are_refused(tmp_path: Path):
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
        with pytest.raises(TraceError, match="a link or a device; refused"):
            unpack(make_tar(tmp_path / "a.tar.gz", type=kind, linkname="/etc/passwd", size=0), tmp_path / "in")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        info = zipfile.ZipInfo("log.csv")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(TraceError, match="is a link; refused"):
        unpack(tmp_path / "a.zip", tmp_path / "in")


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("log.csv", bytes(5_000_000))
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("log.csv")
        info.size = 5_000_000
        archive.addfile(info, io.BytesIO(bytes(5_000_000)))
    for name in ("a.zip", "a.tar.gz"):
        with pytest.raises(TraceError, match="unpacked, at most"):
            unpack(tmp_path / name, tmp_path / "in", max_bytes=1_000_000)
    assert not (tmp_path / "in").exists()


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_damage_is_one_line(tmp_path: Path, name: str):
    (tmp_path / name).write_bytes(b"\x1f\x8b not an archive")
    with pytest.raises(TraceError, match="the archive cannot be unpacked"):
        imported(tmp_path / name, "go2_columns")
