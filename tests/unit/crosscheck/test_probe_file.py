"""Probe files: what is written is read, and nothing else is."""

import json
from pathlib import Path

import numpy as np
import pytest

from made_up_probe import made_up_probe
from surefoot.crosscheck.probe_file import read_probe, write_probe
from surefoot.errors import CrosscheckError


def test_what_is_written_is_read(tmp_path: Path) -> None:
    probe = made_up_probe()
    write_probe(tmp_path / "a.json", probe)
    read = read_probe(tmp_path / "a.json")
    assert read.header == {"schema_version": 2, **probe.header}
    assert read.arrays.keys() == probe.arrays.keys()
    assert all(np.array_equal(read.arrays[name], value) for name, value in probe.arrays.items())
    assert set(read.part("feet")) == {"contact", "height"}


def test_python_objects_are_refused(tmp_path: Path) -> None:
    write_probe(tmp_path / "a.json", made_up_probe())
    np.savez(tmp_path / "a.npz", evil=np.array([print], dtype=object))
    with pytest.raises(CrosscheckError, match=r"a\.json: no readable probe"):
        read_probe(tmp_path / "a.json")


def test_absent_damaged_and_foreign_files_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(CrosscheckError, match="Run the crosscheck again"):
        read_probe(path)
    write_probe(path, made_up_probe())
    whole = path.with_suffix(".npz").read_bytes()
    path.with_suffix(".npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CrosscheckError, match="no readable probe"):
        read_probe(path)
    path.with_suffix(".npz").write_bytes(whole)
    path.write_text(json.dumps({"schema_version": 1}))
    with pytest.raises(CrosscheckError, match="expected schema_version 2, got 1"):
        read_probe(path)
