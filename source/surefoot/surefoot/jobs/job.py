"""A job: what is to be evaluated, complete, so that a process that knows nothing else can do it."""

import json
import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from surefoot.errors import RunFolderError

SCHEMA_VERSION = 1
_ID = re.compile(r"(\d{6})-([A-Za-z0-9][A-Za-z0-9_.-]*)-(\d+)")

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Document(BaseModel):
    """A JSON file of the schedule: frozen, closed, finite, and strict about types."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class Job(Document):
    """One evaluation of one checkpoint."""

    schema_version: Literal[1] = SCHEMA_VERSION
    id: Annotated[str, Field(pattern=f"^{_ID.pattern}$")]
    """`<number>-<event>-<iteration>`; numbers rise in the order in which jobs are done."""
    event: str
    kind: str
    content: str
    """Name of the panel or suite; empty where the kind has none."""
    content_sha256: str
    """Of the content as it was when the run started; empty where the kind has none."""
    iteration: Annotated[int, Field(ge=0)]
    """PPO iterations done in the checkpoint."""
    checkpoint: str
    """Pinned file, relative to the run folder."""
    checkpoint_sha256: Sha256
    """Of the file."""
    manifest_sha256: Sha256
    keep_best: bool
    """Whether the checkpoint with the best score of this event is kept."""
    seed: Annotated[int, Field(ge=0)] | None
    """In place of the content's own."""
    engine: str
    device: str
    manifests: str
    """Folder of the manifests, absolute."""
    data: str = ""
    """Folder of the data that the content names, absolute; empty where it names none."""
    threads: Annotated[int, Field(ge=1)]
    nice: Annotated[int, Field(ge=0, le=19)]
    timeout: Annotated[float, Field(gt=0)]
    """s."""
    attempts: Annotated[int, Field(ge=1)]
    written: str
    """Time of day with zone."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.id != job_id(number_of(self.id) or 0, self.event, self.iteration):
            raise ValueError(f"its id {self.id!r} is not that of event {self.event!r}, iteration {self.iteration}")
        path = PurePosixPath(self.checkpoint)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"its checkpoint {self.checkpoint!r} is outside of the run folder")
        return self


def job_id(number: int, event: str, iteration: int) -> str:
    """Name of a job and of its files."""
    return f"{number:06d}-{event}-{iteration}"


def number_of(identity: str) -> int | None:
    """The number in a job's id; None where a name is not an id."""
    match = _ID.fullmatch(identity)
    return int(match[1]) if match else None


def read_job(path: Path) -> Job:
    """Read a job's file.

    Raises:
        RunFolderError: Absent, half written, or not a job of this version.
    """
    job = read_document(path, Job, "job")
    if job.id != path.stem:
        raise RunFolderError(f"{path}: not a job: it says that its id is {job.id!r}.")
    return job


Kind = TypeVar("Kind", bound=Document)


def read_document(path: Path, kind: type[Kind], what: str) -> Kind:
    """Read a JSON file against a schema.

    Raises:
        RunFolderError: Absent, half written, of another version, or not what is expected.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise RunFolderError(f"{path}: no {what} can be read ({error.strerror}).") from error
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise RunFolderError(f"{path}: not a {what}: {f'{key}: ' if key else ''}{first['msg']}") from None


def to_json(document: Document) -> bytes:
    """As it is written: indented, for people, with a newline at the end."""
    return (json.dumps(document.model_dump(mode="json"), indent=1, allow_nan=False) + "\n").encode()
