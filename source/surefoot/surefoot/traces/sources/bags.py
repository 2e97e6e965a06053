"""rosbag2 folders, bare .db3 and .mcap files, as streams of batches: memory does not grow with the bag."""

# pyright: basic
# rosbags' readers are duck-typed.

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
from rosbags.interfaces import Connection, MessageDefinitionFormat
from rosbags.rosbag2 import Reader
from rosbags.typesys import get_types_from_idl, get_types_from_msg

from surefoot.errors import TraceError, did_you_mean
from surefoot.reading import Refused, parse_yaml, read_text
from surefoot.traces.header import TraceFinding
from surefoot.traces.profile import Topic
from surefoot.traces.sources.batches import RawBatch, Request, to_ns
from surefoot.traces.sources.databases import limit_databases
from surefoot.traces.sources.decompression import MAX_BLOCK, check_file, decompressed, limit_chunks
from surefoot.traces.sources.messages import Decoder, header_stamp, typestore

_BATCH_MESSAGES = 4_096
_STAMP_FIELDS = ("header.stamp.sec", "header.stamp.nanosec")
STORAGES = (".db3", ".mcap")
limit_chunks()
limit_databases()


class Bag:
    """An open bag.

    Raises:
        TraceError: Absent, truncated, of another format, or its metadata names files outside of it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.findings: list[TraceFinding] = []
        self.files = self._files()
        target = path if path.is_dir() and not self.findings else self.files[0]
        # The reader unpacks such files on the disk as it opens them, without a limit.
        if target.is_dir() and _compression(target) == "file":
            for file in self.files:
                check_file(file)
        self._reader = self._guard(lambda: Reader(target), f"{path}: the bag cannot be opened")
        self._guard(self._reader.open, f"{path}: the bag cannot be opened")
        self._packed = self._reader.compression_mode == "message"
        if self._packed:  # unpacked here, with a limit
            self._reader.storage.metadata = self._reader.storage.metadata._replace(compression_mode=None)
        self._store = typestore()
        for connection in self._reader.connections:
            self._register(connection)

    def close(self) -> None:
        """Let go of the files."""
        if self._reader.is_open:
            self._reader.close()

    @property
    def topics(self) -> dict[str, str]:
        """Message type by topic."""
        return {connection.topic: connection.msgtype for connection in self._reader.connections}

    def has(self, topic: Topic) -> bool:
        """Whether the bag holds a topic."""
        return topic.topic in self.topics

    def read(self, topic: Topic, requests: Sequence[Request]) -> Iterator[RawBatch]:
        """Stream a topic in the order in which it was received.

        Raises:
            TraceError: No such topic, another message type, a truncated message.
        """
        connections = [connection for connection in self._reader.connections if connection.topic == topic.topic]
        if not connections:
            raise TraceError(f"{self.path}: topic {topic.topic!r} not found. {did_you_mean(topic.topic, self.topics)}")
        kind = connections[0].msgtype
        # Recorders may write a topic with two versions of its type; one layout cannot read both.
        if len({(found.msgtype, found.msgdef.data) for found in connections}) > 1:
            kinds = ", ".join(sorted({found.msgtype for found in connections}))
            raise TraceError(
                f"{self.path}: topic {topic.topic!r} has messages of several definitions ({kinds}); split it."
            )
        if topic.type and kind != topic.type:
            raise TraceError(f"{self.path}: topic {topic.topic!r} is of type {kind}, the profile expects {topic.type}.")
        clocks = [Request(field) for field in _clock_fields(topic)]
        decoder = Decoder(self._store, kind, [*requests, *clocks])
        messages = self._messages(connections)
        where = f"{self.path}, {topic.topic}"
        for row in itertools.count(0, _BATCH_MESSAGES):
            batch = list(itertools.islice(messages, _BATCH_MESSAGES))
            if not batch:
                return
            values = decoder.decode([blob for _, blob in batch], row, where)
            receipt = np.array([stamp for stamp, _ in batch], dtype=np.int64)
            stamp = _clock(topic.stamp.field, topic.stamp.unit, values, receipt, where)
            second = topic.stamp.check
            check = None if second is None else _clock(second, topic.stamp.check_unit, values, receipt, where)
            yield RawBatch(row, stamp, {request.field: values[request.field] for request in requests}, check)

    def _messages(self, connections: Sequence[Connection]) -> Iterator[tuple[int, bytes]]:
        stream = self._reader.messages(connections)
        read = 0
        while True:
            item = self._guard(lambda: next(stream, None), f"{self.path}: truncated or corrupt after {read} messages")
            if item is None:
                return
            blob = item[2]
            if self._packed:
                where = f"{self.path}, {item[0].topic}, message {read + 1}"
                blob = self._guard(lambda data=blob: decompressed(data, MAX_BLOCK), f"{where}: cannot be unpacked")
            read += 1
            yield item[1], blob

    def _files(self) -> list[Path]:
        """Storage files in their order; files of a folder that its metadata does not name are taken if there is one."""
        if self.path.is_file():
            return [self.path]
        if not self.path.is_dir():
            raise TraceError(f"{self.path}: no such file or folder.")
        there = sorted(file for file in self.path.iterdir() if file.suffix in STORAGES and file.is_file())
        named = _named_files(self.path)
        if named and all((self.path / name).is_file() for name in named):
            return [self.path / name for name in named]
        if len(there) != 1:
            listed = ", ".join(file.name for file in there) or "none"
            raise TraceError(f"{self.path}: metadata.yaml names {named or 'no files'}; bag files there: {listed}.")
        self.findings.append(
            TraceFinding(
                kind="other", severity="note", source=str(self.path.name),
                message=f"metadata.yaml names {named or 'no files'}; the only bag file, {there[0].name}, was read",
            )
        )  # fmt: skip
        return there

    def _register(self, connection: Connection) -> None:
        """The bag's own definition of a type wins over ours."""
        definition = connection.msgdef
        readers = {MessageDefinitionFormat.MSG: get_types_from_msg, MessageDefinitionFormat.IDL: get_types_from_idl}
        if definition.format not in readers:
            return
        if definition.format == MessageDefinitionFormat.MSG:
            parse = lambda: get_types_from_msg(definition.data, connection.msgtype)  # noqa: E731
        else:
            parse = lambda: get_types_from_idl(definition.data)  # noqa: E731
        types = self._guard(parse, f"{self.path}: the bag's definition of {connection.msgtype} cannot be read")
        for name in types:
            # The store refuses another definition of a name that it knows.
            self._store.fielddefs.pop(name, None)
            self._store.types.pop(name, None)
        self._guard(lambda: self._store.register(types), f"{self.path}: definition of {connection.msgtype}")

    @staticmethod
    def _guard(action: Any, what: str) -> Any:
        """Call; whatever a damaged file makes the libraries raise becomes one line."""
        try:
            return action()
        except TraceError:
            raise
        except Exception as error:  # SQLite, zstd, lz4, struct and the reader itself: no common base
            first = (str(error).splitlines() or [type(error).__name__])[0][:160]
            raise TraceError(f"{what} ({first}). `ros2 bag reindex` or `mcap recover` may save the rest.") from None


def _metadata(folder: Path) -> dict[str, Any]:
    """What metadata.yaml says of the bag; empty where there is none."""
    path = folder / "metadata.yaml"
    if not path.is_file():
        return {}
    try:
        plain = parse_yaml(read_text(path))["rosbag2_bagfile_information"]
        return {**plain, "relative_file_paths": list(plain["relative_file_paths"])}
    except (OSError, Refused, KeyError, TypeError, ValueError) as error:
        reason = error if isinstance(error, Refused) else type(error).__name__
        raise TraceError(f"{path}: not the metadata of a rosbag2 ({reason}).") from None


def _compression(folder: Path) -> str:
    return str(_metadata(folder).get("compression_mode") or "none").lower()


def _named_files(folder: Path) -> list[str]:
    path, names = folder / "metadata.yaml", _metadata(folder).get("relative_file_paths", [])
    for name in names:
        text = str(name)
        parts = PurePosixPath(text).parts + PureWindowsPath(text).parts
        if PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute() or ".." in parts:
            raise TraceError(f"{path}: relative_file_paths leads out of the bag: {text!r}; refused.")
        if (folder / text).is_symlink():
            raise TraceError(f"{folder / text}: a symbolic link in a bag; refused.")
    # Until version 3 the paths began with the folder's own name.
    return [text if (folder / text).is_file() else PurePosixPath(text).name for text in map(str, names)]


def _clock_fields(topic: Topic) -> list[str]:
    fields: list[str] = []
    for field in (topic.stamp.field, topic.stamp.check):
        if field == "header":
            fields += _STAMP_FIELDS
        elif field not in (None, "receipt"):
            fields.append(str(field))
    return fields


def _clock(field: str, unit: str, values: dict[str, Any], receipt: Any, where: str) -> Any:
    if field == "receipt":
        return receipt
    if field == "header":
        return header_stamp(np.stack([values[name] for name in _STAMP_FIELDS], axis=1))
    return to_ns(values[field], unit, where)
