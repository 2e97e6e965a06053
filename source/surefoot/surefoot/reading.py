"""Files from strangers: what every reader checks before it takes memory, one budget for each kind of file.

A reader asks here for bytes, YAML, JSON or the members of a zip archive (arrays: `surefoot.array_files`), and gets
plain content within the budget or `Refused`, a `ValueError` whose text is one line without the file's name. Nothing
here runs code that a file names.
"""

# pyright: basic
# PyYAML's loaders have hardly any types.

import json
import os
import stat
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import yaml

MAX_DOCUMENT = 1024**2
"""Bytes of a document that somebody wrote; the largest that is shipped has 14,000."""
MAX_RECORD = 32 * 1024**2
"""Bytes of JSON that a run wrote; reports of a thousand cells have a few MB."""
MAX_ARRAYS = 1024**3
"""Bytes of arrays that are read whole: checkpoints, NPZ, one row group of Parquet."""
MAX_DEPTH = 64
MAX_NODES = 100_000
"""Keys, values and items of a document."""
MAX_MEMBERS = 10_000
"""Of an archive, or columns of a table."""
_C_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Refused(ValueError):
    """Content that is too large, too deep, damaged, or of a kind that is not read."""


def read_bytes(path: Path, most: int = MAX_DOCUMENT) -> bytes:
    """A regular file, whole.

    Raises:
        Refused: A pipe, a device, a folder, or more than `most` bytes.
        OSError: Absent or not readable.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        content = file.read(most + 1) if size <= most else b""  # a file may grow while it is read
        if max(size, len(content)) > most:
            raise Refused(f"it has {max(size, len(content)):,} bytes, at most {most:,} are read")
        return content


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file; a pipe would be waited for, and a device has no end.

    Raises:
        Refused: Something else.
        OSError: Absent or not readable.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise Refused("expected a regular file, got a folder, a pipe or a device")
    return os.fdopen(handle, "rb")


def read_text(path: Path, most: int = MAX_DOCUMENT) -> str:
    """A regular file of UTF-8.

    Raises:
        Refused: As `read_bytes`, or other bytes than UTF-8.
        OSError: Absent or not readable.
    """
    content = read_bytes(path, most)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(f"it is not UTF-8 at byte {error.start}") from None


def parse_json(content: bytes | str, most: int = MAX_RECORD) -> Any:
    """JSON within the budget.

    Raises:
        Refused: Too large, too deep, not UTF-8, or not JSON.
    """
    if len(content) > most:
        raise Refused(f"it has {len(content):,} bytes, at most {most:,} are read")
    try:
        return json.loads(content)
    except RecursionError:
        raise Refused("it is nested too deeply") from None
    except ValueError as error:
        raise Refused(f"it is not JSON ({error})") from None


class PlainLoader(_C_LOADER):
    """Plain values only, each key once."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key, _ in node.value:
            if isinstance(key.value, str):
                if key.value in seen:
                    line = node.start_mark.line + 1
                    raise yaml.YAMLError(f"key {key.value!r:.60} appears twice in the mapping at line {line}")
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def parse_yaml(text: str, most: int = MAX_DOCUMENT, aliases: bool = False) -> Any:
    """YAML of plain values, each key once.

    Args:
        text: Of a file.
        most: Characters.
        aliases: Whether there may be any.

    Raises:
        Refused: Too large, too deep, or not such YAML.
    """
    check_yaml(text, most, aliases)
    try:
        return yaml.load(text, Loader=PlainLoader)
    # Dates and numbers that Python does not have are errors of other types.
    except (yaml.YAMLError, ValueError, OverflowError, TypeError, RecursionError) as error:
        raise Refused(first_line(error, 200)) from None


def check_yaml(text: str, most: int = MAX_DOCUMENT, aliases: bool = False, nodes: int = MAX_NODES) -> None:
    """Refuse YAML beyond the budget by its events alone, before a tree is built.

    Args:
        text: Of a file.
        most: Characters, where an alias counts as what it stands for.
        aliases: Whether there may be any.
        nodes: Keys, values and items, counted likewise.

    Raises:
        Refused: Too large, too deep, an alias where none may be, or broken.
    """
    # Without libyaml PyYAML takes ten times as long.
    if len(text) > (most if _C_LOADER is not yaml.SafeLoader else most // 8):
        raise Refused(f"it has {len(text):,} characters, at most {most:,} are read")
    open_nodes: list[tuple[str | None, int, int]] = []
    sizes: dict[str, tuple[int, int]] = {}
    count = characters = 0
    try:
        for event in yaml.parse(text, Loader=_C_LOADER):
            if isinstance(event, yaml.AliasEvent):
                if not aliases:
                    raise Refused(f"line {event.start_mark.line + 1}: it has an alias")
                if event.anchor not in sizes:
                    raise Refused(f"line {event.start_mark.line + 1}: an alias of nothing, or of what it stands in")
                count, characters = count + sizes[event.anchor][0], characters + sizes[event.anchor][1]
            elif isinstance(event, yaml.ScalarEvent):
                count, characters = count + 1, characters + len(event.value)
                if event.anchor is not None:
                    sizes[event.anchor] = 1, len(event.value)
            elif isinstance(event, yaml.CollectionStartEvent):
                open_nodes.append((event.anchor, count, characters))
                count += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                anchor, nodes_before, before = open_nodes.pop()
                if anchor is not None:
                    sizes[anchor] = count - nodes_before, characters - before
            if len(open_nodes) > MAX_DEPTH:
                raise Refused(f"it is nested too deeply: more than {MAX_DEPTH} levels")
            if count > nodes or characters > most:
                raise Refused(f"it has more than {nodes:,} keys and values, or {most:,} characters in them")
    except Refused:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Refused(first_line(error, 200)) from None


def zip_members(file: BinaryIO, most: int = MAX_ARRAYS, packed: bool = True) -> dict[str, bytes]:
    """Every member of a zip archive, each against its CRC.

    Args:
        file: The archive, open and seekable.
        most: Bytes that all members may have together, as the archive announces and as they come out.
        packed: Whether members may be compressed.

    Raises:
        Refused: Damaged, too large, names twice, or compressed where that may not be.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            infos = checked_infos(archive, most, packed)
            # `read` stops at the size that is announced, and compares the CRC at the end.
            return {info.filename: archive.read(info) for info in infos}
    except Refused:
        raise
    # zlib, lzma, struct and zipfile itself have no base in common.
    except Exception as error:
        raise Refused(f"damaged: {first_line(error)}") from None


def checked_infos(archive: zipfile.ZipFile, most: int, packed: bool = True) -> list[zipfile.ZipInfo]:
    """What an archive says of its members, before any is read; `zip_members` says what is refused."""
    infos = archive.infolist()
    if len({info.filename for info in infos}) < len(infos):
        raise Refused("damaged: two members have one name")
    if len(infos) > MAX_MEMBERS:
        raise Refused(f"it has {len(infos):,} members, at most {MAX_MEMBERS:,} are read")
    total = sum(info.file_size for info in infos)
    if total > most:
        raise Refused(f"it has {total / 1e9:.1f} GB uncompressed, at most {most / 1e9:.1f} are read")
    kinds = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) if packed else (zipfile.ZIP_STORED,)
    for info in infos:
        if info.compress_type not in kinds or info.flag_bits & 1:
            raise Refused(f"member {info.filename!r:.60} is compressed or encrypted in a way that is not read")
        if info.compress_type == zipfile.ZIP_STORED and info.file_size != info.compress_size:
            raise Refused(f"damaged: member {info.filename!r:.60} has two sizes")
    return infos


def first_line(error: BaseException, most: int = 160) -> str:
    """An error's message on one line, cut; its type where it has none."""
    return " ".join(str(error).split())[:most] or type(error).__name__
