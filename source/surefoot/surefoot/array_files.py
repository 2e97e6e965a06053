"""NPZ and Parquet from strangers: sizes, types and layouts are checked before memory is taken; nothing is unpickled."""

# pyright: basic
# pyarrow comes without types.

import io
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from surefoot.reading import MAX_ARRAYS, MAX_MEMBERS, MAX_RECORD, Refused, checked_infos, first_line, open_regular

_DTYPES = "biufmM"


def npz_arrays(file: BinaryIO, names: set[str] | None = None, most: int = MAX_ARRAYS) -> dict[str, NDArray[Any]]:
    """Arrays of numbers of an NPZ archive; nothing is unpickled.

    Args:
        file: The archive.
        names: Which to read; default: all.
        most: Bytes of those that are read, and of one that is not.

    Raises:
        Refused: Damaged, too large, holds objects, text or complex numbers, or announces more than it holds.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            infos = {info.filename.removesuffix(".npy"): info for info in checked_infos(archive, 64 * most)}
            chosen = {name: info for name, info in infos.items() if names is None or name in names}
            total = sum(info.file_size for info in chosen.values())
            if total > most:
                raise Refused(f"{total / 1e9:.1f} GB uncompressed, at most {most / 1e9:.1f}; save it as Parquet")
            return {name: _npy(name, archive.read(info)) for name, info in chosen.items()}
    except Refused:
        raise
    except Exception as error:
        raise Refused(f"corrupt, or not an NPZ file: {first_line(error)}") from None


def npz_names(file: BinaryIO) -> list[str]:
    """Names of an NPZ archive's arrays.

    Raises:
        Refused: Not such an archive.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            infos = checked_infos(archive, 64 * MAX_ARRAYS)
            return [info.filename.removesuffix(".npy") for info in infos]
    except Refused:
        raise
    except Exception as error:
        raise Refused(f"corrupt, or not an NPZ file: {first_line(error)}") from None


def _npy(name: str, content: bytes) -> NDArray[Any]:
    member = io.BytesIO(content)
    version = np.lib.format.read_magic(member)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise Refused(f"array {name!r:.60} is of NPY version {version}")
    shape, fortran, dtype = readers[version](member)
    if dtype.hasobject:
        raise Refused(f"array {name!r:.60} holds pickled objects, which can run code when they are loaded")
    if dtype.kind not in _DTYPES or dtype.names is not None or dtype.shape or dtype.itemsize > 8:
        raise Refused(f"array {name!r:.60} holds {str(dtype)[:60]}, expected numbers of at most 64 bits")
    count, left = math.prod(shape), len(content) - member.tell()
    if min(shape, default=0) < 0 or count * dtype.itemsize != left:
        raise Refused(
            f"damaged: array {name!r:.60} announces shape {str(shape)[:60]}, {count * dtype.itemsize:,} bytes; the "
            f"file holds {left:,} of it"
        )
    array = np.frombuffer(content, dtype, count, member.tell())
    return array.reshape(shape, order="F" if fortran else "C")


class ParquetReader:
    """An open Parquet file whose pages carry checksums where its writer wrote them.

    Args:
        path: The file.

    Raises:
        Refused: No regular file, no Parquet, or a schema beyond the budget.
        OSError: Absent or not readable.
    """

    def __init__(self, path: Path) -> None:
        open_regular(path).close()
        try:
            self.file = pq.ParquetFile(
                path,
                memory_map=True,
                page_checksum_verification=True,
                thrift_string_size_limit=MAX_RECORD,
                thrift_container_size_limit=1_000_000,
            )
        except (pa.ArrowException, OSError, ValueError) as error:
            raise Refused(first_line(error)) from None
        about = self.file.metadata
        if about.num_columns > MAX_MEMBERS:
            self.file.close()
            raise Refused(f"it has {about.num_columns:,} columns, at most {MAX_MEMBERS:,} are read")

    def check(self, columns: set[str] | None = None, whole: bool = False, most: int = MAX_ARRAYS) -> None:
        """Refuse columns that announce more than the budget, or other types than numbers and lists of numbers.

        Args:
            columns: At the top of the schema; default: all.
            whole: Whether everything is read at once, instead of one row group.
            most: Bytes.

        Raises:
            Refused: As said.
        """
        about, schema = self.file.metadata, self.file.schema_arrow
        for field in schema:
            if columns is None or field.name in columns:
                _check_type(field.name, field.type)
        total = 0
        for group in range(about.num_row_groups):
            here, rows = 0, about.row_group(group).num_rows
            for index in range(about.num_columns):
                column = about.row_group(group).column(index)
                if columns is not None and column.path_in_schema.split(".")[0] not in columns:
                    continue
                # Run lengths stand for many values in few bytes: what counts is how many come out.
                values = max(column.num_values, rows)
                here += max(column.total_uncompressed_size, 8 * values)
            total = total + here if whole else max(total, here)
        if total > most or total < 0:
            raise Refused(f"it unpacks to {total / 1e9:.1f} GB at once, at most {most / 1e9:.1f} are read")

    def batches(self, rows: int, columns: list[str], most: int = MAX_ARRAYS) -> Iterator[pa.RecordBatch]:
        """Batches of checked columns; what comes out is counted, whatever the file announced.

        Raises:
            Refused: Damaged, or more than `most` bytes in a batch.
        """
        self.check(set(columns), most=most)
        try:
            for batch in self.file.iter_batches(batch_size=rows, columns=columns, use_threads=False):
                if batch.nbytes > most:
                    raise Refused(f"a batch has {batch.nbytes / 1e9:.1f} GB, at most {most / 1e9:.1f} are read")
                yield batch
        except (pa.ArrowException, OSError) as error:
            raise Refused(first_line(error)) from None


def _check_type(name: str, kind: pa.DataType) -> None:
    inner = kind
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        inner = cast(Any, kind).value_type
    if not (pa.types.is_integer(inner) or pa.types.is_floating(inner) or pa.types.is_boolean(inner)):
        if not pa.types.is_timestamp(inner):
            raise Refused(f"column {name!r:.60} holds {str(kind)[:60]}, expected numbers")
