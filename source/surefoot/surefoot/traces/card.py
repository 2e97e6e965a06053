"""Trace cards: what a log is, where it comes from, under which licence, what is wrong with it. YAML beside the data."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from surefoot.files import write_atomically
from surefoot.manifest.base import KeyedError, Name, NonNegativeFloat, PositiveFloat, Section
from surefoot.manifest.document import document_sha256, document_text, read_document
from surefoot.traces.header import Origin
from surefoot.traces.signals import SIGNALS

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Mode = Literal["stand", "policy", "damping", "fault", "unknown"]
"""Held still by position gains; moved by a controller; velocity gain only; not following its targets; not said."""
KnownBy = Literal["logged", "stated", "estimated"]
"""In the log itself; said by its authors; estimated from the log by `surefoot.traces.estimate`."""


class CardSource(Section):
    """Where the log comes from."""

    repository: str
    commit: str = ""
    paths: tuple[str, ...] = ()
    """Original files in the repository."""
    changes: str = ""
    """What was done to the originals."""


class CardData(Section):
    """The file that is imported, and the profile that reads it."""

    file: str
    """File or folder, relative to the folder of the data."""
    sha256: Sha256
    """Of the file; of a folder, over its files' names and hashes (`importer.file_sha256`)."""
    profile: Name
    """Import profile, `traces/formats/<profile>.yaml`; `trace` for a file that is a trace already."""


class Estimate(Section):
    """A number that the log does not state, with what speaks for it."""

    value: float
    unit: str
    interval: tuple[float, float] | None = None
    """95 % interval."""
    r2: float | None = Field(default=None, le=1)
    """Share of the torque's variance that the fit explains."""
    known_by: KnownBy
    note: str = ""


class Gains(Section):
    """Of the motors' position loop: tau = stiffness (q_des - q) - damping dq."""

    stiffness: Estimate
    """N m/rad."""
    damping: Estimate
    """N m s/rad."""
    delay: Estimate | None = None
    """s, from a target's stamp to the torque that answers it."""


class Segment(Section):
    """A stretch of the log in one mode."""

    mode: Mode
    start: NonNegativeFloat
    """s since the first sample."""
    end: PositiveFloat
    """s, exclusive."""
    known_by: KnownBy = "stated"
    gains: Gains | None = None
    """Where they differ from the card's."""
    valid: bool = True
    """Whether windows for replay may lie in it."""
    note: str = ""

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.end <= self.start:
            raise KeyedError("end", f"expected more than start ({self.start:g} s), got {self.end:g} s")
        return self


class Perturbation(Section):
    """A shove that the robot took in the log, which a policy under its commands takes too."""

    at: NonNegativeFloat
    """s since the first sample."""
    lin_vel: tuple[float, float] = (0.0, 0.0)
    """Change of the base's velocity, m/s, base yaw frame."""
    ang_vel_z: float = 0.0
    """Change of the yaw rate, rad/s."""
    known_by: KnownBy = "stated"
    note: str = ""

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        if not any((*self.lin_vel, self.ang_vel_z)):
            raise KeyedError("lin_vel", "expected a change of velocity, got none (neither lin_vel nor ang_vel_z)")
        return self


class Defect(Section):
    """Something known to be wrong, or easily misread."""

    signal: str
    """Name of a signal, or `time`, or `all`."""
    note: str

    @model_validator(mode="after")
    def _check_signal(self) -> Self:
        if self.signal not in SIGNALS and self.signal not in ("time", "all"):
            raise KeyedError("signal", f"expected a signal, time or all, got {self.signal!r}")
        return self


class TraceCard(Section):
    """Everything about a log that its numbers do not say."""

    schema_version: Literal[1]
    name: Name
    title: str
    robot: Name
    source: CardSource
    licence: str
    """SPDX identifier."""
    data: CardData
    rates_hz: dict[str, PositiveFloat]
    """Of each topic, before they were merged."""
    torque: Origin | Literal["absent"]
    """measured by a sensor, estimated by the robot (motor current), computed by a host."""
    gains: Gains | None = None
    segments: tuple[Segment, ...] = ()
    perturbations: tuple[Perturbation, ...] = ()
    """In ascending order of time."""
    defects: tuple[Defect, ...] = ()
    outcome: Literal["completed", "failed", "unknown"] = "unknown"
    """A failed run is kept: a policy must do better under its commands."""
    content_sha256: Sha256 | None = None
    """Of the imported trace's stamps and values."""

    @property
    def sha256(self) -> str:
        """Of the card itself."""
        return document_sha256(self)

    @model_validator(mode="after")
    def _check_segments(self) -> Self:
        for index, (before, after) in enumerate(zip(self.segments, self.segments[1:], strict=False)):
            # Ends and starts are written in decimals, and may differ in the last bit.
            if after.start < before.end - 1e-9:
                raise KeyedError(
                    f"segments.{index + 1}.start",
                    f"expected at least {before.end:g} s, where the segment before ends, got {after.start:g} s",
                )
        return self

    @model_validator(mode="after")
    def _check_perturbations(self) -> Self:
        for index, (before, after) in enumerate(zip(self.perturbations, self.perturbations[1:], strict=False)):
            if after.at <= before.at:
                raise KeyedError(
                    f"perturbations.{index + 1}.at",
                    f"expected more than {before.at:g} s, the one before, got {after.at:g} s",
                )
        return self


def read_card(path: Path) -> TraceCard:
    """Read a card.

    Raises:
        ManifestError: Absent, not plain YAML, or it does not fit the schema.
    """
    return read_document(path, TraceCard)


def write_card(path: Path, card: TraceCard) -> None:
    """Write a card, whole or not at all.

    Raises:
        RunFolderError: The folder cannot be written.
    """
    write_atomically(path, document_text(card).encode())
