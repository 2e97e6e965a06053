"""Files that are either whole or absent."""

import os
import tempfile
from pathlib import Path

from surefoot.errors import RunFolderError


def write_atomically(path: Path, content: bytes) -> None:
    """Write to a temporary file beside `path`, flush it to the disk, and rename it.

    Raises:
        RunFolderError: The folder cannot be written or the disk is full; `path` is as it was.
    """
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)
        reason = error.strerror or str(error)
        raise RunFolderError(f"{path}: cannot be written ({reason}). The previous content is unchanged.") from error
