"""The grid as an event: a panel of controls; with more than 5 % of the episodes broken the rest is no result."""

from pathlib import Path

import pytest
import torch

from scripted_env import go1
from scripted_panel import ScriptedPanelEnv, still
from surefoot.errors import PanelError
from surefoot.evaluation import evaluate
from surefoot.evaluation import grid_job as grid
from surefoot.evaluation.drawn import drawn_memberships, what_is_drawn
from surefoot.evaluation.metrics import METRICS
from surefoot.evaluation.report import PanelReport, panel_report
from surefoot.evaluation.rollout import run_cells
from surefoot.jobs.job import Job
from surefoot.manifest.schedule import Event
from surefoot_tasks import manifest_root

ZERO = "0" * 64
JOB = Job(
    id="000001-grid-1", event="grid", kind="grid", content="", content_sha256="", iteration=1, checkpoint="x.pt",
    checkpoint_sha256=ZERO, manifest_sha256=ZERO, keep_best=False, seed=None, engine="none", device="cpu",
    manifests=str(manifest_root()), threads=1, nice=0, timeout=1.0, attempts=1, written="",
)  # fmt: skip
PANEL = evaluate.choose_panel(evaluate.COMMAND_GRID, manifest_root(), {"duration": 0.06})


def report_with(broken: list[int]) -> PanelReport:
    """288 episodes of robots that stand; some of them are faults."""
    script = still(3, PANEL)
    script[0].broken[broken] = True
    result = run_cells(ScriptedPanelEnv(script, PANEL), lambda obs: torch.zeros(len(obs), 12), PANEL)
    about = {"panel_sha256": PANEL.sha256, "units": {name: metric.unit for name, metric in METRICS.items()}}
    about |= {"drawn": what_is_drawn(go1())}
    return panel_report(result, drawn_memberships(PANEL, [go1()], go1()), about)


@pytest.mark.parametrize(("broken", "valid"), [(0, True), (14, True), (15, False), (287, False), (288, False)])
def test_faults_make_it_invalid(broken: int, valid: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    every_eighth_first = [place for offset in range(8) for place in range(offset, 288, 8)][:broken]
    monkeypatch.setattr(grid.job, "checkpoint_for", lambda run, job: run / job.checkpoint)
    monkeypatch.setattr(evaluate, "evaluate_checkpoint", lambda *_, **__: report_with(every_eighth_first))
    found = grid.evaluate(tmp_path, JOB, tmp_path)
    assert found.valid is valid
    assert (found.score, found.content_sha256) == (None, PANEL.sha256)
    assert (found.held_out, found.scored_cells_sha256) == ({}, "")
    assert {metric.version for metric in found.in_distribution.values()} == {m.version for m in METRICS.values()}
    if not valid:
        assert found.reasons[0] == f"{broken} of 288 episodes are faults: simulation or policy broke"


def test_what_is_planned_is_the_shipped_panel():
    content = grid.check(go1(), Event(kind="grid", at_end=True), manifest_root(), "mujoco")
    assert content.sha256 == evaluate.choose_panel(evaluate.COMMAND_GRID, manifest_root()).sha256
    assert content.notes == ()


def test_a_grid_that_was_changed_since_the_start_is_refused(tmp_path: Path):
    """A job of before the grid was a panel has no hash and is done; one with another hash is not."""
    with pytest.raises(PanelError, match="panel command_grid_v3: expected SHA-256 000000000000"):
        grid.evaluate(tmp_path, JOB.model_copy(update={"content_sha256": ZERO}), tmp_path)
