"""Replay of one trace in every randomisation bucket of a task, from files to numbers."""

import itertools
import math
from dataclasses import dataclass

import numpy as np
import torch

from surefoot.engines.base import make_env, physics_name
from surefoot.errors import TraceError
from surefoot.machine import Machine
from surefoot.manifest import Manifest, validate
from surefoot.manifest.factors import FACTORS
from surefoot.manifest.terrain_classes import TERRAIN_CLASS
from surefoot.randomization.buckets import bucket_labels
from surefoot.randomization.conditions import Conditions, Kicks, Timetable
from surefoot.replay import gap as gaps
from surefoot.replay.base_motion import BaseMotion, base_motion
from surefoot.replay.bucket_evidence import BucketEvidence, bucket_centres, compare_buckets
from surefoot.replay.contact_timing import ContactTiming, contact_timing
from surefoot.replay.motors import sample_gains
from surefoot.replay.replay_modes import NEEDS, Mode, replay_windows
from surefoot.replay.window_rollout import Replay, Replayed
from surefoot.replay.windows import Windows
from surefoot.traces.card import Gains, TraceCard
from surefoot.traces.trace import FloatArray, Trace

MAX_ENVS = 4096
"""Environments of one batch."""
MAX_LEAD = 0.1
"""s."""


@dataclass(frozen=True)
class ReplayResult:
    """What replaying a trace gave.

    Attributes:
        engine: With its backend.
        manifest: As replayed: gains of the log, no delays or noise of its own.
        labels: Of the buckets.
        values: Factor values of each bucket. Shape (B,) each.
        coverage: Share of time inside the buckets' 5-95 % band, by signal. Shape (c,).
        excess: Mean distance from the band where outside it, in the signal's unit. Shape (c,).
        persistence: Score of leaving everything as it was at the window's start.
    """

    trace: Trace
    mode: Mode
    engine: str
    manifest: Manifest
    windows: Windows
    base: BaseMotion
    replayed: Replayed
    gap: gaps.Gap
    evidence: BucketEvidence
    labels: tuple[str, ...]
    values: dict[str, FloatArray]
    coverage: dict[str, FloatArray]
    excess: dict[str, FloatArray]
    persistence: float
    lead: float
    """s that the log's commands were taken to be in force before their stamps."""
    contact: ContactTiming
    """Of the best bucket."""
    broken: int
    """Windows left out because the simulation of a bucket was not finite, or its simulator reported a fault."""


def replay_manifest(manifest: Manifest, gains: Gains | None = None) -> Manifest:
    """The manifest that a log is replayed with: the task's robot, physics and factors, with the log's own gains.

    Args:
        manifest: The task.
        gains: Stiffness and damping of the log, if it or its card says them; otherwise the robot definition's.
    """
    plain = manifest.to_plain()
    if gains is not None:
        for joint in plain["robot"]["joints"]:
            joint["stiffness"], joint["damping"] = gains.stiffness.value, gains.damping.value
    plain["randomization"]["bucket_by"] = [name for name in manifest.randomization.bucket_by if name != TERRAIN_CLASS]
    plain["task"]["actions"]["delay_steps"] = [0, 0]  # delays come from the factor and are kept in the replay
    for group in ("actor", "critic"):
        # Nobody observes: noise would only cost draws.
        plain["task"]["observations"][group]["noise"] = False
    factors = plain["randomization"]["factors"]
    # Without noise its level has nothing to scale.
    factors.pop("noise_level", None)
    # The replay delays targets itself, bucket by bucket: by 0 where the task has no such factor. It stays in the
    # manifest, whose hash goes into reports.
    factors.setdefault("control_delay", {"edges": [0, 0], "mode": "startup"})
    return validate(plain, source="replay")


def run_replay(
    trace: Trace,
    manifest: Manifest,
    *,
    mode: Mode,
    machine: Machine = Machine(),
    card: TraceCard | None = None,
    horizon: float = 0.4,
    lead: float = 0.0,
    max_envs: int = MAX_ENVS,
    max_windows: int | None = None,
    seed: int = 0,
) -> ReplayResult:
    """Replay a trace in all buckets of a manifest at once.

    Args:
        trace: The log.
        manifest: Task whose robot, physics and buckets are used.
        mode: See `surefoot.replay.window_rollout`.
        machine: Where it is simulated.
        card: Segments and gains.
        horizon: s, length of a window.
        lead: s that the log's commands were in force before their stamps; at most 0.1.
        max_envs: Environments of one batch, at least one window of all buckets.
        max_windows: Windows that are replayed, spread evenly over those that can be; default: all.
        seed: Of the resampling.

    Raises:
        TraceError: Another robot, a signal missing for the mode, another log's card, no valid window.
    """
    trace.require_robot(manifest.robot.name)
    trace.require(*NEEDS[mode], purpose=f"mode {mode}")
    _check(trace, card, horizon, lead)
    manifest = replay_manifest(manifest, card.gains if card is not None else None)
    labels, values = bucket_values(manifest)
    windows = replay_windows(
        trace, manifest, mode, horizon=horizon, lead=lead, delays=values["control_delay"], card=card
    )
    windows = windows.thinned(max_windows) if max_windows is not None else windows
    at_once = min(len(windows), max(1, max_envs // len(labels)))
    conditions = bucket_conditions(values, at_once)
    env = make_env(machine, manifest, evaluation=True, conditions=conditions, single_steps=True)
    try:
        base = base_motion(trace, env, level=True)
        # Applied by the replay, for each physics step, with the log's own targets from before a window's start.
        delay = torch.tensor(np.tile(values["control_delay"], at_once)).long()
        gains = sample_gains(trace, manifest.robot, card)
        replayed = Replay(env, len(labels), delay, lead=lead).run(trace, base, windows, mode, gains)
    finally:
        env.close()
    return _judge(trace, mode, machine.engine, manifest, windows, base, replayed, labels, values, lead, seed)


def _check(trace: Trace, card: TraceCard | None, horizon: float, lead: float) -> None:
    # Written so that NaN is refused too.
    if not abs(lead) <= MAX_LEAD:
        raise TraceError(f"lead: expected at most {MAX_LEAD:g} s either way, got {lead:g} s.")
    if not 0 < horizon < math.inf:
        raise TraceError(f"horizon: expected more than 0 s, got {horizon:g} s.")
    sources, log = trace.header.sources, trace.header.log_sha256
    # Where nobody said, a trace of one file has the hash of that file.
    log = log or (sources[0].sha256 if len(sources) == 1 else "")
    if card is not None and log and log != card.data.sha256:
        raise TraceError(
            f"{trace.path}: imported from {', '.join(file.name for file in sources)}, but card {card.name!r} is of "
            f"{card.data.file}, or of "
            "another version of it (SHA-256 differ). Its segments and gains would be another log's; take its own card."
        )


def bucket_values(manifest: Manifest) -> tuple[tuple[str, ...], dict[str, FloatArray]]:
    """Labels of the buckets and the value of every factor in each: the middle of the bucket's interval.

    A factor that forms no buckets has the middle of its whole range.
    """
    randomization = manifest.randomization
    by, factors = randomization.bucket_by, randomization.factors
    centres = {
        name: bucket_centres(
            tuple(factor.edges) if name in by else (factor.edges[0], factor.edges[-1]), FACTORS[name].whole
        )
        for name, factor in factors.items()
    }
    combinations = list(itertools.product(*(centres[name] for name in by)))
    columns = {name: np.array([row[index] for row in combinations]) for index, name in enumerate(by)}
    for name in factors:
        columns.setdefault(name, np.full(len(combinations), centres[name][0]))
    return bucket_labels(randomization), columns


def bucket_conditions(values: dict[str, FloatArray], windows: int) -> Conditions:
    """Impose the factors: all buckets for the first window, all for the second, and so on. Values of shape (B,)."""
    count = windows * len(next(iter(values.values())))
    # A kick at infinity is none.
    nothing = torch.full((count, 1), math.inf)
    return Conditions(
        keys=torch.zeros(count, dtype=torch.int64),
        factors={name: torch.tensor(np.tile(column, windows), dtype=torch.float32) for name, column in values.items()},
        tiles=torch.zeros(count, dtype=torch.int64),
        kicks=Kicks(nothing, torch.full((count, 1), math.nan), torch.zeros(count, 1, 3)),
        timetable=Timetable(torch.zeros(count, 1), torch.zeros(count, 1, 3)),
    )


def _judge(
    trace: Trace,
    mode: Mode,
    engine: str,
    manifest: Manifest,
    windows: Windows,
    base: BaseMotion,
    replayed: Replayed,
    labels: tuple[str, ...],
    values: dict[str, FloatArray],
    lead: float,
    seed: int,
) -> ReplayResult:
    good = gaps.valid_windows(replayed.simulated)
    if not good.any():
        raise TraceError(f"{trace.path}: the simulation broke in every window; check the trace's units and gains.")
    kept = Replayed(
        {name: rows[good] for name, rows in replayed.first.items()},
        {name: rows[:, good] for name, rows in replayed.real.items()},
        {name: rows[:, :, good] for name, rows in replayed.simulated.items()},
        None if replayed.touching is None else replayed.touching[:, :, good],
    )
    windows = Windows(windows.start[good], windows.num_steps, windows.step_dt, windows.dropped)
    measured = gaps.measure(kept.real, kept.simulated)
    randomization = manifest.randomization
    radices = tuple(randomization.factors[name].num_intervals for name in randomization.bucket_by)
    evidence = compare_buckets(measured.window, randomization.bucket_by, radices, np.random.default_rng(seed))
    return ReplayResult(
        trace=trace,
        mode=mode,
        engine=physics_name(engine),
        manifest=manifest,
        windows=windows,
        base=base,
        replayed=kept,
        gap=measured,
        evidence=evidence,
        labels=labels,
        values=values,
        coverage={name: gaps.coverage(kept.real[name], kept.simulated[name]) for name in kept.real},
        excess={name: gaps.excess(kept.real[name], kept.simulated[name]) for name in kept.real},
        persistence=gaps.persistence(kept.first, kept.real),
        lead=lead,
        contact=_contact(trace, manifest, windows, kept, evidence.best),
        broken=int((~good).sum()),
    )


def _contact(trace: Trace, manifest: Manifest, windows: Windows, replayed: Replayed, bucket: int) -> ContactTiming:
    if replayed.touching is None:
        return ContactTiming("", {})
    feet = [foot.name for foot in manifest.robot.feet]
    touching = replayed.touching[:, bucket]
    return contact_timing(trace, windows, touching, manifest.simulation.timestep, feet)
