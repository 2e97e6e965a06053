"""The grid as an event: with more than 5 % of the episodes broken the rest is no result."""

from pathlib import Path

import pytest
import torch

from surefoot.evaluation import CommandGrid, evaluate
from surefoot.evaluation import grid_job as grid
from surefoot.evaluation.episodes import Episodes
from surefoot.evaluation.report import Provenance
from surefoot.evaluation.rollout import GridResult
from surefoot.jobs.job import Job

ZERO = "0" * 64
JOB = Job(
    id="000001-grid-1", event="grid", kind="grid", content="", content_sha256="", iteration=1, checkpoint="x.pt",
    checkpoint_sha256=ZERO, manifest_sha256=ZERO, keep_best=False, seed=None, engine="none", device="cpu",
    manifests="/", threads=1, nice=0, timeout=1.0, attempts=1, written="",
)  # fmt: skip
ABOUT = Provenance("x.pt", ZERO, 1, ZERO, "T", ZERO, [], "none", "cpu", "lean", 0, {"factors": {}}, {})


def result_with(broken: int) -> GridResult:
    """288 episodes that all walk; the first `broken` of them are faults."""
    shape = (CommandGrid().num_commands, CommandGrid().replicates)
    no, some = torch.zeros(shape, dtype=torch.bool), torch.full(shape, 0.1)
    faulted = (torch.arange(no.numel()) < broken).reshape(shape)
    bucket = torch.zeros(shape, dtype=torch.long)
    return GridResult(CommandGrid(), Episodes(faulted, no, no, *[some] * 8, bucket), ("all",))


@pytest.mark.parametrize(("broken", "valid"), [(0, True), (14, True), (15, False), (287, False), (288, False)])
def test_faults_make_it_invalid(broken: int, valid: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(grid, "checkpoint_for", lambda run, job: run / job.checkpoint)
    monkeypatch.setattr(evaluate, "evaluate_checkpoint", lambda *_, **__: (ABOUT, result_with(broken)))
    found = grid.evaluate(tmp_path, JOB, tmp_path)
    assert found.valid is valid
    if not valid:
        assert found.reasons == (f"{broken} of 288 episodes are faults: simulation or policy broke",)
