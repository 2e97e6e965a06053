"""Small files that unpack to much are refused before the memory or the disk is full."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from backports import zstd
from lz4.frame import LZ4FrameDecompressor
from lz4.frame import compress as lz4_compress
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from bag_cases import STORE, low_states, write_mcap
from log_cases import ORDERS, imported, joint_values, profile, stamps, write_table
from surefoot.errors import TraceError
from surefoot.traces import importer
from surefoot.traces.importer import import_trace
from surefoot.traces.sources import bags
from surefoot.traces.sources import decompression as limits

NUM = 50


def packed_bag(path: Path, mode: CompressionMode) -> Path:
    """A bag whose messages, or whose file, are compressed."""
    writer = Writer(path, version=9, storage_plugin=StoragePlugin.SQLITE3)
    writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        connections = {}
        for stamp, topic, kind, content in low_states(NUM):
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, kind, typestore=STORE)
            writer.write(connections[topic], stamp, STORE.serialize_cdr(content, kind))
    return path


def test_a_block_is_unpacked_up_to_its_limit_and_not_beyond():
    data = bytes(1000)
    for packed, decoder in (
        (zstd.compress(data), zstd.ZstdDecompressor),
        (lz4_compress(data), LZ4FrameDecompressor),
        (zstd.compress(data[:400]) + zstd.compress(data[400:]), zstd.ZstdDecompressor),
    ):
        assert limits.decompressed(packed, 1000, decoder) == data
        with pytest.raises(ValueError, match=r"more than 0\.000999 MB come out of \d+ compressed bytes; refused"):
            limits.decompressed(packed, 999, decoder)
        with pytest.raises(ValueError, match="end too early"):
            limits.decompressed(packed[:-5], 1000, decoder)


def test_a_bomb_takes_no_more_memory_than_its_limit():
    """1 GB of zeros in some 30 kB."""
    packer = zstd.ZstdCompressor()
    block = bytes(64 * 1024**2)
    bomb = b"".join(packer.compress(block) for _ in range(16)) + packer.flush()
    assert len(bomb) < 100_000
    with pytest.raises(ValueError, match=r"more than 1 MB come out"):
        limits.decompressed(bomb, 1_000_000)


def test_chunks_of_an_mcap_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = write_mcap(tmp_path / "log.mcap", low_states(NUM))
    imported(path, "go2_bag")
    monkeypatch.setattr(limits, "MAX_BLOCK", 10_000)
    with pytest.raises(TraceError, match=r"truncated or corrupt after 0 messages \(more than 0\.01 MB come out"):
        imported(path, "go2_bag")


def test_compressed_messages_are_read_and_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = packed_bag(tmp_path / "bag", CompressionMode.MESSAGE)
    assert np.array_equal(imported(path, "go2_bag").get("q"), joint_values(NUM)["q"])
    monkeypatch.setattr(bags, "MAX_BLOCK", 1_000)
    with pytest.raises(TraceError, match=r"/low\w+, message 1: cannot be unpacked \(more than 0\.001 MB"):
        imported(path, "go2_bag")


def test_compressed_files_are_read_and_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = packed_bag(tmp_path / "bag", CompressionMode.FILE)
    assert np.array_equal(imported(path, "go2_bag").get("q"), joint_values(NUM)["q"])
    monkeypatch.setattr(bags, "check_file", lambda file: limits.check_file(file, most=10_000))
    with pytest.raises(TraceError, match=r"\.zstd: more than 1e-05 GB unpacked; unpack it yourself"):
        imported(path, "go2_bag")


def test_an_array_that_announces_more_than_the_file_holds(tmp_path: Path):
    """Without the check numpy asks for 96 TB."""
    head = io.BytesIO()
    header = {"descr": "<f8", "fortran_order": False, "shape": (10**12, 12)}
    np.lib.format.write_array_header_1_0(head, header)
    with zipfile.ZipFile(tmp_path / "log.npz", "w") as archive:
        for name in ("stamp_ns", "q", "dq", "tau", "q_des"):
            archive.writestr(f"{name}.npy", head.getvalue() + bytes(100))
    with pytest.raises(
        TraceError, match=r"array 'stamp_ns' announces shape \(1000000000000, 12\), 96,000,000,000,000 b"
    ):
        import_trace(tmp_path / "log.npz", tmp_path / "out.parquet", profile("go2_arrays"), ORDERS)
    assert not (tmp_path / "out.parquet").exists()


def test_the_number_of_samples_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = write_table(tmp_path / "log.csv", stamps(101), joint_values(101))
    monkeypatch.setattr(importer, "MAX_SAMPLES", 100)
    with pytest.raises(TraceError, match=r"log\.csv: more than 100 samples; cut the log into parts"):
        imported(path, "go2_columns")
    assert [file.name for file in tmp_path.iterdir()] == ["log.csv"]
