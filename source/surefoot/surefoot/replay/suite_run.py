"""A trace suite with a policy: gaps of the simulator, and the policy under the logs' commands.

A gap is a matter of log, task and engine, not of the policy: it is measured once and read from then on.
"""

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast

from surefoot.engines.base import physics_name
from surefoot.errors import SurefootError
from surefoot.files import write_atomically
from surefoot.machine import Machine
from surefoot.manifest import Manifest
from surefoot.reading import MAX_RECORD, parse_json, read_bytes
from surefoot.replay import closed_loop, gap_report
from surefoot.replay import gap as gaps
from surefoot.replay.floor import writer_of
from surefoot.replay.plots import draw
from surefoot.replay.replay_modes import Mode
from surefoot.replay.suite import ReadySuite, ReadyTrace, suite_task
from surefoot.replay.trace_run import run_replay
from surefoot.reporting import finite

Verdict = Literal["pass", "fail", "unknown"]


@dataclass
class SuiteReport:
    """What a suite came to.

    Attributes:
        replays: One for each trace and mode but the closed loop: the replay's report with floor, limit and verdict.
        policies: One for each closed loop.
        reasons: Traces and modes that could not be measured.
    """

    replays: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    policies: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    reasons: list[str] = field(default_factory=list[str])

    def to_plain(self) -> dict[str, Any]:
        """As plain values."""
        return {"schema_version": 1, "replays": self.replays, "policies": self.policies, "reasons": self.reasons}


@dataclass(frozen=True)
class _Setting:
    """What all replays of a suite share."""

    ready: ReadySuite
    task: Manifest
    machine: Machine
    seed: int
    out: Path
    kept: Path


def run_suite(
    ready: ReadySuite,
    task: Manifest,
    checkpoint: Path,
    *,
    machine: Machine,
    seed: int | None,
    out: Path,
    kept: Path,
) -> SuiteReport:
    """Replay every trace of a suite, and run a policy under the commands of those that have them.

    Args:
        ready: The suite.
        task: Whose robot, physics and randomisation are used.
        checkpoint: The policy.
        machine: Where it is simulated.
        seed: Of the resampling, in place of the suite's.
        out: Folder for pictures.
        kept: Folder of gaps that were measured before.

    Raises:
        TraceError: The data is not what the suite describes.
        CheckpointError: The checkpoint does not fit.
    """
    # With its backend: a gap that is kept is one engine's.
    suite, machine = ready.suite, replace(machine, engine=physics_name(machine.engine))
    seed = suite.seed if seed is None else seed
    setting = _Setting(ready, suite_task(suite, task), machine, seed, out, kept)
    found = SuiteReport()
    for one in ready.traces():
        for mode in one.entry.modes:
            try:
                if mode == "closed_loop":
                    found.policies.append(_policy(setting, one, checkpoint))
                else:
                    found.replays.append(_judged(setting, one, _gap(setting, one, mode)))
            # One trace that cannot be measured leaves the others' numbers standing, and the report not valid.
            except SurefootError as error:
                found.reasons.append(f"{one.card.name}/{mode}: {error}")
    return found


def _policy(setting: _Setting, one: ReadyTrace, checkpoint: Path) -> dict[str, Any]:
    result = closed_loop.run_closed_loop(
        one.trace,
        checkpoint,
        machine=setting.machine,
        card=one.card,
        seconds=one.entry.seconds,
    )
    plain = closed_loop.to_plain(result) | {"trace": one.card.name, "outcome": one.card.outcome}
    return cast("dict[str, Any]", finite(plain))


def _gap(setting: _Setting, one: ReadyTrace, mode: Mode) -> dict[str, Any]:
    """The report of a replay, from the file where it was measured before."""
    path = setting.kept / f"{_key(setting, one, mode)}.json"
    before = _read(path)
    if before is not None:
        return before
    suite = setting.ready.suite
    result = run_replay(
        one.trace,
        setting.task,
        mode=mode,
        machine=setting.machine,
        card=one.card,
        horizon=suite.horizon,
        max_windows=suite.max_windows,
        seed=setting.seed,
    )
    best = result.evidence.best
    alone = {name: values[:, best] for name, values in result.replayed.simulated.items()}
    low, high = gaps.score_interval(result.replayed.real, alone)
    plain: dict[str, Any] = gap_report.to_plain(result) | {
        "low": low,
        "high": high,
        "writer": writer_of(one.trace.header),
    }
    draw(result, setting.out / one.card.name)
    setting.kept.mkdir(parents=True, exist_ok=True)
    # At once, so that a job that is killed later goes on from here.
    write_atomically(path, json.dumps({"sha256": _digest(plain), "report": plain}).encode())
    return plain


def _judged(setting: _Setting, one: ReadyTrace, plain: dict[str, Any]) -> dict[str, Any]:
    """With floor, limit and verdict."""
    suite = setting.ready.suite
    floor = setting.ready.floors.score(setting.task, plain["writer"], plain["engine"], plain["mode"], suite.horizon)
    limit = None if floor is None else floor + suite.alert_above_floor
    verdict: Verdict = "unknown" if limit is None else "fail" if plain["score"] > limit else "pass"
    return plain | {"trace": one.card.name, "floor": floor, "limit": limit, "verdict": verdict}


def _key(setting: _Setting, one: ReadyTrace, mode: Mode) -> str:
    """Of everything that a gap depends on."""
    suite, task = setting.ready.suite, setting.task.to_plain()
    # Rewards, observations and learning do not touch a gap, and must not make it measured again.
    physics = {key: task[key] for key in ("robot", "simulation", "randomization")}
    physics |= {key: task["task"][key] for key in ("terrain", "actions")}
    parts = {
        "card": one.card.sha256,
        "trace": one.trace.header.content_sha256,
        "mode": mode,
        "engine": [setting.machine.engine, setting.machine.device],
        "physics": physics,
        "windows": [suite.horizon, suite.max_windows, setting.seed],
        "score_version": gaps.SCORE_VERSION,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _read(path: Path) -> dict[str, Any] | None:
    """A gap that was kept; None where it is absent or was changed."""
    try:
        plain = parse_json(read_bytes(path, MAX_RECORD))
        found = cast("dict[str, Any]", plain["report"])
        return found if plain["sha256"] == _digest(found) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _digest(plain: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
