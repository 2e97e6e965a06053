"""A trace's file gives back what was written, says what it holds, and refuses what it does not."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from surefoot.errors import TraceError
from surefoot.traces import Trace, TraceFile, TraceWriter, read_trace, trace_file, write_trace
from trace_cases import JOINTS, header_of, trace_of


def test_a_trace_comes_back_to_the_last_bit(tmp_path: Path):
    trace = trace_of(500, ("q", "gyro", "foot_force"))
    trace.signals["gyro"][7, 1] = np.nan
    write_trace(tmp_path / "a.parquet", trace)
    back = read_trace(tmp_path / "a.parquet")
    assert back.stamp.dtype == np.int64 and np.array_equal(back.stamp, trace.stamp)
    for name, values in trace.signals.items():
        assert np.array_equal(back.signals[name], values, equal_nan=True)
    assert back.header.joints == JOINTS
    assert back.header.num_samples == 500 and back.header.rate_hz == pytest.approx(500)
    assert back.header.signals["gyro"].valid == 499 / 500


def test_columns_are_named_after_joints(tmp_path: Path):
    write_trace(tmp_path / "a.parquet", trace_of(3, ("q",)))
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.column_names == ["stamp", *(f"q/{joint}" for joint in JOINTS)]
    assert json.loads(table.schema.metadata[b"surefoot.trace"])["robot"] == "unitree_go2"


def test_joints_are_taken_by_name(tmp_path: Path):
    trace = trace_of(4, ("q",))
    order = JOINTS[::-1]
    assert np.array_equal(trace.get("q", order), trace.signals["q"][:, ::-1])
    with pytest.raises(TraceError, match=r"joint 'FR_hip_jont' is not in this trace .* Did you mean 'FR_hip_joint'\?"):
        trace.get("q", ["FR_hip_jont"])
    with pytest.raises(TraceError, match=r"torque replay needs tau, q; missing: tau\. The trace holds: q\."):
        trace.require("tau", "q", purpose="torque replay")
    with pytest.raises(TraceError, match="robot 'unitree_go2', but the task is for 'unitree_go1'"):
        trace.require_robot("unitree_go1")


def test_batches_of_any_size_write_the_same_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trace_file, "ROWS_PER_GROUP", 64)
    trace = trace_of(300, ("q", "acc"))
    hashes = set()
    for index, size in enumerate((300, 7, 64, 1)):
        path = tmp_path / f"{index}.parquet"
        with TraceWriter(path, trace.header) as writer:
            for start in range(0, 300, size):
                part = slice(start, start + size)
                writer.write(trace.stamp[part], {name: values[part] for name, values in trace.signals.items()})
            header = writer.finish(trace.header)
        hashes.add(header.content_sha256)
        with TraceFile(path) as file:
            assert file.content_sha256() == header.content_sha256
            assert [len(stamp) for stamp, _ in file.batches(rows=128)] == [128, 128, 44]
    assert len(hashes) == 1
    trace.signals["acc"][150, 2] += 1e-12
    assert write_trace(tmp_path / "other.parquet", trace).content_sha256 not in hashes


def test_a_signal_without_a_single_sample_counts_as_absent(tmp_path: Path):
    trace = trace_of(5, ("q", "tau"))
    trace.signals["tau"][:] = np.nan
    write_trace(tmp_path / "a.parquet", trace)
    assert not read_trace(tmp_path / "a.parquet").has("tau")


def test_a_slice_keeps_its_samples(tmp_path: Path):
    trace = trace_of(100, ("q",))  # 2 ms apart
    part = trace.slice(0.01, 0.02)
    assert np.array_equal(part.stamp, trace.stamp[5:10])


def test_stamps_that_do_not_rise_are_refused_and_leave_no_file(tmp_path: Path):
    trace = trace_of(10, ("q",))
    trace.stamp[6] = trace.stamp[5]
    with pytest.raises(TraceError, match="row 7 does not"):
        write_trace(tmp_path / "a.parquet", trace)
    with pytest.raises(TraceError, match=r"signal 'q': expected shape \(10, 12\), got nothing"):
        write_trace(tmp_path / "a.parquet", Trace(header_of(("q",)), trace_of(10, ("q",)).stamp, {}))
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_a_trace_is_refused(tmp_path: Path):
    path = tmp_path / "a.parquet"
    with pytest.raises(TraceError, match="no such file"):
        read_trace(path)
    path.write_bytes(b"PAR1 but no more")
    with pytest.raises(TraceError, match="corrupt, or not a trace"):
        read_trace(path)
    pq.write_table(pa.table({"q": [1.0]}), path)
    with pytest.raises(TraceError, match=r"Parquet without metadata 'surefoot\.trace'"):
        read_trace(path)
    write_trace(path, trace_of(200, ("q",)))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(TraceError, match="corrupt, or not a trace"):
        read_trace(path)


def test_unknown_signals_are_refused(tmp_path: Path):
    write_trace(tmp_path / "a.parquet", trace_of(3, ("q",)))
    with pytest.raises(TraceError, match=r"has no signal 'q_dse'. Did you mean 'q_des'\?"):
        read_trace(tmp_path / "a.parquet", ["q_dse"])
    with pytest.raises(TraceError, match=r"has no signal 'tau'\. Known: q\."):
        read_trace(tmp_path / "a.parquet", ["tau"])
