"""What a path holds, and how it is read."""

import fnmatch
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from surefoot.errors import TraceError
from surefoot.traces.header import TraceFinding
from surefoot.traces.joint_orders import JointOrders
from surefoot.traces.profile import ImportProfile, Topic
from surefoot.traces.sources.archive import is_archive, unpack
from surefoot.traces.sources.bags import STORAGES, Bag
from surefoot.traces.sources.batches import RawBatch, Request
from surefoot.traces.sources.tables import read_csv, read_npz, read_parquet

_TABLES = (".csv", ".txt", ".parquet", ".npz")
_PICKLES = (".pkl", ".pickle", ".p", ".npy", ".pt", ".joblib")


class LogSource:
    """An open log: one table, a folder with one table per topic, a bag, or an archive with one of these.

    Raises:
        TraceError: Nothing there that can be read.
    """

    def __init__(self, path: Path, profile: ImportProfile, orders: JointOrders) -> None:
        self.path, self._profile, self._orders = path, profile, orders
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        if path.is_file() and is_archive(path):
            self._temporary = tempfile.TemporaryDirectory(prefix="surefoot-trace-")
            unpack(path, Path(self._temporary.name))
            path = _inner(Path(self._temporary.name))
        self._inside = path
        self._bag = Bag(path) if _is_bag(path) else None
        if self._bag is None and not path.exists():
            raise TraceError(f"{path}: no such file or folder.")

    def __enter__(self) -> "LogSource":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bag is not None:
            self._bag.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    @property
    def findings(self) -> list[TraceFinding]:
        """What opening it showed."""
        return self._bag.findings if self._bag is not None else []

    @property
    def files(self) -> list[Path]:
        """Files that are read; of an archive, the archive."""
        if self._temporary is not None:
            return [self.path]
        if self._bag is not None:
            return self._bag.files
        return list(dict.fromkeys(self._table(topic) for topic in self._profile.topics.values() if self.has(topic)))

    def has(self, topic: Topic) -> bool:
        """Whether the log holds a topic."""
        if self._bag is not None:
            return self._bag.has(topic)
        return self._inside.is_file() or any(fnmatch.fnmatch(name, topic.file) for name in self._names())

    def read(self, topic: Topic, requests: Sequence[Request]) -> Iterator[RawBatch]:
        """Stream a topic.

        Raises:
            TraceError: It is absent or damaged; with row and column.
        """
        if self._bag is not None:
            return self._bag.read(topic, requests)
        path = self._table(topic)
        if path.suffix == ".npz":
            return read_npz(path, topic.stamp, requests)
        if path.suffix == ".parquet":
            return read_parquet(path, topic.stamp, requests)
        return read_csv(path, topic.stamp, requests, self._columns(topic))

    def _columns(self, topic: Topic) -> list[str]:
        """Names of the columns of a CSV without a header line."""
        out: list[str] = []
        for column in topic.columns:
            if "{joint}" not in column:
                out.append(column)
                continue
            joints = self._orders.get(topic.order or self._profile.joints).joints
            suffix = self._profile.joint_suffix
            out += [column.replace("{joint}", joint.removesuffix(suffix)) for joint in joints]
        return out

    def _table(self, topic: Topic) -> Path:
        if self._inside.is_file():
            path = self._inside
        else:
            matching = [name for name in self._names() if fnmatch.fnmatch(name, topic.file)]
            if len(matching) != 1:
                there = ", ".join(self._names()) or "nothing"
                raise TraceError(f"{self.path}: expected one file like {topic.file!r}, got {matching}. There: {there}.")
            path = self._inside / matching[0]
        if path.suffix in _PICKLES:
            raise TraceError(
                f"{path}: {path.suffix} files are pickles, or may hold them, and loading a pickle can run code; "
                "refused. Save the arrays as CSV, Parquet or NPZ."
            )
        if path.suffix not in _TABLES:
            expected = ", ".join((*_TABLES, *STORAGES))
            raise TraceError(f"{path}: expected a file ending in {expected}, or a rosbag2 folder.")
        return path

    def _names(self) -> list[str]:
        # No links: in an unpacked or shared folder they may lead anywhere.
        return sorted(path.name for path in self._inside.iterdir() if path.is_file() and not path.is_symlink())


def _is_bag(path: Path) -> bool:
    if path.is_file():
        return path.suffix in STORAGES
    if not path.is_dir():
        return False
    endings = {file.suffix for file in path.iterdir() if file.is_file()}
    return bool(endings & set(STORAGES)) or ((path / "metadata.yaml").is_file() and not endings & set(_TABLES))


def _inner(folder: Path) -> Path:
    """The one folder or file that an archive holds, however deep."""
    entries = sorted(folder.iterdir())
    if len(entries) != 1:
        return folder
    return _inner(entries[0]) if entries[0].is_dir() and not _is_bag(entries[0]) else entries[0]
