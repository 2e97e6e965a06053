"""A job is what is to be evaluated, complete, for a process that knows nothing else; its result, what was found."""

import hashlib
import json
import re
import time
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, ValidationError, model_validator

from surefoot.errors import RunFolderError
from surefoot.files import read_file
from surefoot.machine import Machine
from surefoot.manifest.base import Section
from surefoot.manifest.document import explain

SCHEMA_VERSION = 1
_MOST_BYTES = 64 << 20
"""Of a document's file."""
_ID = re.compile(r"(\d{6})-([A-Za-z0-9][A-Za-z0-9_.-]*)-(\d+)")

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Job(Section):
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

    @property
    def machine(self) -> Machine:
        """Where it is evaluated."""
        return Machine(self.engine, self.device, self.threads)

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
    # A copy under another name would be done again as another job.
    if job.id != path.stem:
        raise RunFolderError(f"{path}: not a job: it says that its id is {job.id!r}.")
    return job


Document = TypeVar("Document", bound=Section)


def read_document(path: Path, kind: type[Document], what: str) -> Document:
    """Read a JSON file against a schema.

    Raises:
        RunFolderError: Absent, half written, of another version, or not what is expected.
    """
    try:
        text = read_file(path, most=_MOST_BYTES)
    except OSError as error:
        raise RunFolderError(f"{path}: no {what} can be read ({error.strerror}).") from error
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        key, problem = explain(error.errors()[0], kind)
        where = f"{'.'.join(map(str, key))}: " if key else ""
        raise RunFolderError(f"{path}: not a {what}: {where}{problem[:300]}") from None


def to_json(document: Section) -> bytes:
    """As it is written: indented, for people, with a newline at the end."""
    # NaN is no JSON, and other readers refuse it.
    return (json.dumps(document.model_dump(mode="json"), indent=1, allow_nan=False) + "\n").encode()


GROUPS = ("held_out", "in_distribution", "transfer")
"""Of metrics: cells that training never saw, cells that it did, recordings of robots."""


class Metric(Section):
    """An estimate with its 95 % interval; None where nothing could be measured."""

    value: float | None
    low: float | None = None
    high: float | None = None
    version: Annotated[int, Field(ge=1)] = 1
    unit: str = ""


class Measurements(Section):
    """What evaluating an event gave: metrics, and whether they may be trusted."""

    valid: bool
    """Whether the numbers may be trusted; a finding that is not valid is shown with its reasons, never as a result."""
    reasons: tuple[str, ...] = ()
    """Why it is not valid."""
    score: float | None = None
    """Held out; higher is better."""
    scored_cells_sha256: str = ""
    """Of what the score is a mean over: training with another manifest leaves other cells held out."""
    held_out: dict[str, Metric] = Field(default_factory=dict[str, Metric])
    in_distribution: dict[str, Metric] = Field(default_factory=dict[str, Metric])
    content_sha256: str = ""
    """Of the panel or suite that was run."""
    transfer: dict[str, Metric] = Field(default_factory=dict[str, Metric])
    """Against recordings of robots."""
    tags: tuple[str, ...] = ()
    """`<name>=pass|fail|unknown`, or `<name>=<text>`."""

    @property
    def groups(self) -> dict[str, dict[str, Metric]]:
        """All metrics, by what they are about."""
        return {name: getattr(self, name) for name in GROUPS}

    @model_validator(mode="after")
    def _check_reasons(self) -> Self:
        if self.valid == bool(self.reasons):
            raise ValueError("a finding is either valid or has reasons why it is not")
        return self


class Result(Section):
    """The answer to a job."""

    schema_version: Literal[1] = SCHEMA_VERSION
    job: Job
    status: Literal["answered", "fault"]
    reason: str = ""
    """Of a fault."""
    finding: Measurements | None = None
    """Of an answer."""
    report: str = ""
    """Folder of the full report, relative to the run folder."""
    attempts: Annotated[int, Field(ge=0)]
    """How often the evaluation was begun."""
    seconds: Annotated[float, Field(ge=0)]
    """Wall-clock of the attempt that gave the answer."""
    written: str
    sha256: Sha256 | Literal[""] = ""
    """Of everything else in this file."""

    @property
    def valid(self) -> bool:
        """Answered, and to be trusted."""
        return self.finding is not None and self.finding.valid

    def sealed(self) -> "Result":
        """With its own hash."""
        return self.model_copy(update={"sha256": _digest(self)})

    @model_validator(mode="after")
    def _check_status(self) -> Self:
        if (self.status == "answered") != (self.finding is not None) or (self.status == "fault") != bool(self.reason):
            raise ValueError("an answer has a finding, a fault has a reason")
        return self


def read_result(path: Path) -> Result:
    """Read a result's file.

    Raises:
        RunFolderError: Absent, half written, changed after it was written, or not a result of this version.
    """
    result = read_document(path, Result, "result")
    if result.sha256 != _digest(result):
        raise RunFolderError(f"{path}: not a result: it was changed or cut after it was written.")
    if result.job.id != path.stem:
        raise RunFolderError(f"{path}: not a result of this job: it answers {result.job.id!r}.")
    return result


def _digest(result: Result) -> str:
    plain: dict[str, Any] = result.model_dump(mode="json", exclude={"sha256"})
    if result.finding is not None and not result.finding.scored_cells_sha256:
        del plain["finding"]["scored_cells_sha256"]  # results of before the field have their hash without it
    # The same holds for this one.
    if not result.job.data:
        del plain["job"]["data"]
    return hashlib.sha256(json.dumps(plain, sort_keys=True, allow_nan=False).encode()).hexdigest()


def fault(job: Job, reason: str, attempts: int, seconds: float = 0.0) -> Result:
    """The result of a job that could not be done."""
    about: dict[str, Any] = {"attempts": attempts, "seconds": seconds, "written": time_of_day()}
    return Result(job=job, status="fault", reason=reason, **about).sealed()


def answered(job: Job, finding: Measurements, report: str, attempts: int, seconds: float) -> Result:
    """The result of a job that was done."""
    about: dict[str, Any] = {"attempts": attempts, "seconds": seconds, "written": time_of_day()}
    return Result(job=job, status="answered", finding=finding, report=report, **about).sealed()


def time_of_day() -> str:
    """Local time with zone."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")
