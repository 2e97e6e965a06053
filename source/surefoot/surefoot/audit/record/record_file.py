"""The Parquet file of a run's accounts: one row per iteration, one column per metric.

A metric without axes is a float64 column, one with axes a column of fixed-size float32 lists: its table flattened with
the last axis fastest. NaN where an iteration has no value. The header is in the file's metadata, key `surefoot`.
"""

# pyright: basic
# pyarrow comes without types.

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from surefoot.array_files import ParquetReader
from surefoot.audit.record.record_header import RecordHeader
from surefoot.errors import RecordError
from surefoot.files import replacing

FILE_NAME = "accounts.parquet"
OPEN_FILE_NAME = "accounts.open.parquet"
"""Latest rows of a run that goes on, or was killed; the same format."""
ROWS_PER_GROUP = 256
"""Rows that a reader gets at once, and that the writer holds."""
_KEY = b"surefoot"

Row = tuple[int, Mapping[str, NDArray[np.floating[Any]]]]
"""Iteration, and its values by metric name."""


@dataclass(frozen=True)
class RecordTable:
    """A record as arrays."""

    header: RecordHeader
    iteration: NDArray[np.int64]
    """PPO iterations done at the end of each row, rising. Shape (num_rows,)."""
    values: dict[str, NDArray[np.floating[Any]]]
    """By metric name, NaN where an iteration has no value. Shape (num_rows, *sizes of the metric's axes)."""

    def names(self, axis: str) -> tuple[str, ...]:
        """Names along an axis."""
        return self.header.axes[axis]


def read_record(path: Path, names: Collection[str] | None = None) -> RecordTable:
    """Read a record, from a file or from the run folder; in a folder, later rows may still be in `OPEN_FILE_NAME`.

    Args:
        path: Parquet file or run folder.
        names: Metrics to read, those that are there; default: all.

    Raises:
        RecordError: Absent, corrupt, or not a record.
    """
    if not path.is_dir():
        return _read_file(path, names)
    whole, rest = path / FILE_NAME, path / OPEN_FILE_NAME
    if not rest.is_file():
        return _read_file(whole, names)
    later = _read_file(rest, names)
    return _joined(_read_file(whole, names), later) if whole.is_file() else later


def rewrite(path: Path, header: RecordHeader, rows: Sequence[Row], keep_until: int) -> int:
    """Replace a file by its rows up to iteration `keep_until`, followed by `rows`; returns how many it then has.

    The old file is streamed into the new one: memory does not grow with the run. `path` changes at the end, at once.

    Raises:
        RecordError: The old file is corrupt, or its rows mean something else.
        RunFolderError: Cannot be written.
    """
    return _extend(path, header, keep_until, lambda schema: iter([_to_table(rows, schema)]))


def absorb(path: Path, rest: Path) -> None:
    """Move the rows of `rest` to the end of `path`. Repeating it after an interruption does no harm.

    Raises:
        RecordError: One of them is corrupt, or their rows mean different things.
        RunFolderError: Cannot be written.
    """
    if not rest.is_file():
        return
    with _Opened(rest) as (file, header):
        groups = [_reading(rest, lambda i=i: file.read_row_group(i)) for i in range(file.num_row_groups)]
        if groups:
            # An attempt that was interrupted may have moved these rows already; they are dropped and written again.
            before = groups[0]["iteration"][0].as_py() - 1
            _extend(path, header, before, lambda schema: (_conform(group, schema) for group in groups))
    rest.unlink()


def _read_file(path: Path, names: Collection[str] | None) -> RecordTable:
    with _Opened(path) as (file, header):
        if names is not None:
            header = replace(header, metrics={name: header.metrics[name] for name in names if name in header.metrics})
        table = _reading(path, lambda: file.read(["iteration", *header.metrics]))
        columns = {
            name: _to_numpy(table.column(name), header.shape(name))
            for name in table.column_names
            if name in header.metrics
        }
        return RecordTable(header, table.column("iteration").to_numpy(), columns)


def _joined(whole: RecordTable, rest: RecordTable) -> RecordTable:
    """Both, without rows of `rest` that `whole` has already."""
    new = rest.iteration > whole.iteration[-1] if len(whole.iteration) else np.ones(len(rest.iteration), dtype=bool)
    header = rest.header.after(whole.header)

    def column(name: str) -> NDArray[np.floating[Any]]:
        parts = [
            table.values.get(name, np.full((len(table.iteration), *header.shape(name)), np.nan))
            for table in (whole, rest)
        ]
        return np.concatenate([parts[0], parts[1][new]])

    iteration = np.concatenate([whole.iteration, rest.iteration[new]])
    return RecordTable(header, iteration, {name: column(name) for name in header.metrics})


def _extend(path: Path, header: RecordHeader, keep_until: int, more: Callable[[pa.Schema], Iterator[pa.Table]]) -> int:
    if not path.is_file():
        return _write(path, _schema(header), more(_schema(header)))
    with _Opened(path) as (file, old):
        if not header.continues(old):
            raise RecordError(f"{path}: holds other terms, buckets or versions of metrics than this run.", path)
        schema = _schema(header.after(old))

        def kept() -> Iterator[pa.Table]:
            for index in range(file.num_row_groups):
                table = _reading(path, lambda index=index: file.read_row_group(index))
                count = np.searchsorted(table["iteration"].to_numpy(), keep_until, side="right")
                yield _conform(table.slice(0, int(count)), schema)

        return _write(path, schema, chain(kept(), more(schema)))


class _Opened:
    """An open record and its header."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise RecordError(f"{path}: no such file. A run writes it at its first checkpoint.")
        parquet = _reading(path, lambda: ParquetReader(path))
        self._file = parquet.file
        content = (self._file.schema_arrow.metadata or {}).get(_KEY)
        if content is None:
            raise RecordError(f"{path}: not a record of accounts: a Parquet file without metadata 'surefoot'.", path)
        self._header = _reading(path, lambda: RecordHeader.from_json(content))
        _reading(path, lambda: _check_columns(self._file.schema_arrow, self._header))
        # Everything is read at once: a record has a row for each iteration.
        _reading(path, lambda: parquet.check(whole=True))

    def __enter__(self) -> tuple[pq.ParquetFile, RecordHeader]:
        return self._file, self._header

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _check_columns(schema: pa.Schema, header: RecordHeader) -> None:
    """Refuse columns that are not those of the header: rows of other lengths would be read as other numbers."""
    wanted = _schema(header)
    for field in wanted:
        index = schema.get_field_index(field.name)
        if index < 0 or not schema.field(index).type.equals(field.type):
            got = "nothing" if index < 0 else str(schema.field(index).type)[:60]
            raise ValueError(f"column {field.name!r:.60}: expected {field.type}, got {got}")


def _reading(path: Path, action: Any) -> Any:
    try:
        return action()
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise RecordError(f"{path}: corrupt, or not a record of accounts ({first[:160]}).", path) from None


def _write(path: Path, schema: pa.Schema, tables: Iterator[pa.Table]) -> int:
    rows = 0
    with (
        replacing(path) as file,
        pq.ParquetWriter(file, schema, compression="zstd", use_dictionary=False, write_statistics=False) as out,
    ):
        held = schema.empty_table()
        for table in tables:
            rows += table.num_rows
            held = pa.concat_tables([held, table])
            while held.num_rows >= ROWS_PER_GROUP:
                out.write_table(held.slice(0, ROWS_PER_GROUP))
                held = held.slice(ROWS_PER_GROUP)
        if held.num_rows:
            out.write_table(held)
    return rows


def _schema(header: RecordHeader) -> pa.Schema:
    fields = [pa.field("iteration", pa.int64())]
    for name, metric in header.metrics.items():
        size = int(np.prod(header.shape(name)))
        fields.append(pa.field(name, pa.list_(pa.float32(), size) if metric.axes else pa.float64()))
    return pa.schema(fields, metadata={_KEY: header.to_json()})


def _to_table(rows: Sequence[Row], schema: pa.Schema) -> pa.Table:
    columns: list[pa.Array] = [pa.array([iteration for iteration, _ in rows], pa.int64())]
    for field in list(schema)[1:]:
        missing = np.full(_size(field.type), np.nan)
        values = [np.ravel(row.get(field.name, missing)) for _, row in rows]
        columns.append(_to_arrow(np.concatenate(values) if values else missing[:0], field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def _conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """An old table with the new columns, empty."""
    missing = [field for field in schema if field.name not in table.column_names]
    for field in missing:
        nothing = np.full(table.num_rows * _size(field.type), np.nan)
        table = table.append_column(field, _to_arrow(nothing, field.type))
    return table.select(schema.names).replace_schema_metadata(schema.metadata)


def _size(kind: pa.DataType) -> int:
    return kind.list_size if pa.types.is_fixed_size_list(kind) else 1


def _to_arrow(flat: NDArray[Any], kind: pa.DataType) -> pa.Array:
    if not pa.types.is_fixed_size_list(kind):
        return pa.array(flat.astype(np.float64))
    return pa.FixedSizeListArray.from_arrays(pa.array(flat.astype(np.float32)), kind.list_size)


def _to_numpy(column: pa.ChunkedArray, shape: tuple[int, ...]) -> NDArray[np.floating[Any]]:
    array = column.combine_chunks()
    if shape:
        return array.flatten().to_numpy(zero_copy_only=False).reshape(len(array), *shape)
    return array.to_numpy(zero_copy_only=False)
