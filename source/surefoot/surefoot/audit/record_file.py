"""The Parquet file of a run's accounts: one row per iteration, one column per metric.

A metric without axes is a float64 column, one with axes a column of fixed-size float32 lists: its table flattened with
the last axis fastest. NaN where an iteration has no value. The header is in the file's metadata, key `surefoot`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from surefoot.audit.record_header import RecordHeader
from surefoot.errors import RecordError
from surefoot.files import replacing

FILE_NAME = "accounts.parquet"
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


def read_record(path: Path) -> RecordTable:
    """Read a record, from the file or from the run folder that holds it.

    Raises:
        RecordError: Absent, corrupt, or not a record.
    """
    path = path / FILE_NAME if path.is_dir() else path
    with _Opened(path) as (file, header):
        table = _reading(path, file.read)
        columns = {
            name: _to_numpy(table.column(name), header.shape(name))
            for name in table.column_names
            if name in header.metrics
        }
        return RecordTable(header, table.column("iteration").to_numpy(), columns)


def rewrite(path: Path, header: RecordHeader, rows: Sequence[Row], keep_until: int) -> None:
    """Replace a record by its rows up to iteration `keep_until`, followed by `rows`.

    The old file is streamed into the new one: memory does not grow with the run. `path` changes at the end, at once.

    Raises:
        RecordError: The old file is corrupt, or its rows mean something else.
        RunFolderError: Cannot be written.
    """
    if not path.is_file():
        _write(path, header, iter([_to_table(rows, _schema(header))]))
        return
    with _Opened(path) as (file, old):
        if not header.continues(old):
            raise RecordError(f"{path}: holds other terms, buckets or versions of metrics than this run.")
        header = header.after(old)
        schema = _schema(header)

        def tables() -> Iterator[pa.Table]:
            for index in range(file.num_row_groups):
                table = _reading(path, lambda index=index: file.read_row_group(index))
                yield _conform(table.filter(table["iteration"].to_numpy() <= keep_until), schema)
            yield _to_table(rows, schema)

        _write(path, header, tables())


class _Opened:
    """An open record and its header."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise RecordError(f"{path}: no such file. A run writes it at its first checkpoint.")
        self._file = _reading(path, lambda: pq.ParquetFile(path))
        content = (self._file.schema_arrow.metadata or {}).get(_KEY)
        if content is None:
            raise RecordError(f"{path}: a Parquet file, but not a record of accounts: no metadata {_KEY.decode()!r}.")
        self._header = _reading(path, lambda: RecordHeader.from_json(content))

    def __enter__(self) -> tuple[pq.ParquetFile, RecordHeader]:
        return self._file, self._header

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _reading(path: Path, action: Any) -> Any:
    try:
        return action()
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise RecordError(f"{path}: corrupt, or not a record of accounts ({first[:160]}).") from None


def _write(path: Path, header: RecordHeader, tables: Iterator[pa.Table]) -> None:
    schema = _schema(header)
    with (
        replacing(path) as file,
        pq.ParquetWriter(file, schema, compression="zstd", use_dictionary=False) as out,
    ):
        held = schema.empty_table()
        for table in tables:
            held = pa.concat_tables([held, table])
            while held.num_rows >= ROWS_PER_GROUP:
                out.write_table(held.slice(0, ROWS_PER_GROUP))
                held = held.slice(ROWS_PER_GROUP)
        if held.num_rows:
            out.write_table(held)


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
