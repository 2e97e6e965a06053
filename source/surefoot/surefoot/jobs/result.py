"""A result: what an evaluation found, or why it found nothing."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from surefoot.errors import RunFolderError
from surefoot.jobs.job import Document, Job, Sha256, read_document

SCHEMA_VERSION = 1


class Metric(Document):
    """An estimate with its 95 % interval; None where nothing could be measured."""

    value: float | None
    low: float | None = None
    high: float | None = None
    version: Annotated[int, Field(ge=1)] = 1
    unit: str = ""


class Finding(Document):
    """What a kind of event returns."""

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

    @model_validator(mode="after")
    def _check_reasons(self) -> Self:
        if self.valid == bool(self.reasons):
            raise ValueError("a finding is either valid or has reasons why it is not")
        return self


class Result(Document):
    """The answer to a job."""

    schema_version: Literal[1] = SCHEMA_VERSION
    job: Job
    status: Literal["answered", "fault"]
    reason: str = ""
    """Of a fault."""
    finding: Finding | None = None
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
    if not result.job.data:
        del plain["job"]["data"]
    return hashlib.sha256(json.dumps(plain, sort_keys=True, allow_nan=False).encode()).hexdigest()
