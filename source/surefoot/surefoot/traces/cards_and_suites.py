"""Cards and suites that come with the project: found by name, checked against their data."""

import tempfile
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from surefoot import labs
from surefoot.errors import TraceError, unknown_name
from surefoot.manifest.base import Name, NonNegativeFloat, PositiveFloat, PositiveInt, Section, Seed
from surefoot.manifest.document import document_sha256, read_document
from surefoot.traces.card import TraceCard, read_card
from surefoot.traces.fetch import OFFLINE
from surefoot.traces.header import TraceHeader
from surefoot.traces.importer import file_sha256, import_trace
from surefoot.traces.joint_orders import read_joint_orders
from surefoot.traces.profile import read_profile
from surefoot.traces.trace import Trace
from surefoot.traces.trace_file import read_trace

ReplayMode = Literal["actuator", "open_loop", "torque", "closed_loop"]


CANONICAL = "trace"
"""In place of an import profile: the file is a trace already."""
_OTHER_FILES = ("joint_orders", "sources", "floors")


class SuiteEntry(Section):
    """One trace of a suite."""

    card: Name
    modes: Annotated[tuple[ReplayMode, ...], Field(min_length=1)]
    """Replay modes that it is for; a trace lacks the signals for the others, or they say nothing."""
    seconds: PositiveFloat | None = None
    """s of commands that a policy is run under; none: as many as the log has in one valid piece."""
    note: str = ""


class TraceSuite(Section):
    """Traces that are replayed together: `traces/<name>.yaml`; frozen, a changed one gets a new name."""

    schema_version: Literal[1]
    name: Name
    robot: Name
    description: str
    horizon: PositiveFloat = 0.4
    """s, length of a window."""
    max_windows: PositiveInt = 64
    """Windows of a trace, spread evenly over those that it has."""
    buckets: dict[str, Annotated[tuple[float, ...], Field(min_length=2)]] = Field(
        default_factory=dict[str, tuple[float, ...]]
    )
    """Edges of the factors that a gap is measured in; empty: the task's own randomisation and buckets."""
    alert_above_floor: NonNegativeFloat = 0.15
    """Gap score above the floor of the engine from which on a trace fails."""
    seed: Seed = 0
    """Of the resampling of windows."""
    traces: Annotated[tuple[SuiteEntry, ...], Field(min_length=1)]

    @property
    def sha256(self) -> str:
        """Of the suite itself; cards have their own."""
        return document_sha256(self)


def find_card(root: Path, name: str) -> TraceCard:
    """A card by path, or by name among `traces/cards/`.

    Raises:
        UnknownName: No such card; with the nearest.
        ManifestError: It does not fit the schema.
    """
    if name.endswith((".yaml", ".yml")):
        return read_card(Path(name))
    path = labs.find(root, f"traces/cards/{name}.yaml")
    if path is None:
        raise unknown_name("Trace card", name, card_names(root))
    return read_card(path)


def card_names(root: Path) -> list[str]:
    """Names of the cards in a folder of manifests and in labs."""
    return labs.stems(root, "traces/cards")


def read_suite(root: Path, name: str) -> TraceSuite:
    """A suite by name.

    Raises:
        UnknownName, ManifestError: No such suite or card, a card of another robot, or it does not fit the schema.
    """
    # Suites share their folder with three other files.
    names = [stem for stem in labs.stems(root, "traces") if stem not in _OTHER_FILES]
    path = labs.find(root, f"traces/{name}.yaml") if name not in _OTHER_FILES else None
    if path is None:
        raise unknown_name("Trace suite", name, names)
    suite = read_document(path, TraceSuite)
    for entry in suite.traces:
        card = find_card(root, entry.card)
        if card.robot != suite.robot:
            raise TraceError(f"{path}: card {entry.card!r} is of robot {card.robot!r}, the suite of {suite.robot!r}.")
    return suite


def import_card(card: TraceCard, data: Path, out: Path, root: Path) -> TraceHeader:
    """Import the log that a card describes.

    Args:
        card: Names file, hash and profile.
        data: Folder of the data.
        out: The trace to write.
        root: Folder of the manifests.

    Raises:
        TraceError: The data is absent, is not what the card describes, or was refused.
    """
    log = _checked(card, data)
    profile = read_profile(root, card.data.profile)
    if profile.robot != card.robot:
        raise TraceError(f"card {card.name!r} is of {card.robot!r}, profile {profile.name!r} of {profile.robot!r}.")
    return import_trace(log, out, profile, read_joint_orders(root), name=card.name)


def read_card_trace(card: TraceCard, data: Path, root: Path) -> Trace:
    """The trace of the log that a card describes, imported into a temporary file, or as it is where it is a trace.

    Args:
        card: Names file, hash and profile.
        data: Folder of the data.
        root: Folder of the manifests.

    Raises:
        TraceError: The data is absent, is not what the card describes, or was refused.
    """
    if card.data.profile == CANONICAL:
        trace = read_trace(_checked(card, data))
        trace.require_robot(card.robot)
        return trace
    with tempfile.TemporaryDirectory(prefix="surefoot-trace-") as folder:
        path = Path(folder) / f"{card.name}.parquet"
        import_card(card, data, path, root)
        return read_trace(path)


def _checked(card: TraceCard, data: Path) -> Path:
    """The card's file, with the card's hash."""
    log = data / card.data.file
    if not log.exists():
        raise TraceError(
            f"{log}: no such file; card {card.name!r} describes it. Set {OFFLINE} to the folder that has it; "
            "surefoot fetch-traces downloads public ones."
        )
    # Before it is imported: gains and segments of the card are those of exactly this file.
    found = file_sha256(log)
    if found != card.data.sha256:
        raise TraceError(f"{log}: sha256 {found}, its card says {card.data.sha256}; another file, or damaged.")
    return log


def check_card(card: TraceCard, data: Path, root: Path) -> str:
    """Import a card's data into a temporary folder and say what was found.

    Raises:
        TraceError: The data does not fit the card.
    """
    header = read_card_trace(card, data, root).header
    origin = header.signals["tau"].origin if "tau" in header.signals else "absent"
    if origin != card.torque:
        raise TraceError(f"card {card.name!r} says torque is {card.torque}, profile {header.profile!r} says {origin}.")
    if card.content_sha256 is not None and header.content_sha256 != card.content_sha256:
        raise TraceError(
            f"card {card.name!r}: imported content has sha256 {header.content_sha256}, the card says "
            f"{card.content_sha256}; the profile or the importer has changed."
        )
    lines = [f"{card.name}: data and card agree ({header.num_samples} samples, licence {card.licence})"]
    return "\n".join(lines + [f"  {finding}" for finding in header.findings])
