"""Files that are either whole or absent."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from surefoot.errors import RunFolderError


@contextmanager
def replacing(path: Path) -> Generator[BinaryIO, None, None]:
    """A temporary file beside `path` to write to; at the end it is flushed to the disk and renamed.

    Raises:
        RunFolderError: The folder cannot be written or the disk is full; `path` is as it was.
    """
    temporary: str | None = None
    before = " The previous content is unchanged." if path.exists() else ""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        reason = error.strerror or str(error)
        raise RunFolderError(f"{path}: cannot be written ({reason}).{before}") from error
    finally:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` whole, or leave `path` as it was.

    Raises:
        RunFolderError: The folder cannot be written or the disk is full.
    """
    with replacing(path) as file:
        file.write(content)


def write_together(files: Sequence[tuple[Path, bytes]]) -> None:
    """Write several files, each whole or as it was; the disk is waited for once, not once for each.

    Args:
        files: Paths and contents; they appear in this order, all of them when the last is on the disk.

    Raises:
        RunFolderError: A folder cannot be written or the disk is full; all are as they were.
    """
    waiting: list[tuple[str, Path]] = []
    path = Path()
    try:
        for path, content in files:
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            waiting.append((temporary, path))
            with os.fdopen(handle, "wb") as file:
                file.write(content)
        with ThreadPoolExecutor(max(1, len(waiting))) as pool:
            list(pool.map(_flush, [temporary for temporary, _ in waiting]))
        while waiting:
            temporary, path = waiting[0]
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
            waiting.pop(0)
    except OSError as error:
        reason = error.strerror or str(error)
        raise RunFolderError(f"{path}: cannot be written ({reason}).") from error
    finally:
        for temporary, _ in waiting:
            with suppress(FileNotFoundError):
                os.unlink(temporary)


def _flush(path: str) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def link_or_copy(source: Path, target: Path, link: Callable[[Path, Path], None] = os.link) -> None:
    """Make `target` another name of the file, or a copy where the file system has no second names; atomic."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    try:
        try:
            link(source, temporary)
        except FileNotFoundError:
            raise
        except OSError:
            shutil.copyfile(source, temporary)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
