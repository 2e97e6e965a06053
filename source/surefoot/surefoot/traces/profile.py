"""Import profiles: which column or message field is which signal, in which unit. YAML in `traces/formats/`."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from surefoot import labs
from surefoot.errors import did_you_mean, unknown_name
from surefoot.manifest.base import KeyedError, Name, NonNegativeFloat, PositiveFloat, Section
from surefoot.manifest.document import document_sha256, read_document
from surefoot.traces.header import Origin
from surefoot.traces.signals import SIGNALS
from surefoot.traces.units import factor

_FOLDER = "traces/formats"

Merge = Literal["nearest", "hold", "interp"]
"""Sample at a stamp of the base topic: the nearest one, the last one before it, or linear between the two around it."""


class SignalSource(Section):
    """Where a signal's numbers stand in one topic.

    `{joint}`, `{foot}` and `{axis}` in `field` stand for each component's name: one column each. A field without them
    holds all components as an array; an array of joints needs `order`, or `names`.
    """

    field: str | tuple[str, ...]
    """Column, array, or field of a message (`imu_state.gyroscope`, `motor_state.q`); a list names each component's."""
    unit: str
    origin: Origin
    order: str | None = None
    """Joint order of an array, from `joint_orders.yaml`; an array may be longer (unused motors)."""
    names: str | None = None
    """Field with the joints' names, as in sensor_msgs/JointState."""
    convert: Literal["none", "rpy"] = "none"
    """rpy: roll, pitch, yaw (rotations about fixed x, y, z in that order) to a quaternion."""
    scale: float = 1.0
    """Factor beside the unit's, for raw counts."""
    merge: Merge | None = None
    """Where it differs from the topic's."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.order is not None and self.names is not None:
            raise KeyedError("names", "expected either an order or the field with the names, got both")
        return self


class Stamp(Section):
    """The clock of a topic."""

    field: str
    """Column or message field; `receipt`: when a bag received the message; `header`: its `header.stamp`."""
    unit: Literal["s", "ms", "us", "ns"] = "ns"
    check: str | None = None
    """A second clock to compare with (a counter of the robot): jumps and drift are found by it."""
    check_unit: Literal["s", "ms", "us", "ns"] = "ns"


class Topic(Section):
    """One table, or one topic of a bag."""

    file: str = "*"
    """For tables: pattern of the file's name. Ignored when the log is one file."""
    topic: str = ""
    """For bags: name of the topic."""
    type: str = ""
    """For bags: message type, `package/msg/Name`."""
    columns: tuple[str, ...] = ()
    """For CSV without a header line: names of all columns in their order; `{joint}` is each joint of `order`."""
    order: str | None = None
    """Joint order of `{joint}` in `columns`."""
    stamp: Stamp
    merge: Merge = "nearest"
    """How its samples come to the stamps of the base topic; the base topic's own value is not used."""
    tolerance: PositiveFloat = 0.1
    """s; a sample further away counts as missing."""
    optional: bool = False
    """Whether a log may lack it."""
    clock_offset: float = 0.0
    """s, added to the stamps."""
    signals: Annotated[dict[str, SignalSource], Field(min_length=1)]


class Mount(Section):
    """Where a motion-capture body sits on the base."""

    pos: tuple[float, float, float]
    """m, base frame."""
    quat: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)
    """w, x, y, z; turns vectors of the captured body into the base frame."""
    source: str


class ImportProfile(Section):
    """How logs of one format are read."""

    schema_version: Literal[1]
    name: Name
    description: str
    robot: Name
    joints: str
    """Joint order of the trace that is written, from `joint_orders.yaml`."""
    joint_suffix: str = ""
    """What the log's joint names lack against the order's (`_joint`)."""
    feet: tuple[str, ...]
    """Names, in the order of the log's arrays."""
    base: str
    """Topic whose stamps the trace has."""
    clock: str
    """What the stamps are."""
    sentinels: tuple[float, ...] = ()
    """Numbers that mean a missing sample, before conversion; equal to one part in 10^6."""
    mount: Mount | None = None
    joint_limit: PositiveFloat = 12.6
    """rad; positions and targets beyond it mean a wrong unit."""
    gap: NonNegativeFloat = 5.0
    """A step of the base topic longer than this many median steps is a gap."""
    topics: Annotated[dict[str, Topic], Field(min_length=1)]

    @property
    def sha256(self) -> str:
        """Of the profile."""
        return document_sha256(self)

    @model_validator(mode="after")
    def _check_signals(self) -> Self:
        if self.base not in self.topics:
            raise KeyedError("base", f"{self.base!r} is not among the topics. {did_you_mean(self.base, self.topics)}")
        seen: dict[str, str] = {}
        for topic_name, topic in self.topics.items():
            for name, source in topic.signals.items():
                key = f"topics.{topic_name}.signals.{name}"
                if name not in SIGNALS:
                    raise KeyedError(key, f"no such signal. {did_you_mean(name, SIGNALS)}")
                if name in seen:
                    raise KeyedError(key, f"topic {seen[name]!r} gives it already")
                seen[name] = topic_name
                self._check_source(key, name, source)
            if any("{joint}" in column for column in topic.columns) and topic.order is None:
                raise KeyedError(f"topics.{topic_name}.order", "columns with {joint} need a joint order")
        return self

    def _check_source(self, key: str, name: str, source: SignalSource) -> None:
        signal = SIGNALS[name]
        if source.convert == "rpy":
            if signal.along != "wxyz":
                raise KeyedError(f"{key}.convert", f"rpy gives a quaternion; {name!r} is none")
            if source.unit not in ("rad", "deg"):
                raise KeyedError(f"{key}.unit", f"expected rad or deg for roll, pitch, yaw, got {source.unit!r}")
            return
        try:
            # Raw counts have no unit of their own; `scale` says what they are worth.
            if source.unit != "raw":
                factor(signal, source.unit)
        except ValueError as error:
            raise KeyedError(f"{key}.unit", str(error)) from None
        named = not isinstance(source.field, str) or "{" in source.field
        if signal.along == "joint" and not named and source.order is None and source.names is None:
            raise KeyedError(f"{key}.order", "an array of joints needs an order, or a field with the joints' names")


def read_profile(root: Path, name: str) -> ImportProfile:
    """Read a profile by name, or by path where `name` is one.

    Raises:
        UnknownName: No such profile.
        ManifestError: It does not fit the schema.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else labs.find(root, f"{_FOLDER}/{name}.yaml")
    if path is None or not path.is_file():
        raise unknown_name("Import profile", name, profile_names(root))
    return read_document(path, ImportProfile)


def profile_names(root: Path) -> list[str]:
    """Profiles in a folder of manifests and in labs."""
    return labs.stems(root, _FOLDER)
