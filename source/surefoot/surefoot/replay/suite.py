"""A trace suite made ready for a task: everything that can be refused is refused before a simulator starts."""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from surefoot.engines.base import load_engine, physics_name
from surefoot.errors import ManifestError, SurefootError, TraceError, did_you_mean
from surefoot.manifest import Manifest, validate
from surefoot.manifest.document import document_sha256
from surefoot.replay.closed_loop import NEEDS as CLOSED_LOOP_NEEDS
from surefoot.replay.closed_loop import longest_window
from surefoot.replay.floor import Floors, read_floors, writer_of
from surefoot.replay.replay_modes import NEEDS, replay_windows
from surefoot.replay.trace_run import MAX_ENVS, bucket_values, replay_manifest
from surefoot.traces.card import TraceCard
from surefoot.traces.cards_and_suites import (
    CANONICAL,
    SuiteEntry,
    TraceSuite,
    find_card,
    read_card_trace,
    read_suite,
)
from surefoot.traces.fetch import OFFLINE
from surefoot.traces.joint_orders import read_joint_orders
from surefoot.traces.profile import read_profile
from surefoot.traces.trace import Trace

DEFAULT_DATA = Path("runs/traces")
"""Where `surefoot fetch-traces` puts what it downloads."""


@dataclass(frozen=True)
class ReadyTrace:
    """One trace of a suite, imported."""

    entry: SuiteEntry
    card: TraceCard
    trace: Trace


@dataclass(frozen=True)
class ReadySuite:
    """A suite with its cards.

    Attributes:
        sha256: Of everything that decides what it measures: suite, cards with the data's hashes, profiles, joint
            orders, floors.
        data: Folder of the data.
    """

    suite: TraceSuite
    cards: tuple[TraceCard, ...]
    floors: Floors
    sha256: str
    root: Path
    data: Path

    def traces(self) -> Iterator[ReadyTrace]:
        """Import and read one trace after the other.

        Raises:
            TraceError: The data is absent or not what the card describes; names the key.
        """
        for index, (entry, card) in enumerate(zip(self.suite.traces, self.cards, strict=True)):
            with PlaceInSuite(self.suite, index):
                trace = read_card_trace(card, self.data, self.root)
            yield ReadyTrace(entry, card, trace)


class PlaceInSuite:
    """Puts the place in the suite before the message of an error."""

    def __init__(self, suite: TraceSuite, index: int, key: str = "") -> None:
        self._where = f"suite {suite.name}: traces.{index}{f'.{key}' if key else ''} ({suite.traces[index].card})"

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, SurefootError):
            raise TraceError(f"{self._where}: {error}") from error


def data_folder() -> Path:
    """Folder of the logs: the environment variable `SUREFOOT_TRACES`, else where they are downloaded to; absolute."""
    return Path(os.environ.get(OFFLINE) or DEFAULT_DATA).resolve()


def ready_suite(name: str, root: Path, data: Path, engine: str) -> ReadySuite:
    """Look up a suite and all that it names; no data is read.

    Args:
        name: Of the suite.
        root: Folder of the manifests.
        data: Folder of the data.
        engine: Whose floors count.

    Raises:
        UnknownName, ManifestError, TraceError: It does not exist, or does not fit the schema.
    """
    suite = read_suite(root, name)
    cards = tuple(find_card(root, entry.card) for entry in suite.traces)
    physics = physics_name(engine)
    # Only this engine's: a floor measured for another one must not change the suite's hash here.
    floors = tuple(floor for floor in read_floors(root).floors if floor.engine == physics)
    floors = Floors(schema_version=1, floors=floors)
    profiles = {card.data.profile for card in cards} - {CANONICAL}
    parts = {
        "suite": suite.sha256,
        "cards": [card.sha256 for card in cards],
        "profiles": [document_sha256(read_profile(root, name)) for name in sorted(profiles)],
        "joint_orders": document_sha256(read_joint_orders(root)),
        "floors": document_sha256(floors),
    }
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    return ReadySuite(suite, cards, floors, digest, root, data)


def suite_task(suite: TraceSuite, task: Manifest) -> Manifest:
    """The task with the suite's buckets, where it has any.

    Raises:
        ManifestError: A factor or an edge that no task can have.
    """
    if not suite.buckets:
        return task
    plain = task.to_plain()
    factors = {name: {"edges": list(edges), "mode": "startup"} for name, edges in suite.buckets.items()}
    plain["randomization"] |= {"factors": factors, "bucket_by": list(factors)}
    return validate(plain, source=f"suite {suite.name}: buckets")


def check_suite(ready: ReadySuite, task: Manifest, engine: str) -> tuple[str, ...]:
    """See that a suite can be replayed with a task on an engine; every log is imported once.

    Returns:
        What the person who starts the run should know.

    Raises:
        TraceError: With the suite, the key in it, and the reason.
        ManifestError: Its buckets do not fit.
    """
    suite, robot = ready.suite, task.robot
    if suite.robot != robot.name:
        raise TraceError(
            f"suite {suite.name}: robot: it has logs of {suite.robot!r}, and task {task.name} has {robot.name!r}. "
            "Schedule a suite of that robot."
        )
    manifest, known = suite_task(suite, task), load_engine(engine).FACTORS
    for name in suite.buckets:
        if name not in known:
            raise ManifestError(
                f"engine {engine!r} has no such factor. {did_you_mean(name, known)}",
                f"suite {suite.name}: buckets.{name}",
            )
    if (count := len(bucket_values(replay_manifest(manifest))[0])) > MAX_ENVS:
        raise ManifestError(f"expected at most {MAX_ENVS} of them, got {count}", f"suite {suite.name}: buckets")
    unknown, physics = list[str](), physics_name(engine)
    for index, found in enumerate(ready.traces()):
        with PlaceInSuite(suite, index, "modes"):
            check_trace(found, suite, manifest)
        writer = writer_of(found.trace.header)
        for mode in found.entry.modes:
            if mode != "closed_loop" and ready.floors.score(task, writer, physics, mode, suite.horizon) is None:
                unknown.append(f"{found.card.name}/{mode}")
    if not unknown:
        return ()
    return (
        f"{suite.name}: engine {physics} has no measured floor for {', '.join(unknown)}: those gaps are shown and "
        "not judged (surefoot replay-floor measures floors)",
    )


def check_trace(found: ReadyTrace, suite: TraceSuite, task: Manifest) -> None:
    """See that a trace has the signals, joints and windows for its modes.

    Raises:
        TraceError: It does not.
    """
    trace, card, joints = found.trace, found.card, task.robot.joint_names
    trace.require_robot(task.robot.name)
    if "closed_loop" in found.entry.modes and not (trace.has("base_quat_w") or trace.has("imu_quat")):
        raise TraceError("mode closed_loop needs the base's orientation: base_quat_w or imu_quat; neither is there.")
    step_dt = task.simulation.step_dt
    for mode in found.entry.modes:
        needs = CLOSED_LOOP_NEEDS if mode == "closed_loop" else NEEDS[mode]
        trace.require(*needs, purpose=f"mode {mode}")
        # The command has no joints.
        for name in (name for name in needs if name != "command"):
            trace.indices(name, joints)
        if mode == "closed_loop":
            longest_window(trace, step_dt, card, found.entry.seconds)
        else:
            delays = bucket_values(replay_manifest(task))[1]["control_delay"]
            replay_windows(trace, task, mode, horizon=suite.horizon, delays=delays, card=card)
