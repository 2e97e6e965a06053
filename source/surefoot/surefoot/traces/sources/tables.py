"""CSV, Parquet and NPZ as streams of batches. Nothing here unpickles."""

# pyright: basic
# pyarrow comes without types.

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
from numpy.typing import NDArray

from surefoot.array_files import ParquetReader, npz_arrays, npz_names
from surefoot.errors import TraceError, did_you_mean
from surefoot.reading import Refused, open_regular
from surefoot.traces.profile import Stamp
from surefoot.traces.sources.batches import BATCH_ROWS, RawBatch, Request, to_ns

_BLOCK_BYTES = 8 * 1024**2
_MISSING = ["", "nan", "NaN", "NAN", "null", "NULL", "None", "NA", "N/A", "-nan", "-nan(ind)"]


def read_csv(path: Path, stamp: Stamp, requests: Sequence[Request], columns: Sequence[str]) -> Iterator[RawBatch]:
    """Stream a CSV file.

    Args:
        path: Of the file.
        stamp: Its clock.
        requests: Columns to read.
        columns: Names of all columns where the file has no header line, else empty.

    Raises:
        TraceError: Absent columns (with the nearest), cells that are no numbers, broken rows: with row and column.
    """
    known = list(columns) or _csv_header(path)
    wanted = _fields(path, stamp, requests, known)
    types: dict[str, pa.DataType] = dict.fromkeys(wanted, pa.float64())
    for field, unit in ((stamp.field, stamp.unit), (stamp.check, stamp.check_unit)):
        # Integers, because a double holds no ns since 1970.
        if field is not None and unit != "s":
            types[field] = pa.int64()
    row = 0
    try:
        # With threads Arrow does not say in which row a cell is that it cannot read.
        reader = pacsv.open_csv(
            path,
            read_options=pacsv.ReadOptions(
                block_size=_BLOCK_BYTES, use_threads=False, column_names=list(columns) or None
            ),
            convert_options=pacsv.ConvertOptions(column_types=types, include_columns=wanted, null_values=_MISSING),
        )
        for batch in reader:
            yield _raw(path, batch, stamp, requests, row)
            row += batch.num_rows
    except (pa.ArrowInvalid, pa.ArrowKeyError, UnicodeDecodeError) as error:
        raise TraceError(_csv_problem(path, str(error), known, row, header=not columns)) from None


def read_parquet(path: Path, stamp: Stamp, requests: Sequence[Request]) -> Iterator[RawBatch]:
    """Stream a Parquet file: columns of numbers, or of lists of one length.

    Raises:
        TraceError: Corrupt, or columns are absent.
    """
    try:
        file = ParquetReader(path)
        with file.file:
            wanted = _fields(path, stamp, requests, file.file.schema_arrow.names)
            row = 0
            for batch in file.batches(BATCH_ROWS, wanted):
                yield _raw(path, batch, stamp, requests, row)
                row += batch.num_rows
    except (pa.ArrowException, OSError, Refused) as error:
        raise TraceError(f"{path}: corrupt, or not Parquet ({str(error).splitlines()[0][:160]}).") from None


def read_npz(path: Path, stamp: Stamp, requests: Sequence[Request]) -> Iterator[RawBatch]:
    """Read an NPZ file, whole: its compressed arrays cannot be streamed.

    Raises:
        TraceError: Holds pickled objects, is too large, corrupt, or arrays are absent or of different lengths.
    """
    try:
        with open_regular(path) as file:
            wanted = _fields(path, stamp, requests, npz_names(file))
            loaded = npz_arrays(file, set(wanted))
    except Refused as error:
        raise TraceError(f"{path}: {error}.") from None
    except OSError as error:
        raise TraceError(f"{path}: corrupt, or not an NPZ file ({error}).") from None
    except MemoryError:
        raise TraceError(f"{path}: does not fit into memory; save it as Parquet.") from None
    lengths = {name: len(values) if values.ndim else 0 for name, values in loaded.items()}
    if len(set(lengths.values())) > 1:
        raise TraceError(f"{path}: arrays of different lengths: {lengths}.")
    for name, values in loaded.items():
        real = np.issubdtype(values.dtype, np.number) and values.dtype.kind != "c"
        if not real and values.dtype != np.bool_:
            raise TraceError(f"{path}: array {name!r} holds {values.dtype}, expected numbers.")
    for row in range(0, next(iter(lengths.values()), 0), BATCH_ROWS):
        part = {name: values[row : row + BATCH_ROWS] for name, values in loaded.items()}
        yield _batch(path, part, stamp, requests, row)


def _csv_header(path: Path) -> list[str]:
    try:
        # Spreadsheets put a byte order mark before the first name.
        with path.open(encoding="utf-8-sig") as file:
            # A limit: a file of another kind may be one line of any length.
            line = file.readline(1_000_000)
    except (OSError, UnicodeDecodeError) as error:
        raise TraceError(f"{path}: cannot be read as CSV ({error}).") from None
    if not line.strip():
        raise TraceError(f"{path}: empty.")
    return [name.strip().strip('"') for name in line.rstrip("\r\n").split(",")]


def _fields(path: Path, stamp: Stamp, requests: Sequence[Request], known: Sequence[str]) -> list[str]:
    wanted = [stamp.field, *([stamp.check] if stamp.check else []), *(request.field for request in requests)]
    missing = [field for field in wanted if field not in known]
    if missing:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise TraceError(f"{path}: column {missing[0]!r} not found{more}. {did_you_mean(missing[0], known)}")
    twice = next((field for field in wanted if list(known).count(field) > 1), None)
    if twice is not None:
        raise TraceError(f"{path}: {list(known).count(twice)} columns are named {twice!r}; which one is meant?")
    return list(dict.fromkeys(wanted))


def _raw(path: Path, batch: pa.RecordBatch, stamp: Stamp, requests: Sequence[Request], row: int) -> RawBatch:
    for name in batch.schema.names:
        column = batch.column(name)
        if column.null_count and _is_list(column.type):  # Arrow leaves it out of the numbers, and all after it move up
            at = row + int(np.argmax(column.is_null().to_numpy(zero_copy_only=False))) + 1
            raise TraceError(f"{path}, column {name}, row {at}: no list at all; write one of NaN for a missing sample.")
    part = {name: _numbers(path, name, batch.column(name)) for name in batch.schema.names}
    return _batch(path, part, stamp, requests, row)


def _batch(path: Path, part: dict[str, NDArray[Any]], stamp: Stamp, requests: Sequence[Request], row: int) -> RawBatch:

    def clock(field: str, unit: str) -> NDArray[np.int64]:
        values = part[field]
        if values.ndim != 1:
            raise TraceError(f"{path}: {field!r} has shape {values.shape}, expected one stamp for each sample.")
        bad = ~np.isfinite(values) if values.dtype.kind == "f" else np.zeros(len(values), bool)
        if bad.any():
            raise TraceError(f"{path}, column {field}, row {row + int(np.argmax(bad)) + 1}: a stamp is missing.")
        return to_ns(values, unit, f"{path}, column {field}")

    check = clock(stamp.check, stamp.check_unit) if stamp.check else None
    values = {request.field: part[request.field].astype(np.float64, copy=False) for request in requests}
    return RawBatch(row, clock(stamp.field, stamp.unit), values, check)


def _numbers(path: Path, name: str, column: pa.Array) -> NDArray[Any]:
    kind = column.type
    if _is_list(kind):
        flat, count = column.flatten(), len(column)
        if count == 0 or len(flat) % count or (not pa.types.is_fixed_size_list(kind) and not _equal(column)):
            raise TraceError(f"{path}: column {name!r} holds lists of different lengths, or none.")
        return _numbers(path, name, flat).reshape(count, -1)
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        if pa.types.is_timestamp(kind):
            return column.cast(pa.timestamp("ns")).cast(pa.int64()).to_numpy(zero_copy_only=False)
        raise TraceError(f"{path}: column {name!r} holds {kind}, expected numbers.")
    return column.to_numpy(zero_copy_only=False)


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _equal(column: pa.Array) -> bool:
    lengths = np.diff(column.offsets.to_numpy())
    return bool((lengths == lengths[0]).all())


def _csv_problem(path: Path, text: str, known: Sequence[str], row: int, header: bool) -> str:
    """Arrow's message with the column's name and the row of the table; Arrow counts the header line as row 1."""
    first = text.splitlines()[0]
    column = re.search(r"[Cc]olumn #(\d+): ", first)
    at = re.search(r"[Rr]ow #(\d+): ", first)
    place = f"{path}"
    if column and int(column[1]) < len(known):
        place += f", column {known[int(column[1])]}"
    if at:
        place += f", row {int(at[1]) - (1 if header else 0)}"
    elif row:
        place += f", after row {row}"
    detail = re.sub(r"^(In )?CSV (column #\d+: )?|[Rr]ow #\d+: |CSV conversion error to", "", first)
    # Of a binary file a line may be anything.
    detail = "".join(letter if letter.isprintable() else "?" for letter in detail)
    return f"{place}: cannot be read as numbers:{' ' if not detail.startswith(' ') else ''}{detail[:160]}"
