"""Files that are either whole or absent."""

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
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
