"""Training with a scheduled panel: real environments, a real worker, a trainer that is killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from event_cases import until
from surefoot.engines import load_engine
from surefoot.errors import AlertStop, EngineError, ManifestError, RunFolderError, UnknownName
from surefoot.jobs.lease import trainer_lease
from surefoot.jobs.plan import EventPlan, plan_events
from surefoot.jobs.queue import EventFolder
from surefoot.machine import Machine
from surefoot.manifest import Manifest, compose_manifest, override_manifest
from surefoot.rl.train import resume, train
from surefoot.runs import checkpoint
from surefoot.runs.run_record import read_run_record, with_news

TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
SMALL = [
    "training.num_envs=64",
    "training.max_iterations=4",
    "training.save_interval=100",
    "training.logger=none",
    "ppo.num_steps_per_env=16",
]
PANEL = {
    "schema_version": 1,
    "name": "tiny",
    "why": "Two cells, one of them held out, that take a second.",
    "robots": ["unitree_go1"],
    "seed": 0,
    "replicates": 4,
    "duration": 0.5,
    "warm_up": 0.1,
    "success": {"lin_vel_error": 5.0, "yaw_rate_error": 5.0},
    "start": {name: [0.0, 0.0] for name in ("position_xy", "yaw", "lin_vel", "ang_vel", "joint_pos", "joint_vel")},
    "nominal": {"friction": 0.8, "commands": [[0, 0.5, 0.0, 0.0]]},
    "cells": {
        "nominal": {"control": True, "why": "The robot as it was in training."},
        "ice": {"friction": 0.1, "why": "Friction that training never draws."},
    },
}
EVERY_TWO = "+schedule.events.panel={kind: panel, content: tiny, every: 2, keep_best: true}"


@pytest.fixture
def root(own_root: Path) -> Path:
    (own_root / "panels" / "tiny.yaml").write_text(yaml.safe_dump(PANEL))
    return own_root


def manifest_of(root: Path, *overrides: str) -> Manifest:
    return compose_manifest(root, TASK, [*SMALL, *overrides])


class Runs:
    """Training on one engine, with the schedule of the manifest; `always` are overrides of every run."""

    def __init__(self, engine: str, root: Path, *always: str) -> None:
        self.engine, self.root, self.always = engine, root, always
        self.inline = not load_engine(engine).ONE_AT_A_TIME
        """Whether this process can evaluate while it trains."""
        self.mode = "inline" if self.inline else "worker"

    def manifest(self, *overrides: str) -> Manifest:
        return manifest_of(self.root, *self.always, *overrides)

    def plan(self, manifest: Manifest, mode: str) -> EventPlan | None:
        return plan_events(manifest, manifests=self.root, machine=Machine(self.engine), mode=mode)

    def __call__(self, folder: Path, *overrides: str, mode: str = "worker") -> Path:
        manifest = self.manifest(*overrides)
        return train(manifest, runs=folder, machine=Machine(self.engine, threads=1), events=self.plan(manifest, mode))

    def go_on(self, folder: Path, manifest: Manifest, mode: str = "worker", **changes: Any) -> Path:
        plan = self.plan(manifest, mode)
        return resume(folder, manifest, machine=Machine(self.engine, threads=1), events=plan, **changes)


@pytest.fixture
def run(engine: str, root: Path) -> Runs:
    return Runs(engine, root)


def weights(path: Path) -> list[torch.Tensor]:
    content = checkpoint.load(path).content
    return [content[part][name] for part in ("actor_state_dict", "critic_state_dict") for name in content[part]]


def test_a_worker_evaluates_while_training_goes_on_and_the_record_has_both(
    run: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = run(tmp_path, EVERY_TWO, "training.logger=tensorboard", "training.max_iterations=5")
    record = read_run_record(folder)
    assert [(entry.iteration, entry.status) for entry in record.evaluations] == [(2, "valid"), (4, "valid")]
    assert (record.status, record.training.iterations, record.training.samples) == ("finished", 5, 5 * 64 * 16)
    quality = record.quality["panel"]
    assert quality.iteration == 4 and quality.score is not None
    for group in (quality.held_out, quality.in_distribution):
        falls = group["fall_rate"]
        assert falls.value is not None and falls.low is not None and falls.high is not None
        assert falls.low <= falls.value <= falls.high
    assert record.unanswered == () and record.faults.evaluations == 0

    best = json.loads((folder / "model_best.json").read_text())
    assert all(map(torch.equal, weights(folder / "model_best.pt"), weights(folder / f"model_{best['iteration']}.pt")))
    assert (folder / quality.report / "panel.json").is_file()
    said = capsys.readouterr().out
    assert "* panel, iteration 2" in said and "held out" in said and "in distribution" in said
    assert scalars(folder, "Event/panel/held_out/fall_rate") == [2, 4]
    assert sum(scalars(folder, "Run/event_seconds", steps=False)) > 0
    assert trainer_lease(folder).holder() is None and EventFolder(folder).worker.holder() is None


def scalars(folder: Path, tag: str, steps: bool = True) -> list[Any]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder))
    found.Reload()
    return [event.step if steps else event.value for event in found.Scalars(tag)]


def test_evaluated_or_not_the_policy_is_the_same(run: Runs, tmp_path: Path):
    if not run.inline:
        with pytest.raises(EngineError, match=r"^--events inline: .* has one simulation .* Use --events worker"):
            run(tmp_path / "inline", EVERY_TWO, mode="inline")
        assert not (tmp_path / "inline").exists()
    evaluated = run(tmp_path / "evaluated", EVERY_TWO, mode=run.mode)
    without = run(tmp_path / "without", EVERY_TWO, mode="off")
    assert [entry.status for entry in read_run_record(evaluated).evaluations] == ["valid", "valid"]
    assert read_run_record(without).evaluations == () and read_run_record(without).events_mode == "off"
    assert all(map(torch.equal, weights(evaluated / "model_4.pt"), weights(without / "model_4.pt")))


LIMIT = "{metric: fall_rate, minimum: 2.0, action: stop}"
"""No fall rate is above 1: it is always broken."""


def test_a_broken_limit_stops_the_run_and_it_stops_again(run: Runs, root: Path, tmp_path: Path):
    stopping = EVERY_TWO.replace("every: 2", f"every: 2, limits: {{falls: {LIMIT}}}")
    with pytest.raises(AlertStop) as caught:
        run(tmp_path, stopping, "training.max_iterations=6", mode=run.mode)
    assert "event_limit (panel.falls): iteration 2: held_out fall_rate is" in str(caught.value)
    assert "schedule.events.panel.limits.falls.action=log" in str(caught.value)
    (folder,) = (tmp_path / TASK).iterdir()
    record = read_run_record(folder)
    assert record.status == "stopped" and record.alerts.by_kind.keys() == {"event_limit"}
    done = record.training.iterations  # inline, the result of iteration 2 is seen at the end of the next one
    assert done == 3 if run.inline else 3 <= done <= 6

    manifest = manifest_of(root, stopping, "training.max_iterations=6")
    if run.inline:
        with pytest.raises(AlertStop):
            run.go_on(folder, manifest, "inline")
        assert read_run_record(folder).training.iterations == (done := 4)
    let_go = override_manifest(manifest, ["schedule.events.panel.limits.falls.action=log", "training.max_iterations=8"])
    run.go_on(folder, let_go, run.mode, allow_manifest_change=True)
    after = read_run_record(folder)
    assert after.status == "finished" and after.training.samples == 8 * 64 * 16
    assert [entry.iteration for entry in after.evaluations] == [2, 4, 6, 8]
    assert [span.from_iteration for span in after.manifests] == [1, done + 1]


TRAIN = """
import sys
sys.path[:0] = sys.argv[5:]
from pathlib import Path
import surefoot, test_scheduled_events as case
case.Runs(sys.argv[2], Path(sys.argv[1]))(Path(sys.argv[3]), *sys.argv[4].split("|"))
"""


def start(run: Runs, runs: Path, *overrides: str) -> subprocess.Popen[bytes]:
    path: Sequence[str] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "unit" / "events"), *sys.path]
    return subprocess.Popen(
        [sys.executable, "-c", TRAIN, str(run.root), run.engine, str(runs), "|".join(overrides), *path]
    )


def test_a_killed_trainer_loses_nothing_and_nothing_is_evaluated_twice(run: Runs, root: Path, tmp_path: Path):
    overrides = (EVERY_TWO, "training.max_iterations=100000", "training.save_interval=2")
    process = start(run, tmp_path, *overrides)
    try:
        until(lambda: list((tmp_path / TASK).glob("*/events/jobs/00000[23]-*.json")), 300.0)
        (folder,) = (tmp_path / TASK).iterdir()
        with pytest.raises(RunFolderError, match=f"process {process.pid} trains this run already"):
            run.go_on(folder, manifest_of(root, *overrides))
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    record = read_run_record(folder)
    assert record.status == "running" and trainer_lease(folder).holder() is None
    events = EventFolder(folder)
    until(lambda: events.outstanding() == [] and events.worker.holder() is None, 600.0)  # the worker ends by itself
    jobs = events.job_ids()
    news = with_news(folder, record)
    assert [entry.job for entry in news.evaluations] == jobs == events.result_ids() and news.unanswered == ()
    written = {job: (events.results / f"{job}.json").stat().st_mtime_ns for job in jobs}

    done = max(int(path.stem.removeprefix("model_")) for path in folder.glob("model_[0-9]*.pt"))
    more = manifest_of(root, EVERY_TWO, f"training.max_iterations={done + 2}", "training.save_interval=2")
    run.go_on(folder, more, allow_manifest_change=True)
    after = read_run_record(folder)
    assert after.status == "finished" and after.training.iterations == done + 2
    assert after.training.samples == (done + 2) * 64 * 16
    iterations = [entry.iteration for entry in after.evaluations]
    assert len(set(iterations)) == len(iterations) and iterations[-1] == done + 2
    assert all((events.results / f"{job}.json").stat().st_mtime_ns == stamp for job, stamp in written.items())
    assert after.best is not None and after.unanswered == ()


@pytest.mark.parametrize(
    ("overrides", "error", "reason"),
    [
        (["+schedule.events.a={kind: panel, content: tny, every: 2}"], ManifestError, "Did you mean 'tiny'"),
        (["robot=unitree_go2", EVERY_TWO], ManifestError, "it is for unitree_go1"),
        (
            [EVERY_TWO, "randomization.factors.friction.edges=[0.05,1.0]"],
            ManifestError,
            "schedule.events.panel: keep_best: training covers every cell of tiny",
        ),
    ],
)
def test_a_schedule_that_cannot_work_is_refused_before_anything_runs(
    run: Runs, tmp_path: Path, overrides: list[str], error: type[Exception], reason: str
):
    with pytest.raises(error) as caught:
        run(tmp_path, *overrides)
    assert reason in str(caught.value) and list(tmp_path.glob(f"{TASK}*")) == []


def test_an_unknown_mode_is_refused(root: Path):
    with pytest.raises(UnknownName, match="Did you mean 'inline'"):
        plan_events(manifest_of(root, EVERY_TWO), manifests=root, mode="in-line")


def test_a_panel_that_changed_since_the_start_is_a_fault_not_a_result(run: Runs, root: Path, tmp_path: Path):
    manifest = manifest_of(root, EVERY_TWO)
    plan = run.plan(manifest, run.mode)
    changed = PANEL | {"replicates": 5}
    (root / "panels" / "tiny.yaml").write_text(yaml.safe_dump(changed))
    folder = train(manifest, runs=tmp_path, machine=Machine(run.engine, threads=1), events=plan)
    record = read_run_record(folder)
    assert [entry.status for entry in record.evaluations] == ["fault", "fault"] and record.best is None
    assert "A panel is frozen" in record.evaluations[0].reasons[0]
    assert record.faults.evaluations == 2 and record.alerts.by_kind == {"event_fault": 2}
