"""Files that are either whole or absent, and reading what others may have put in their place."""

import errno
import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from surefoot.errors import CannotWrite

PART = ".part"
"""End of the names of files that are being written; `sweep` deletes those whose writer was killed."""
_MOST_BYTES = 1 << 30
"""That `read_file` takes into memory."""


def _new_part(path: Path) -> tuple[int, str]:
    """An open temporary file beside `path`, locked as long as it is open, and its name."""
    while True:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PART)
        with suppress(OSError):  # a file system without locks has no sweep either
            fcntl.flock(handle, fcntl.LOCK_EX)
        # A sweep may have come between the two lines above.
        if os.fstat(handle).st_nlink:
            return handle, name
        os.close(handle)


def sweep(folder: Path) -> list[Path]:
    """Delete what killed writers have left in a folder and below it; returns what was deleted.

    A file that somebody still writes is locked, and stays. Links are not followed.
    """
    swept: list[Path] = []
    for parent, _, names in os.walk(folder):
        for name in names:
            if name.startswith(".") and name.endswith(PART) and _unlink_if_left(Path(parent, name)):
                swept.append(Path(parent, name))
    return swept


def _unlink_if_left(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return False
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
        return True
    except OSError:
        return False
    finally:
        os.close(handle)


@contextmanager
def replacing(path: Path) -> Generator[BinaryIO, None, None]:
    """A temporary file beside `path` to write to; at the end it is flushed to the disk and renamed.

    Raises:
        CannotWrite: The folder cannot be written or the disk is full; `path` is as it was.
    """
    temporary: str | None = None
    before = " The previous content is unchanged." if path.exists() else ""
    try:
        handle, temporary = _new_part(path)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            # Before it is closed: with its lock gone, a sweep could take it.
            os.replace(temporary, path)
            temporary = None
    except OSError as error:
        reason = error.strerror or str(error)
        raise CannotWrite(f"{path}: cannot be written ({reason}).{before}") from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                os.unlink(temporary)


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` whole, or leave `path` as it was.

    Raises:
        CannotWrite: The folder cannot be written or the disk is full.
    """
    with replacing(path) as file:
        file.write(content)


def write_together(files: Sequence[tuple[Path, bytes]]) -> None:
    """Write several files, each whole or as it was; the disk is waited for once, not once for each.

    Args:
        files: Paths and contents; they appear in this order, all of them when the last is on the disk.

    Raises:
        CannotWrite: A folder cannot be written or the disk is full; a file that has not appeared is as it was.
    """
    waiting: list[tuple[int, str, Path]] = []
    path = Path()
    try:
        for path, content in files:
            handle, temporary = _new_part(path)
            waiting.append((handle, temporary, path))
            view = memoryview(content)
            while view:
                view = view[os.write(handle, view) :]
        with ThreadPoolExecutor(max(1, len(waiting))) as pool:
            list(pool.map(os.fsync, [handle for handle, _, _ in waiting]))
        while waiting:
            handle, temporary, path = waiting[0]
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
            waiting.pop(0)
            os.close(handle)
    except OSError as error:
        reason = error.strerror or str(error)
        raise CannotWrite(f"{path}: cannot be written ({reason}).") from error
    finally:
        for handle, temporary, _ in waiting:
            with suppress(OSError):
                os.close(handle)
            with suppress(OSError):
                os.unlink(temporary)


@contextmanager
def opened(path: Path, *, follow: bool = True) -> Generator[BufferedReader, None, None]:
    """Open an ordinary file to read; a pipe, a device or a folder in its place is refused without waiting for it.

    Args:
        path: The file.
        follow: Whether it may be a symbolic link.

    Raises:
        OSError: Absent, or not an ordinary file; `strerror` says what is there.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        handle = os.open(path, flags if follow else flags | os.O_NOFOLLOW)
    except OSError as error:
        if not follow and path.is_symlink():
            raise OSError(error.errno, "it is a symbolic link, not an ordinary file", str(path)) from None
        raise
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))
        kind = next((name for test, name in kinds if test(mode)), "a device")
        raise OSError(errno.EINVAL, f"it is {kind}, not an ordinary file", str(path))
    with os.fdopen(handle, "rb") as file:
        yield file


def read_file(path: Path, *, most: int = _MOST_BYTES, follow: bool = False) -> bytes:
    """Content of an ordinary file.

    Args:
        path: The file.
        most: Bytes; more are refused before they are read.
        follow: Whether it may be a symbolic link.

    Raises:
        OSError: Absent, too large, or not an ordinary file.
    """
    with opened(path, follow=follow) as file:
        # Not what `fstat` says: a file may grow while it is read.
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most} bytes", str(path))
    return content


def set_aside(path: Path, suffix: str = "broken") -> Path:
    """Rename to `<stem>.<suffix><number>`, a name that nobody reads."""
    stem = path.name.removesuffix(".json")
    free = next(n for n in range(1, 10_000) if not os.path.lexists(path.with_name(f"{stem}.{suffix}{n}")))
    return path.rename(path.with_name(f"{stem}.{suffix}{free}"))


def make_way(path: Path, tell: Callable[[str], None]) -> None:
    """Put aside what stands where a file is to be written and is no file: a folder, a pipe, a link.

    Args:
        path: Of the file.
        tell: Told of it, if there was something.

    Raises:
        CannotWrite: It cannot be renamed.
    """
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            tell(f"{path} is no ordinary file and is put aside as {set_aside(path).name}")
    except FileNotFoundError:
        return
    except OSError as error:
        raise CannotWrite(f"{path}: cannot be written ({error.strerror}).") from error


def sha256_of(path: Path) -> str:
    """SHA-256 of an ordinary file's content."""
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def link_or_copy(source: Path, target: Path, link: Callable[[Path, Path], None] = os.link) -> None:
    """Make `target` another name of the file, or a copy where the file system has no second names; atomic."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}{PART}")
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
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
