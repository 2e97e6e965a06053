"""Asking the gate: who is champion, sealed replicates for both, the rule, the document, the ledger."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from surefoot.errors import CheckpointError, LedgerError, PanelError
from surefoot.evaluation.compare import read_report
from surefoot.evaluation.evaluate import evaluate_checkpoint
from surefoot.evaluation.gate import Judgement, judge
from surefoot.evaluation.provenance import package_versions
from surefoot.files import sha256_of
from surefoot.jobs.best import CHECKPOINT as BEST
from surefoot.jobs.job import time_of_day
from surefoot.ledger.champions import champion, decisions, heads, times_decided
from surefoot.ledger.decision import FOLDER, Decision, Side, write_decision
from surefoot.ledger.store import Ledger, place
from surefoot.machine import Machine
from surefoot.runs.checkpoint import Checkpoint, load
from surefoot.runs.locate import checkpoint_file
from surefoot.runs.record_schema import Record
from surefoot.runs.run_record import read_run_record, with_news

REPORTS = "reports"
"""In the gate's folder of a run: what both were measured to do on the sealed replicates."""
_SEEDS = 2**31


@dataclass(frozen=True)
class Asked:
    """What the command line asks for."""

    runs: Sequence[Path]
    against: Sequence[Path] | None
    manifests: Path
    panel: str | None = None
    engine: str = "mujoco"
    device: str = "cpu"
    threads: int = 0
    ledger: str | None = None
    stored: bool = False
    """Judge reports that are there, in place of sealed replicates."""
    keep: bool = True
    note: str = ""


@dataclass(frozen=True)
class _Runner:
    """One training with the checkpoint that is judged."""

    path: Path
    loaded: Checkpoint
    record: Record

    @property
    def run(self) -> Path:
        return self.path.parent


def ask(asked: Asked, say: Callable[[str], None]) -> tuple[Decision, Path | None]:
    """Judge a candidate.

    Raises:
        LedgerError: The ledger cannot be used, or the task has two champions.
        PanelError: Results that cannot be compared.
        CheckpointError: A checkpoint that is damaged or of another task.
    """
    ours = [_runner(path) for path in asked.runs]
    _same_recipe(ours, "candidate")
    task = ours[0].loaded.manifest.name
    ledger = _ledger(asked.ledger, ours[0].run)
    try:
        known = champion(ledger, task)
        theirs = [_runner(path) for path in asked.against or _champion_paths(known)]
        _same_recipe(theirs, "champion")
        if theirs and theirs[0].loaded.manifest.name != task:
            raise PanelError(f"The candidate is of task {task}, the other of {theirs[0].loaded.manifest.name}.")
        digest = sha256_of(ours[0].path)
        if theirs and sha256_of(theirs[0].path) == digest:
            raise PanelError(f"{ours[0].path}: is the champion itself.")
        # A candidate does not write the rule that it is judged by.
        rule = (theirs or ours)[0].loaded.manifest.promotion
        panel = asked.panel or rule.panel
        before = times_decided(ledger, task, panel)
        seed = None if asked.stored else secrets.randbelow(_SEEDS)
        measured = _stored if asked.stored else _measure
        reports = [measured(one, panel, seed, asked, ours[0].run, say) for one in (*ours, *theirs)]
        found = judge(
            rule,
            reports[: len(ours)],
            reports[len(ours) :],
            [one.record for one in ours],
            [one.record for one in theirs],
        )
        crowned = known is None or (theirs and sha256_of(theirs[0].path) == known[0].candidate.checkpoint_sha256)
        decision = _decision(found, ours, theirs, reports, seed, before, asked.note)
        decision = decision.model_copy(
            update={
                "replaces": known[0].sha256 if known else "",
                "crowns": bool(crowned),
                "rule": rule.model_dump(mode="json"),
            }
        ).sealed()
        if not asked.keep:
            return decision, None
        if heads(ledger, task) != ([known[0].sha256] if known else []):
            raise LedgerError(f"task {task}: its champion changed while the gate measured. Ask again.")
        path = write_decision(ours[0].run, decision)
        _into(ledger, ours[0].run, say)
        return decision, path
    finally:
        ledger.close()


def roll_back(run: Path, note: str, where: str | None) -> tuple[Decision, Path]:
    """Make a run champion that was one before; this also ends the rule of two champions.

    Raises:
        LedgerError: It never was champion, or is it now.
    """
    runner = _runner(run)
    task = runner.loaded.manifest.name
    ledger = _ledger(where, runner.run)
    try:
        own = [
            one for one, path in decisions(ledger, task) if one.makes_champion and Path(path) == runner.run.resolve()
        ]
        if not own:
            raise LedgerError(f"{runner.run}: was never champion of {task}. Ask: surefoot gate {runner.run}")
        now = heads(ledger, task)
        if now == [own[-1].sha256]:
            raise LedgerError(f"{runner.run}: is the champion of {task} already.")
        last = own[-1]
        decision = Decision(
            action="rollback",
            verdict="promote",
            reasons=("rolled back by hand",),
            task=task,
            time=time_of_day(),
            candidate=last.candidate,
            replaces=" ".join(now),
            note=note,
            versions=package_versions(),
        ).sealed()
        path = write_decision(runner.run, decision)
        ledger.add([runner.run])
        return decision, path
    finally:
        ledger.close()


def _ledger(named: str | None, run: Path) -> Ledger:
    where = place(named, run.resolve().parent.parent)
    if where is None:
        raise LedgerError("SUREFOOT_LEDGER is `off`, and the gate has to know the champion: name one with --ledger.")
    ledger = Ledger(where)
    done = ledger.add([run])
    if done.left_out:
        ledger.close()
        raise LedgerError(done.left_out[0])
    return ledger


def _runner(named: Path) -> _Runner:
    path = checkpoint_file(named)
    # The checkpoint that the run itself calls its best; replicates that chose it are not those it is judged on.
    if named.is_dir() and (path.parent / BEST).is_file():
        path = path.parent / BEST
    record = with_news(path.parent, read_run_record(path.parent))
    return _Runner(path, load(path), record)


def _same_recipe(runners: Sequence[_Runner], who: str) -> None:
    """Refuse trainings that differ in more than their seed, or of one seed twice."""
    seeds = [one.loaded.manifest.seed for one in runners]
    if len(set(seeds)) < len(seeds):
        raise CheckpointError(f"The {who}'s trainings have seeds {seeds}: one of them twice is no further evidence.")
    recipes = {one.loaded.manifest.model_copy(update={"seed": 0}).sha256 for one in runners}
    if len(recipes) > 1:
        raise CheckpointError(
            f"The {who}'s trainings differ in more than their seed: surefoot manifest diff says where."
        )


def _champion_paths(known: tuple[Decision, str] | None) -> list[Path]:
    if known is None:
        return []
    decision, run = known
    path = Path(run) / decision.candidate.checkpoint
    if not path.is_file() or sha256_of(path) != decision.candidate.checkpoint_sha256:
        raise CheckpointError(
            f"{path}: the champion's checkpoint is gone or another one. Restore it, or name a run: --against RUN"
        )
    further = [Path(one) for one in decision.further]
    return [path, *(one for one in further if one.exists())]


def _measure(
    one: _Runner, panel: str, seed: int | None, asked: Asked, keeper: Path, say: Callable[[str], None]
) -> dict[str, Any]:
    assert seed is not None
    folder = keeper / FOLDER / REPORTS
    folder.mkdir(parents=True, exist_ok=True)
    digest = sha256_of(one.path)
    out = folder / f"{panel.replace('/', '_')}_seed{seed}_{digest[:12]}.json"
    say(f"Measuring {one.path} under {panel}, replicates of seed {seed} ...")
    report = evaluate_checkpoint(
        one.path,
        panel,
        manifests=asked.manifests,
        machine=Machine(asked.engine, asked.device, asked.threads),
        changes={"seed": seed},
        out=out,
    )
    return report.plain


def _stored(
    one: _Runner, panel: str, seed: int | None, asked: Asked, keeper: Path, say: Callable[[str], None]
) -> dict[str, Any]:
    wanted = f"surefoot evaluate --checkpoint {one.path} --panel {panel}"
    digest, others = sha256_of(one.path), list[str]()
    for path in sorted(one.run.glob("panel_*.json")):
        report = read_report(path)
        if report["panel"] == panel and report["checkpoint_sha256"] == digest:
            return report
        others.append(path.name)
    there = f" There are {', '.join(others)}." if others else ""
    raise PanelError(f"{one.run}: no report of panel {panel} on {one.path.name}: {wanted}.{there}")


def _decision(
    found: Judgement,
    ours: Sequence[_Runner],
    theirs: Sequence[_Runner],
    reports: Sequence[dict[str, Any]],
    seed: int | None,
    before: int,
    note: str,
) -> Decision:
    stored = ("judged on replicates that may have chosen the candidate (--stored)",) if seed is None else ()
    return Decision(
        verdict=found.verdict,
        reasons=(*found.reasons, *stored),
        task=ours[0].loaded.manifest.name,
        time=time_of_day(),
        candidate=_side(ours, reports[0]),
        champion=_side(theirs, reports[len(ours)]) if theirs else None,
        further=tuple(str(one.path.resolve()) for one in ours[1:]),
        unit=cast("Any", found.unit),
        panel=reports[0]["panel"],
        panel_sha256=reports[0]["panel_sha256"],
        panel_seed=seed,
        metric_versions=reports[0]["metric_versions"],
        tests=found.tests,
        power=found.power,
        decided_before=before,
        versions=package_versions(),
        note=note,
    )


def _side(runners: Sequence[_Runner], report: dict[str, Any]) -> Side:
    first = runners[0]
    return Side(
        run=first.run.resolve().name,
        checkpoint=first.path.name,
        checkpoint_sha256=sha256_of(first.path),
        iteration=first.loaded.iteration,
        manifest_sha256=first.loaded.manifest.sha256,
        seeds=tuple(one.loaded.manifest.seed for one in runners),
        samples=float(first.record.training.samples),
        score=report["score"],
    )


def _into(ledger: Ledger, run: Path, say: Callable[[str], None]) -> None:
    """The document is in the run folder; the ledger can take it in later."""
    try:
        ledger.add([run])
    except LedgerError as error:
        say(f"{error} Later: surefoot ledger add {run}")
