"""The whole crosscheck: both engines probed twice, compared, and a policy evaluated on both."""

import dataclasses
import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np

from surefoot.crosscheck.definitions import compare_definitions
from surefoot.crosscheck.physics_drift import compare_physics
from surefoot.crosscheck.probe_file import Probe, read_probe
from surefoot.crosscheck.probe_plan import make_plan
from surefoot.crosscheck.report import CrosscheckResult
from surefoot.engines.base import ENGINES
from surefoot.errors import CrosscheckError, unknown_name
from surefoot.files import write_atomically
from surefoot.manifest import Manifest, compose_manifest, diff_manifests
from surefoot.manifest.store import manifest_text
from surefoot.reporting import say
from surefoot.runs.checkpoint import check_fits, load


@dataclass(frozen=True)
class Side:
    """One engine and how it is reached."""

    engine: str
    """As `--engine` takes it."""
    python: str = sys.executable
    """Interpreter of the environment in which it is installed."""
    device: str = "cpu"
    overrides: tuple[str, ...] = ()
    """Of the manifest, for this side alone: to plant a defect."""


@dataclass(frozen=True)
class PolicyCheck:
    """A policy's evaluation on both engines."""

    checkpoint: Path
    replicates: int = 2
    duration: float = 10.0
    """s."""


@dataclass(frozen=True)
class Question:
    """What is compared."""

    task: str
    manifests: Path
    """Folder of the manifests."""
    sides: tuple[Side, Side]
    overrides: tuple[str, ...] = ()
    """For both."""
    num_envs: int = 24
    num_threads: int = 1
    evaluation: PolicyCheck | None = None
    quiet: bool = field(default=False, kw_only=True)


def parse_sides(engines: str, pythons: Sequence[str], overrides: Sequence[str], device: str) -> tuple[Side, Side]:
    """From the command line.

    Args:
        engines: `A,B`.
        pythons: `ENGINE=PATH`; an engine without its physics backend stands for all of them.
        overrides: `a:KEY=VALUE` or `b:KEY=VALUE`.
        device: `cpu` or `cuda:N`.

    Raises:
        UnknownName: No such engine.
        CrosscheckError: Not two engines, or an option that is not of this form.
    """
    names = engines.split(",")
    if len(names) != 2:
        raise CrosscheckError(f"--engines: expected two engines, as in mujoco,isaaclab; got {engines!r}.")
    for name in names:
        if (base := name.partition(":")[0]) not in ENGINES:
            raise unknown_name("Engine", base, ENGINES)
    interpreters: dict[str, str] = {}
    for text in pythons:
        engine, sign, path = text.partition("=")
        # An interpreter may be named for one backend, or for an engine with all of its backends.
        if not sign or engine not in {*names, *(name.partition(":")[0] for name in names)}:
            raise CrosscheckError(f"--python: expected ENGINE=PATH with an engine of {engines!r}, got {text!r}.")
        interpreters[engine] = path
    own: dict[str, list[str]] = {"a": [], "b": []}
    for text in overrides:
        side, sign, override = text.partition(":")
        if not sign or side not in own:
            raise CrosscheckError(f"--override: expected a:KEY=VALUE or b:KEY=VALUE, got {text!r}.")
        own[side].append(override)
    a, b = (
        Side(name, _interpreter(name, interpreters), device, tuple(own[side]))
        for name, side in zip(names, "ab", strict=True)
    )
    return a, b


def _interpreter(engine: str, interpreters: dict[str, str]) -> str:
    """The one given for the engine with its backend, then for the engine, then this one."""
    return interpreters.get(engine, interpreters.get(engine.partition(":")[0], sys.executable))


def crosscheck(question: Question, folder: Path) -> CrosscheckResult:
    """Probe, compare, evaluate.

    Args:
        question: What to compare.
        folder: For the probes and their logs; made where it is absent.

    Raises:
        ManifestError: The task or an override does not fit; nothing was started.
        CheckpointError: The policy cannot be read or does not fit; nothing was started.
        CrosscheckError: An engine could not be probed; names its log.
    """
    manifests = [
        compose_manifest(question.manifests, question.task, [*question.overrides, *side.overrides])
        for side in question.sides
    ]
    if question.evaluation is not None:
        # Refused now, not after both engines have been probed.
        policy = load(question.evaluation.checkpoint)
        for manifest in manifests:
            check_fits(policy, manifest)
    _make_folder(folder)
    # One plan for both, with the seed of the first one's manifest.
    plan = make_plan(manifests[0], question.num_envs)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **cast("dict[str, Any]", dataclasses.asdict(plan)))
    write_atomically(folder / "plan.npz", buffer.getvalue())
    probes = {
        (index, time): _probe(question, side, manifest, folder, f"{'ab'[index]}{time}")
        for index, (side, manifest) in enumerate(zip(question.sides, manifests, strict=True))
        # Twice: what an engine differs by from itself is the floor of any difference.
        for time in (1, 2)
    }
    a, b = probes[0, 1], probes[1, 1]
    return CrosscheckResult(
        task=question.task,
        a=a,
        b=b,
        checks=compare_definitions(a, b, diff_manifests(*manifests)),
        differences=compare_physics(a, b, (probes[0, 2], probes[1, 2])),
        evaluations=_evaluate(question, folder),
    )


def _probe(question: Question, side: Side, manifest: Manifest, folder: Path, name: str) -> Probe:
    manifest_path, out = folder / f"{name}.manifest.yaml", folder / f"{name}.json"
    write_atomically(manifest_path, manifest_text(manifest).encode())
    job = {"kind": "probe", "plan": str(folder / "plan.npz"), "manifest": str(manifest_path)}
    _work(question, side, job, out, folder / name)
    return read_probe(out)


def _evaluate(question: Question, folder: Path) -> tuple[dict[str, Any], ...]:
    """Metrics over all commands, one engine after the other; empty without a checkpoint."""
    if question.evaluation is None:
        return ()
    found: list[dict[str, Any]] = []
    for side, name in zip(question.sides, "ab", strict=True):
        out = folder / f"{name}.evaluation.json"
        job = {
            "kind": "evaluate",
            "checkpoint": str(question.evaluation.checkpoint),
            "replicates": question.evaluation.replicates,
            "duration": question.evaluation.duration,
            "manifests": str(question.manifests),
            "task": question.task,
            "overrides": [*question.overrides, *side.overrides],
            "seed": 0,
        }
        _work(question, side, job, out, folder / f"{name}.evaluation")
        found.append(json.loads(out.read_text())["all_cells"])
    return tuple(found)


def _work(question: Question, side: Side, job: dict[str, Any], out: Path, stem: Path) -> None:
    """Run one job in its own process; its file counts, not its exit code."""
    common = {"engine": side.engine, "device": side.device, "num_threads": question.num_threads, "out": str(out)}
    job_path, log = stem.with_name(f"{stem.name}.job.json"), stem.with_name(f"{stem.name}.log")
    write_atomically(job_path, json.dumps(job | common, indent=2).encode())
    # A file of an earlier run would pass for this one's answer.
    out.unlink(missing_ok=True)
    if not question.quiet:
        say(f"{job['kind']} on {side.engine} ({side.device}) ...", aside=True)
    command = [side.python, "-m", "surefoot.crosscheck.engine_process", str(job_path)]
    try:
        with log.open("w") as file:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, check=False)
    except OSError as error:
        raise CrosscheckError(f"{side.python}: cannot be run ({error.strerror}). Set --python ENGINE=PATH.") from None
    if not out.is_file():
        raise CrosscheckError(
            f"Engine {side.engine!r} gave no result (exit code {done.returncode}): {_last_words(log)} "
            f"The whole log: {log}{os.linesep}If the engine is installed elsewhere: --python ENGINE=/path/to/python"
        )


def _last_words(log: Path) -> str:
    """The error line of a job, or its last line."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    chosen: Sequence[str] = errors or lines or ["nothing was printed."]
    return chosen[-1].removeprefix("error: ")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CrosscheckError(f"{folder}: cannot be made ({error.strerror}). Choose another: --out FOLDER") from None
