"""Logs in zip and tar archives: unpacked into a temporary folder, never outside of it, never more than a limit."""

import stat
import tarfile
import zipfile
from pathlib import Path, PurePosixPath, PureWindowsPath

from surefoot.errors import TraceError

MAX_BYTES = 20 * 1024**3
MAX_FILES = 10_000
_ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_BLOCK = 1024**2


def is_archive(path: Path) -> bool:
    """Whether the name says so."""
    return path.name.lower().endswith(_ENDINGS)


def unpack(path: Path, folder: Path, max_bytes: int = MAX_BYTES) -> None:
    """Unpack regular files and folders.

    Raises:
        TraceError: Paths that lead out of the folder, links, devices, too many files or bytes, damage.
    """
    try:
        if path.name.lower().endswith(".zip"):
            _unpack_zip(path, folder, max_bytes)
        else:
            _unpack_tar(path, folder, max_bytes)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise TraceError(f"{path}: the archive cannot be unpacked ({str(error)[:160]}).") from None


def _unpack_zip(path: Path, folder: Path, max_bytes: int) -> None:
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        for info in infos:
            # A zip keeps the Unix mode in the upper half of this field.
            if stat.S_ISLNK(info.external_attr >> 16):
                raise TraceError(f"{path}: {info.filename!r} is a link; refused.")
        _check(path, [(info.filename, info.file_size) for info in infos], max_bytes)
        for info in infos:
            if not info.is_dir():
                with archive.open(info) as source:
                    _copy(path, source, folder / info.filename, info.file_size)


def _unpack_tar(path: Path, folder: Path, max_bytes: int) -> None:
    with tarfile.open(path, "r:*") as archive:
        total = count = 0
        for member in archive:
            if not (member.isfile() or member.isdir()):
                raise TraceError(f"{path}: {member.name!r} is a link or a device; refused.")
            total, count = total + member.size, count + 1
            # Member by member: a tar has no list of contents to look at first.
            _check(path, [(member.name, total)], max_bytes, count)
            if member.isfile():
                source = archive.extractfile(member)
                assert source is not None
                with source:
                    _copy(path, source, folder / member.name, member.size)


def _check(path: Path, entries: list[tuple[str, int]], max_bytes: int, count: int = 0) -> None:
    for name, _ in entries:
        # An archive from Windows may have backslashes and drives, which Posix takes for names.
        posix, windows = PurePosixPath(name), PureWindowsPath(name)
        if posix.is_absolute() or windows.drive or windows.root or ".." in windows.parts:
            raise TraceError(f"{path}: {name!r} leads out of the folder; refused.")
    if max(count, len(entries)) > MAX_FILES:
        raise TraceError(f"{path}: more than {MAX_FILES:,} files.")
    total = sum(size for _, size in entries)
    if total > max_bytes:
        raise TraceError(f"{path}: {total / 1e9:.1f} GB unpacked, at most {max_bytes / 1e9:.1f}; unpack it yourself.")


def _copy(path: Path, source: object, target: Path, size: int) -> None:
    """Copy at most the size that was announced."""
    target.parent.mkdir(parents=True, exist_ok=True)
    left = size
    # Two members of one name are refused, not written over each other.
    with target.open("xb") as out:
        # One byte more than announced is enough to know.
        while block := source.read(min(_BLOCK, left + 1)):  # pyright: ignore
            left -= len(block)
            if left < 0:
                raise TraceError(f"{path}: {target.name!r} is larger than the archive says; refused.")
            out.write(block)
