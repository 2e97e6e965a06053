"""The record holds what was added, survives resumes, full disks and damage."""

import errno
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from audit_cases import AXES, PER_BUCKET_AND_TERM, PER_TERM, SCALAR, flush_of
from surefoot.audit.accounts.metrics import define
from surefoot.audit.alerts.alerts import Alert
from surefoot.audit.record import record as record_module
from surefoot.audit.record import record_file
from surefoot.audit.record.record import ALERTS, RunRecord, read_alerts
from surefoot.audit.record.record_file import FILE_NAME, OPEN_FILE_NAME, read_record
from surefoot.audit.record.resilience import Retry
from surefoot.errors import RecordError, UnknownName


def recorded(folder: Path, iterations: range, resumed_at: int = 0, sha256: str = "a") -> RunRecord:
    """A record of some iterations, on the disk."""
    record = RunRecord(folder, AXES, sha256, resumed_at=resumed_at)
    for iteration in iterations:
        record.add(iteration, flush_of(iteration), [Alert("kind", iteration, "track", "odd", "log")])
    assert record.save(end=True)
    return record


def test_a_record_gives_back_what_was_added(tmp_path: Path):
    recorded(tmp_path, range(1, 4))
    table = read_record(tmp_path)
    assert table.iteration.tolist() == [1, 2, 3]
    assert table.values[SCALAR].tolist() == [1.0, 2.0, 3.0]
    assert table.values[PER_TERM].tolist() == [[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]]
    assert table.values[PER_BUCKET_AND_TERM].shape == (3, 3, 2)
    assert table.values[PER_BUCKET_AND_TERM][1, 2, 1] == 2 + 20 + 1  # iteration 2, bucket 2, term 1
    assert table.names("bucket") == ("soft", "medium", "hard")
    assert table.header.metrics[PER_TERM].unit == "1/s"


def test_another_parquet_reader_sees_lists_and_the_header(tmp_path: Path):
    recorded(tmp_path, range(1, 3))
    table = pq.read_table(tmp_path / FILE_NAME)
    assert table.column(PER_BUCKET_AND_TERM).to_pylist()[0] == [1, 2, 11, 12, 21, 22]
    header = json.loads(table.schema.metadata[b"surefoot"])
    assert header["axes"]["term"] == ["track", "torques"]
    assert header["metrics"][PER_TERM]["version"] == 1


def test_many_saves_give_the_same_rows_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(record_file, "ROWS_PER_GROUP", 4)
    monkeypatch.setattr(record_module, "CLOSE_AFTER", 5)
    record = RunRecord(tmp_path, AXES, "a")
    for iteration in range(1, 12):
        record.add(iteration, flush_of(iteration))
        if iteration % 3 == 0:
            record.save()
            assert read_record(tmp_path).iteration.tolist() == list(range(1, iteration + 1))
    assert read_record(tmp_path / FILE_NAME).iteration.tolist() == list(range(1, 7))
    assert read_record(tmp_path / OPEN_FILE_NAME).iteration.tolist() == [7, 8, 9]
    record.save(end=True)
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]
    file = pq.ParquetFile(tmp_path / FILE_NAME)
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [4, 4, 3]
    assert read_record(tmp_path).iteration.tolist() == list(range(1, 12))


def test_resuming_drops_what_came_after_the_checkpoint(tmp_path: Path):
    recorded(tmp_path, range(1, 7))
    RunRecord(tmp_path, AXES, "a", resumed_at=4)
    assert read_record(tmp_path).iteration.tolist() == [1, 2, 3, 4]
    assert [alert["iteration"] for alert in read_alerts(tmp_path)] == [1, 2, 3, 4]
    recorded(tmp_path, range(5, 7), resumed_at=4, sha256="b")
    table = read_record(tmp_path)
    assert table.values[SCALAR].tolist() == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert table.header.manifests == ((1, "a"), (5, "b"))
    assert [alert["iteration"] for alert in read_alerts(tmp_path)] == [1, 2, 3, 4, 5, 6]


def test_a_metric_that_comes_later_is_nan_before(tmp_path: Path):
    late = define("case/late", "-", "Comes with the second save.", axes=("cause",))
    record = recorded(tmp_path, range(1, 3))
    record.add(3, flush_of(3) | {late: torch.tensor([7.0, 8.0])})
    record.add(4, flush_of(4))
    for end in (False, True):  # in two files, and in one
        record.save(end=end)
        np.testing.assert_equal(read_record(tmp_path).values[late], [[np.nan] * 2, [np.nan] * 2, [7, 8], [np.nan] * 2])


def damage(path: Path, how: str) -> None:
    content = path.read_bytes()
    path.write_bytes({"truncated": content[: len(content) // 2], "text": b"hello", "empty": b""}[how])


@pytest.mark.parametrize("how", ["truncated", "text", "empty"])
def test_a_corrupt_record_is_refused_by_name_and_set_aside_by_a_run(
    tmp_path: Path, how: str, capsys: pytest.CaptureFixture[str]
):
    recorded(tmp_path, range(1, 5))
    damage(tmp_path / FILE_NAME, how)
    broken = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(RecordError, match=r"accounts\.parquet: corrupt"):
        read_record(tmp_path)
    recorded(tmp_path, range(5, 7), resumed_at=4)
    assert read_record(tmp_path).iteration.tolist() == [5, 6]
    assert (tmp_path / "accounts.1.parquet").read_bytes() == broken
    assert "accounts.1.parquet" in capsys.readouterr().out


def test_a_record_that_breaks_during_the_run_does_not_stop_it(tmp_path: Path):
    record = recorded(tmp_path, range(1, 3))
    damage(tmp_path / FILE_NAME, "truncated")
    record.add(3, flush_of(3))
    assert record.save(end=True)
    assert read_record(tmp_path).iteration.tolist() == [3]
    assert (tmp_path / "accounts.1.parquet").is_file()


def test_a_broken_small_file_is_set_aside_and_the_large_one_stays(tmp_path: Path):
    record = recorded(tmp_path, range(1, 3))
    record.add(3, flush_of(3))
    assert record.save()
    damage(tmp_path / OPEN_FILE_NAME, "truncated")
    with pytest.raises(RecordError, match=r"accounts\.open\.parquet"):
        read_record(tmp_path)
    record.add(4, flush_of(4))
    assert record.save(end=True)
    assert read_record(tmp_path).iteration.tolist() == [1, 2, 4]


def test_a_run_killed_while_files_are_joined_loses_and_repeats_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    record = recorded(tmp_path, range(1, 3))
    for iteration in (3, 4):
        record.add(iteration, flush_of(iteration))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", lambda path: None)  # the last thing that did not happen
        assert record.save(end=True)
    assert (tmp_path / OPEN_FILE_NAME).is_file()
    assert read_record(tmp_path).values[SCALAR].tolist() == [1.0, 2.0, 3.0, 4.0]
    recorded(tmp_path, range(4, 6), resumed_at=3)
    assert read_record(tmp_path).values[SCALAR].tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert not (tmp_path / OPEN_FILE_NAME).exists()


def test_a_killed_run_is_resumed_from_either_file(tmp_path: Path):
    for resumed_at in (1, 3):
        folder = tmp_path / str(resumed_at)
        folder.mkdir()
        record = recorded(folder, range(1, 3))
        for iteration in (3, 4):
            record.add(iteration, flush_of(iteration))
        assert record.save()
        RunRecord(folder, AXES, "a", resumed_at=resumed_at)
        assert read_record(folder).iteration.tolist() == list(range(1, resumed_at + 1))
        recorded(folder, range(resumed_at + 1, 7), resumed_at=resumed_at)
        assert read_record(folder).iteration.tolist() == [1, 2, 3, 4, 5, 6]


def test_other_terms_begin_a_new_file(tmp_path: Path):
    recorded(tmp_path, range(1, 3))
    record = RunRecord(tmp_path, AXES | {"term": ("track",)}, "b", resumed_at=2)
    record.add(3, {PER_TERM: torch.tensor([1.0])})
    record.save(end=True)
    assert read_record(tmp_path).values[PER_TERM].tolist() == [[1.0]]
    assert read_record(tmp_path / "accounts.1.parquet").iteration.tolist() == [1, 2]


def test_a_foreign_parquet_file_is_refused(tmp_path: Path):
    import pyarrow as pa

    pq.write_table(pa.table({"iteration": [1]}), tmp_path / FILE_NAME)
    with pytest.raises(RecordError, match="not a record of accounts"):
        read_record(tmp_path)


def test_a_missing_record_is_named(tmp_path: Path):
    with pytest.raises(RecordError, match="no such file"):
        read_record(tmp_path)


def test_a_full_disk_is_reported_and_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    said: list[str] = []
    now = [0.0]
    record = RunRecord(tmp_path, AXES, "a", retry=Retry("Record", said.append, lambda: now[0]))
    record.add(1, flush_of(1))
    assert record.save()

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        record.add(2, flush_of(2), [Alert("kind", 2, "track", "odd", "log")])
        assert not record.save()
    assert read_record(tmp_path).iteration.tolist() == [1]
    assert sorted(path.name for path in tmp_path.iterdir()) == [OPEN_FILE_NAME]  # no half-written files
    assert record.failures == 1 and "No space left on device" in said[0]

    record.add(3, flush_of(3))
    assert not record.save()  # too soon, and not a failure
    assert record.failures == 1
    now[0] = 11.0
    assert record.save()
    assert read_record(tmp_path).iteration.tolist() == [1, 2, 3]
    assert [alert["iteration"] for alert in read_alerts(tmp_path)] == [2]
    assert "works again" in said[-1]


def test_a_broken_line_among_the_alerts_is_named(tmp_path: Path):
    recorded(tmp_path, range(1, 3))
    with (tmp_path / ALERTS).open("a") as file:
        file.write('{"iteration": 3, "ki')
    with pytest.raises(RecordError, match="line 3"):
        read_alerts(tmp_path)


def test_bad_rows_are_refused(tmp_path: Path):
    record = RunRecord(tmp_path, AXES, "a", resumed_at=5)
    with pytest.raises(ValueError, match="Iteration 5 after 5"):
        record.add(5, flush_of(5))
    with pytest.raises(ValueError, match="case/per_term"):
        record.add(6, {PER_TERM: torch.zeros(3)})
    with pytest.raises(UnknownName, match="case/scalar"):
        record.add(6, {"case/scalr": torch.zeros(())})
