"""Public logs from their repositories, at pinned commits, with their licences; checked against SHA-256."""

import hashlib
import os
import urllib.error
import urllib.request
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from surefoot.errors import TraceError, unknown_name
from surefoot.files import write_atomically
from surefoot.manifest.base import Amount, KeyedError, Name, Section
from surefoot.manifest.document import read_document
from surefoot.traces.card import Sha256

OFFLINE = "SUREFOOT_TRACES"
"""Environment variable: a folder with `owner/repository/commit/path`, used instead of the network."""
URL = "https://raw.githubusercontent.com"
_TIMEOUT = 60.0


class RemoteFile(Section):
    """One file of a repository."""

    path: str
    bytes: Amount
    sha256: Sha256

    @model_validator(mode="after")
    def _check_path(self) -> Self:
        path = PurePosixPath(self.path)
        if path.is_absolute() or ".." in path.parts or "\\" in self.path:
            raise KeyedError("path", f"expected a path within the repository, got {self.path!r}")
        if path.suffix in (".pkl", ".pickle"):
            raise KeyedError("path", f"{self.path!r} is a pickle; loading one can run code")
        return self


class RemoteSource(Section):
    """A log in a public repository."""

    owner: Name
    repository: Name
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    licence: str
    """SPDX identifier."""
    licence_file: str
    profile: Name
    """Import profile that reads the log."""
    log: str
    """File or folder to import."""
    description: str
    files: Annotated[tuple[RemoteFile, ...], Field(min_length=1)]

    @property
    def folder(self) -> Path:
        """Where its files go, below the chosen folder."""
        return Path(self.owner) / self.repository / self.commit

    @model_validator(mode="after")
    def _check_licence(self) -> Self:
        if self.licence_file not in [file.path for file in self.files]:
            raise KeyedError(
                "licence_file", f"{self.licence_file!r} is not among the files; a licence goes with the data"
            )
        return self


class RemoteSources(Section):
    """The file `traces/sources.yaml`."""

    schema_version: Literal[1]
    sources: dict[str, RemoteSource]

    def get(self, name: str) -> RemoteSource:
        """A source by name.

        Raises:
            UnknownName: With the nearest.
        """
        if name not in self.sources:
            raise unknown_name("Trace source", name, self.sources)
        return self.sources[name]


def read_sources(root: Path) -> RemoteSources:
    """Read the sources from a folder of manifests.

    Raises:
        ManifestError: Absent or misspelt.
    """
    return read_document(root / "traces" / "sources.yaml", RemoteSources)


def fetch(source: RemoteSource, folder: Path, url: str = URL) -> Path:
    """Download what is not there yet; returns the path of the log.

    Args:
        source: What to fetch.
        folder: Where to.
        url: Beginning of the address, before `owner/repository/commit/path`; http or https.

    Raises:
        TraceError: Not reachable, or another content than expected; nothing is written then.
        RunFolderError: The folder cannot be written.
    """
    if not url.startswith(("https://", "http://")):
        raise TraceError(f"{url}: expected an address with http or https.")
    offline = os.environ.get(OFFLINE)
    for file in source.files:
        target = folder / source.folder / file.path
        # A file that was cut or changed is fetched again.
        if target.is_file() and _sha256(target.read_bytes()) == file.sha256:
            continue
        relative = f"{source.folder.as_posix()}/{file.path}"
        content = _local(Path(offline) / relative, file) if offline else _remote(f"{url}/{relative}", file)
        found = _sha256(content)
        if found != file.sha256:
            where = f"{offline}/{relative}" if offline else f"{url}/{relative}"
            raise TraceError(f"{where}: sha256 {found}, expected {file.sha256}; not written.")
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, content)
    return folder / source.folder / source.log


def licence_text(source: RemoteSource, folder: Path) -> str:
    """The licence of a source that was fetched."""
    return (folder / source.folder / source.licence_file).read_text(encoding="utf-8", errors="replace")


def _local(path: Path, file: RemoteFile) -> bytes:
    if not path.is_file():
        raise TraceError(f"{path}: no such file; {OFFLINE} is set, so that nothing is downloaded.")
    with path.open("rb") as content:
        return content.read(file.bytes + 1)


def _remote(url: str, file: RemoteFile) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:
            return answer.read(file.bytes + 1)  # one more than announced is enough to be refused
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise TraceError(
            f"{url}: cannot be downloaded ({error}). Without network, set {OFFLINE} to a folder that has the files."
        ) from None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
