"""The canonical file of a trace: Parquet, one int64 column of stamps, one float64 column for each component.

Columns are `stamp` (ns) and `signal/component`, for example `q/FR_hip_joint`. NaN is a missing sample. The header is in
the file's metadata, key `surefoot.trace`. Written and read in row groups, so that a file may be larger than memory.
"""

# pyright: basic
# pyarrow comes without types.

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from surefoot.array_files import ParquetReader
from surefoot.errors import TraceError, did_you_mean
from surefoot.files import replacing
from surefoot.reading import MAX_ARRAYS
from surefoot.traces.header import SignalInfo, TraceHeader
from surefoot.traces.signals import SIGNALS
from surefoot.traces.trace import FloatArray, Trace

ROWS_PER_GROUP = 65_536
STAMP = "stamp"
_KEY = b"surefoot.trace"
_MAX_IN_MEMORY = MAX_ARRAYS

Batch = tuple[NDArray[np.int64], Mapping[str, FloatArray]]
"""Stamps, ns, and signals by name, shape (num_samples, num_components)."""


class TraceWriter:
    """Writes a trace batch by batch; the file appears whole at the end of the `with` block, or not at all.

    Args:
        path: Of the file.
        header: Names, sources and findings; samples, rate, valid shares and hash are filled in at the end.
    """

    def __init__(self, path: Path, header: TraceHeader) -> None:
        self.path, self.header = path, header
        self._columns = [column for name in header.signals for column in header.columns(name)]
        self._hashes = {name: hashlib.sha256() for name in (STAMP, *self._columns)}
        self._valid = dict.fromkeys(header.signals, 0)
        self._steps = _MedianStep()
        self._rows = 0
        self._held: list[pa.RecordBatch] = []
        self._stack = ExitStack()

    def __enter__(self) -> "TraceWriter":
        file = self._stack.enter_context(replacing(self.path))
        fields = [pa.field(STAMP, pa.int64(), nullable=False)]
        fields += [pa.field(column, pa.float64(), nullable=False) for column in self._columns]
        self._schema = pa.schema(fields)
        options: dict[str, Any] = {
            "compression": "zstd",
            "use_dictionary": False,
            "write_statistics": [STAMP],
            "store_schema": False,
            # Of single precision the low bytes are zero; split into byte streams, those cost next to nothing.
            "column_encoding": dict.fromkeys(self._columns, "BYTE_STREAM_SPLIT") | {STAMP: "DELTA_BINARY_PACKED"},
        }
        self._file = self._stack.enter_context(pq.ParquetWriter(file, self._schema, **options))
        return self

    def write(self, stamp: NDArray[np.int64], signals: Mapping[str, FloatArray]) -> None:
        """Add samples; stamps go on rising.

        Raises:
            TraceError: Stamps that do not rise, or another shape than the header says.
        """
        if len(stamp) == 0:
            return
        self._steps.add(stamp, self.path, self._rows)
        arrays: list[NDArray[Any]] = [np.ascontiguousarray(stamp, np.int64)]
        for name in self.header.signals:
            size = len(self.header.columns(name))
            values = signals.get(name)
            if values is None or values.shape != (len(stamp), size):
                got = "nothing" if values is None else f"shape {values.shape}"
                raise TraceError(f"{self.path}: signal {name!r}: expected shape ({len(stamp)}, {size}), got {got}.")
            columns = np.ascontiguousarray(values.T, np.float64)
            self._valid[name] += int(np.isfinite(columns).all(axis=0).sum())
            arrays += list(columns)
        for column, values in zip((STAMP, *self._columns), arrays, strict=True):
            # Little-endian on every machine, and column by column: the hash depends neither on batches nor on Parquet.
            self._hashes[column].update(values.astype(values.dtype.newbyteorder("<"), copy=False).data)
        self._held.append(pa.RecordBatch.from_arrays([pa.array(values) for values in arrays], schema=self._schema))
        self._rows += len(stamp)
        if sum(batch.num_rows for batch in self._held) >= ROWS_PER_GROUP:
            self._flush(keep=True)

    def finish(self, header: TraceHeader) -> TraceHeader:
        """Complete the header and the file; `header` may say more than at the start, about the same signals."""
        if tuple(header.signals) != tuple(self.header.signals):
            raise ValueError("the signals of a trace cannot change after it was begun")
        self._flush(keep=False)
        share = {
            name: SignalInfo(
                origin=info.origin, source=info.source, valid=self._valid[name] / self._rows if self._rows else 0.0
            )
            for name, info in header.signals.items()
        }
        done = header.model_copy(
            update={
                "signals": share, "num_samples": self._rows, "rate_hz": self._steps.rate,
                "content_sha256": _joined_hash({name: value.hexdigest() for name, value in self._hashes.items()}),
            }
        )  # fmt: skip
        self._file.add_key_value_metadata({_KEY.decode(): done.to_json().decode()})
        return done

    def _flush(self, keep: bool) -> None:
        if not self._held:
            return
        table = pa.Table.from_batches(self._held)
        # Full row groups only, until the end: readers take them as units.
        whole = table.num_rows // ROWS_PER_GROUP * ROWS_PER_GROUP if keep else table.num_rows
        self._file.write_table(table.slice(0, whole), row_group_size=ROWS_PER_GROUP)
        self._held = table.slice(whole).to_batches()

    def __exit__(self, *error: Any) -> bool | None:
        return self._stack.__exit__(*error)


class TraceFile:
    """An open trace, memory-mapped: reads what is asked for, row group by row group.

    Raises:
        TraceError: Absent, corrupt, or not a trace.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            raise TraceError(f"{path}: no such file. surefoot trace import makes a trace from a log.")
        self._parquet = self._reading(lambda: ParquetReader(path))
        self._file = self._parquet.file
        content = (self._file.metadata.metadata or {}).get(_KEY)
        if content is None:
            raise TraceError(f"{path}: not a trace: Parquet without metadata {_KEY.decode()!r}. Import it first.")
        self.header: TraceHeader = self._reading(lambda: TraceHeader.from_json(content))
        wanted = {STAMP, *(column for name in self.header.signals for column in self.header.columns(name))}
        schema = self._file.schema_arrow
        if missing := wanted - set(schema.names):
            raise TraceError(f"{path}: corrupt: lacks columns {sorted(missing)[:5]} that its header names.")
        types = {STAMP: pa.int64()} | dict.fromkeys(wanted - {STAMP}, pa.float64())
        if odd := next((name for name in sorted(wanted) if schema.field(name).type != types[name]), None):
            raise TraceError(f"{path}: corrupt: column {odd!r} holds {str(schema.field(odd).type)[:60]}.")

    def __enter__(self) -> "TraceFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def batches(self, signals: Sequence[str] | None = None, rows: int = ROWS_PER_GROUP) -> Iterator[Batch]:
        """Stamps and signals, at most `rows` samples at once.

        Raises:
            UnknownName, TraceError: No such signal, or the file is damaged.
        """
        names = self._chosen(signals)
        columns = [STAMP, *(column for name in names for column in self.header.columns(name))]
        parts = self._parquet.batches(rows, columns)
        while (batch := self._reading(lambda: next(parts, None))) is not None:
            yield (
                batch.column(STAMP).to_numpy(),
                {name: _stacked(batch, self.header.columns(name)) for name in names},
            )

    def read(self, signals: Sequence[str] | None = None) -> Trace:
        """Everything, or some signals, in memory.

        Raises:
            TraceError: Damaged, or larger than memory should hold.
        """
        names = self._chosen(signals)
        # What the table has, not what its header says.
        size = 8 * self._file.metadata.num_rows * sum(len(self.header.columns(name)) for name in names)
        if size > _MAX_IN_MEMORY:
            raise TraceError(f"{self.path}: {size / 1e9:.0f} GB in memory; choose signals, or read it in batches.")
        parts = list(self.batches(names))
        stamp = np.concatenate([part[0] for part in parts]) if parts else np.zeros(0, np.int64)
        empty = {name: np.zeros((0, len(self.header.columns(name)))) for name in names}
        values = {name: np.concatenate([part[1][name] for part in parts]) if parts else empty[name] for name in names}
        if len(stamp) != self.header.num_samples:
            raise TraceError(f"{self.path}: corrupt: {len(stamp)} samples, its header says {self.header.num_samples}.")
        return Trace(self.header, stamp, values, self.path)

    def content_sha256(self) -> str:
        """SHA-256 over the lines `column sha256`, sorted; each column's hash is over its little-endian bytes."""
        hashes: dict[str, Any] = {}
        for stamp, signals in self.batches():
            columns = {STAMP: stamp}
            for name, values in signals.items():
                columns |= dict(zip(self.header.columns(name), np.ascontiguousarray(values.T), strict=True))
            for column, values in columns.items():
                hashes.setdefault(column, hashlib.sha256()).update(np.ascontiguousarray(values).data)
        return _joined_hash({column: value.hexdigest() for column, value in hashes.items()})

    def _chosen(self, signals: Sequence[str] | None) -> list[str]:
        # A signal without a valid sample is read only where it is asked for.
        there = [name for name, info in self.header.signals.items() if info.valid > 0 or signals is not None]
        for name in signals or ():
            if name not in self.header.signals:
                hint = did_you_mean(name, self.header.signals if name in SIGNALS else SIGNALS)
                raise TraceError(f"{self.path}: has no signal {name!r}. {hint}")
        return list(signals) if signals is not None else there

    def _reading(self, action: Any) -> Any:
        try:
            return action()
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            first = (str(error).splitlines() or [type(error).__name__])[0]
            raise TraceError(
                f"{self.path}: corrupt, or not a trace ({first[:160]}). surefoot trace import makes one from a log."
            ) from None


def read_trace(path: Path, signals: Sequence[str] | None = None) -> Trace:
    """A trace in memory; by default all signals that have any valid sample.

    Raises:
        TraceError: Absent, corrupt, not a trace, or without one of `signals`.
    """
    with TraceFile(path) as file:
        return file.read(signals)


def write_trace(path: Path, trace: Trace) -> TraceHeader:
    """Write a trace that is in memory; returns the completed header."""
    with TraceWriter(path, trace.header) as writer:
        writer.write(trace.stamp, trace.signals)
        return writer.finish(trace.header)


class _MedianStep:
    """Median of the steps of a file of any length: the mean of those within the middle 10 us bin."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._bins: dict[int, tuple[int, float]] = {}

    def add(self, stamp: NDArray[np.int64], path: Path, row: int) -> None:
        joined = stamp if self._last is None else np.concatenate([[self._last], stamp])
        steps = np.diff(joined)
        if len(steps) and steps.min() <= 0:
            # Row of the sample at the end of the first bad step.
            at = int(np.argmin(steps > 0)) + row + (1 if self._last is None else 0)
            raise TraceError(f"{path}: stamps of a trace rise strictly; row {at + 1} does not.")
        self._last = int(stamp[-1])
        bins, inverse, counts = np.unique(steps // 10_000, return_inverse=True, return_counts=True)
        sums = np.bincount(inverse, steps.astype(np.float64), minlength=len(bins))
        for key, count, total in zip(bins.tolist(), counts.tolist(), sums.tolist(), strict=True):
            before = self._bins.get(key, (0, 0.0))
            self._bins[key] = (before[0] + count, before[1] + total)

    @property
    def rate(self) -> float:
        total, seen = sum(count for count, _ in self._bins.values()), 0
        for key in sorted(self._bins):
            count, summed = self._bins[key]
            seen += count
            if 2 * seen >= total:
                return 1e9 * count / summed
        return 0.0


def _stacked(batch: pa.RecordBatch, columns: Sequence[str]) -> FloatArray:
    out = np.empty((batch.num_rows, len(columns)))
    for index, column in enumerate(columns):
        out[:, index] = batch.column(column).to_numpy(zero_copy_only=False)
    return out


def _joined_hash(by_column: Mapping[str, str]) -> str:
    lines = "".join(f"{column} {by_column[column]}\n" for column in sorted(by_column))
    return hashlib.sha256(lines.encode()).hexdigest()
