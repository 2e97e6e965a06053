"""What is left of the gap score where nothing differs but the engine: the floor that a score stands on.

A log that an engine wrote, replayed on it, has gap 0; on another engine, what the two disagree about. A robot's log is
judged as if the reference engine had written it: what two simulators disagree about by, no robot can be blamed for.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from surefoot.engines.base import make_env, physics_name
from surefoot.errors import TraceError
from surefoot.files import write_atomically
from surefoot.machine import Machine
from surefoot.manifest import Manifest, validate
from surefoot.manifest.base import Name, NonNegativeFloat, PositiveFloat, PositiveInt, Section
from surefoot.manifest.document import document_text, read_document
from surefoot.replay import gap as gaps
from surefoot.replay.replay_modes import NEEDS, Mode
from surefoot.replay.simulated import simulated_logs
from surefoot.replay.trace_run import ReplayResult, bucket_conditions, bucket_values, replay_manifest, run_replay
from surefoot.traces.header import TraceHeader
from surefoot.traces.trace import FloatArray, Trace

REFERENCE = "mujoco"
"""Stands for the writer of a robot's log."""
FILE_NAME = "floors.yaml"
_COMMENT = "# Floors of the gap score (docs/replay.md); surefoot replay-floor measures them and adds entries.\n"


class Floor(Section):
    """One measurement."""

    robot: Name
    task: str
    writer: str
    """Engine that wrote the log."""
    engine: str
    """Engine that replayed it, with its backend (`surefoot.engines.base.physics_name`)."""
    contact_model: Name
    """Of both: engines that agree on one may differ on another."""
    score_version: PositiveInt
    horizon: PositiveFloat
    """s, length of a window."""
    windows: PositiveInt
    scores: Annotated[dict[Mode, NonNegativeFloat], Field(min_length=1)]
    """Gap score by mode."""
    measured: str
    """With what, and when."""


class Floors(Section):
    """The file `traces/floors.yaml`; the last entry of a kind counts."""

    schema_version: Literal[1]
    floors: tuple[Floor, ...] = ()

    def score(
        self,
        task: Manifest,
        writer: str,
        engine: str,
        mode: Mode,
        horizon: float,
        version: int = gaps.SCORE_VERSION,
    ) -> float | None:
        """Floor of a score; 0 on the engine that wrote the log, None where nobody has measured it.

        Args:
            task: Its robot and contact model count.
            writer: Engine that wrote the log, with its backend.
            engine: Engine that replays it, with its backend.
            mode: What is given.
            horizon: s, length of a window: what two engines disagree about by grows with it.
            version: Of the score.
        """
        if writer == engine:
            return 0.0
        wanted = (task.robot.name, task.simulation.contact_model, writer, engine, version)
        for entry in reversed(self.floors):
            found = (entry.robot, entry.contact_model, entry.writer, entry.engine, entry.score_version)
            if found == wanted and abs(entry.horizon - horizon) < 1e-6 and mode in entry.scores:
                return entry.scores[mode]
        return None


def writer_of(header: TraceHeader) -> str:
    """The engine that wrote a simulated log; for a robot's, the reference."""
    return header.engine or REFERENCE


def read_floors(root: Path) -> Floors:
    """From a folder of manifests; empty where it has none.

    Raises:
        ManifestError: It does not fit the schema.
    """
    path = root / "traces" / FILE_NAME
    return read_document(path, Floors) if path.is_file() else Floors(schema_version=1)


def add_floor(path: Path, floor: Floor) -> None:
    """Add an entry to a file of floors, or begin one.

    Raises:
        ManifestError: The file does not fit the schema.
        RunFolderError: The file cannot be written.
    """
    before = read_document(path, Floors).floors if path.is_file() else ()

    def kind(entry: Floor) -> tuple[str | float, ...]:
        names = (entry.robot, entry.task, entry.writer, entry.engine, entry.contact_model)
        return *names, entry.score_version, entry.horizon

    kept = [entry for entry in before if kind(entry) != kind(floor)]
    write_atomically(path, (_COMMENT + document_text(Floors(schema_version=1, floors=(*kept, floor)))).encode())


def nominal(manifest: Manifest) -> Manifest:
    """The task with one bucket: the robot as its definition says, starting from the default pose."""
    plain = manifest.to_plain()
    # Nothing is drawn: a floor is about two engines, not about a robot that the randomisation made.
    plain["randomization"] |= {"factors": {}, "bucket_by": []}
    for name in ("position_xy", "yaw", "lin_vel", "ang_vel", "joint_pos", "joint_vel"):
        plain["task"]["resets"][name] = [0.0, 0.0]
    return validate(plain, source="floor")


def floor_targets(manifest: Manifest, seconds: float = 2.4) -> FloatArray:
    """Joint targets at physics steps, new ones at control steps: a trot on the spot, other robots sway a little.

    Returns:
        rad, canonical joint order. Shape (K, J).
    """
    robot, simulation = manifest.robot, manifest.simulation
    count, joints = round(seconds / simulation.timestep), len(robot.joints)
    # Held over a control step, as a policy's targets are.
    time = np.arange(count) // simulation.decimation * simulation.step_dt
    legs = len(robot.feet)
    if legs == 4 and joints == 12:
        size, shift = np.tile([0.05, 0.2, 0.25], 4), 2 * np.pi * np.repeat([0.0, 0.5, 0.5, 0.0], 3)
        shift = shift + np.tile([0.0, 0.0, 1.2], 4)
    else:
        size, shift = np.full(joints, 0.03), np.pi * (np.arange(joints) % 2)
    grows = np.clip(time / 0.4, 0.0, 1.0)[:, None]  # from the default pose, without a jerk
    targets = np.array(robot.default_joint_pos) + grows * size * np.sin(4 * np.pi * time[:, None] + shift)
    # As engines keep them; otherwise the log's targets are not those that were given.
    return targets.astype(np.float32).astype(float)


def write_floor_log(manifest: Manifest, machine: Machine) -> Trace:
    """A log of the nominal robot, written by an engine."""
    ready = replay_manifest(nominal(manifest))
    _, values = bucket_values(ready)
    conditions = bucket_conditions(values, windows=1)
    env = make_env(machine, ready, evaluation=True, conditions=conditions, single_steps=True)
    try:
        return simulated_logs(env, floor_targets(ready), name="floor", engine=machine.engine)[0]
    finally:
        env.close()


def measure_floor(
    trace: Trace,
    manifest: Manifest,
    machine: Machine,
    *,
    measured: str,
    modes: Sequence[Mode] = tuple(NEEDS),
    horizon: float = 0.4,
) -> Floor:
    """Replay a simulated log in the nominal bucket of an engine.

    Raises:
        TraceError: The log is not simulated, does not say by which engine, or is of another robot.
    """
    if not trace.header.engine:
        raise TraceError(f"{trace.path}: a floor needs a log that an engine wrote, and this one does not name it.")
    results: dict[Mode, ReplayResult] = {
        mode: run_replay(trace, nominal(manifest), mode=mode, machine=machine, horizon=horizon) for mode in modes
    }
    first = next(iter(results.values()))
    scores: dict[Mode, float] = {mode: float(result.gap.scores[0]) for mode, result in results.items()}
    return Floor(
        robot=manifest.robot.name,
        task=manifest.name,
        writer=trace.header.engine,
        engine=physics_name(machine.engine),
        contact_model=manifest.simulation.contact_model,
        score_version=gaps.SCORE_VERSION,
        horizon=horizon,
        windows=len(first.windows),
        scores=scores,
        measured=measured,
    )
