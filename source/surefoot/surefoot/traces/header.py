"""What a trace's file says about itself: JSON in the Parquet metadata."""

import json
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator

from surefoot.errors import did_you_mean
from surefoot.manifest.base import Amount, Fraction, KeyedError, Name, Section
from surefoot.traces.signals import SIGNALS

FORMAT = 1

Origin = Literal["measured", "estimated", "computed", "commanded", "simulated"]
"""measured by a sensor; estimated by the robot's firmware; computed by a host from other signals; sent to the robot;
written by a simulator."""


KINDS = (
    "gap", "burst", "duplicate", "backward", "jump", "drift", "units", "norm", "frozen", "offset", "other",
)  # fmt: skip
"""What can be found; docs/traces.md says how."""


class TraceFinding(Section):
    """Something that an import or a check found in the data."""

    kind: Name
    """One of `KINDS`."""
    severity: Literal["note", "warning", "refusal"]
    message: str
    source: str = ""
    """File or topic."""
    column: str = ""
    row: int | None = None
    """First row, counted from 1 without a header line; for a bag, the message of its topic."""
    count: Amount = 1
    """How many rows or places."""

    def __str__(self) -> str:
        where = [self.source, f"column {self.column}" if self.column else "", f"row {self.row}" if self.row else ""]
        place = ", ".join(part for part in where if part)
        return f"{self.severity}: {self.kind}: {place + ': ' if place else ''}{self.message}"


class SignalInfo(Section):
    """Where one signal's numbers come from."""

    origin: Origin
    source: str
    """Column or field that was read, conversions included."""
    valid: Fraction = 1.0
    """Share of rows in which every component is a number."""


class SourceFile(Section):
    """A file that was read."""

    name: str
    bytes: Amount
    sha256: str


class TraceHeader(Section):
    """Everything needed to read the columns without the code that wrote them."""

    format: Literal[1] = FORMAT
    name: Name
    robot: Name
    joints: tuple[str, ...]
    """Order of the components of joint signals."""
    feet: tuple[str, ...]
    """Order of the components of foot signals."""
    signals: dict[str, SignalInfo]
    """By name; a signal that is not here is absent from the file."""
    rates_hz: dict[str, float] = Field(default_factory=dict[str, float])
    """Of each topic of the log, before they were merged."""
    clock: str
    """What the stamps are: receipt on the recording computer, header of the message, nominal rate."""
    engine: str = ""
    """That wrote a simulated log; empty for a robot's."""
    profile: str = ""
    profile_sha256: str = ""
    sources: tuple[SourceFile, ...] = ()
    log_sha256: str = ""
    """Of what was imported, as a card has it: a file, or a folder with all its files; empty where nobody said."""
    findings: tuple[TraceFinding, ...] = ()
    content_sha256: str = ""
    """Of stamps and values, whatever the compression; `TraceFile.content_sha256` says how."""
    num_samples: Amount = 0
    rate_hz: float = Field(default=0.0, ge=0)
    """One over the median step of the stamps."""

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        for kind, names in (("joints", self.joints), ("feet", self.feet)):
            if len(set(names)) < len(names):
                raise KeyedError(kind, f"expected every name once, got {list(names)}")
        for name in self.signals:
            if name not in SIGNALS:
                raise KeyedError(f"signals.{name}", f"no such signal. {did_you_mean(name, SIGNALS)}")
        return self

    def columns(self, name: str) -> tuple[str, ...]:
        """The file's columns of a signal."""
        return SIGNALS[name].columns(self.joints, self.feet)

    def to_json(self) -> bytes:
        """Compact JSON, keys sorted."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, content: bytes) -> "TraceHeader":
        """Read what `to_json` wrote.

        Raises:
            ValueError: Not JSON, another format, or a field is missing.
        """
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
