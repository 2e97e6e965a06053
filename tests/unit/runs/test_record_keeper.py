"""Throughput and faults of a run whose accounts are partly lost: of what is known, not of everything over a part."""

from pathlib import Path

import pytest
import torch

from surefoot.audit.accounts import fault_account
from surefoot.audit.alerts import learning
from surefoot.audit.record.record import RunRecord
from surefoot.manifest import Manifest
from surefoot.runs import run_folder
from surefoot.runs.record_keeper import RunRecordKeeper
from surefoot.runs.run_record import read_run_record

BATCH = 1000
KINDS = ("nan", "bounds")
assert fault_account  # defines the metrics of faults


def flush_of(iteration: int) -> dict[str, torch.Tensor]:
    """1000 samples and 1 s an iteration, 10 of them broken."""
    numbers = {learning.SAMPLES: BATCH * iteration, learning.SECONDS: 1.0, "fault/invalid_steps": 10.0}
    return learning.host_numbers(numbers) | {"fault/steps": torch.tensor([10.0, 0.0], dtype=torch.float64)}


def trained(folder: Path, manifest: Manifest, resumed_at: int, until: int) -> RunRecordKeeper:
    document = RunRecordKeeper(folder, manifest, "off", resumed_at)
    for iteration in range(resumed_at + 1, until + 1):
        document.add(iteration, flush_of(iteration), KINDS)
    document.write("finished", now=True)
    return document


@pytest.mark.parametrize(
    ("lost", "known"),
    [
        (None, 10),
        (range(1, 9), 2),  # all accounts of before the resume: 2 iterations since then
        (range(1, 5), 6),
        (range(3, 6), 7),
        (range(6, 9), 7),
    ],
)
def test_throughput_is_that_of_the_iterations_that_are_known(
    lost: range | None, known: int, tmp_path: Path, go1_manifest: Manifest
):
    """8 iterations, resumed, 2 more; before, 10,000 samples in the 2 s since the resume were 5,000 a second."""
    folder = run_folder.create(tmp_path, go1_manifest, "cpu")
    record = RunRecord(folder, {"fault": KINDS}, "a" * 64)
    for iteration in range(1, 9):
        if lost is None or iteration not in lost:
            record.add(iteration, flush_of(iteration))
    assert record.save(end=True)
    trained(folder, go1_manifest, 8, 10)
    found = read_run_record(folder)
    assert found.training.samples == 10 * BATCH and found.training.iterations == 10
    assert found.training.seconds == known
    assert found.training.samples_per_s == pytest.approx(BATCH)
    assert found.faults.invalid_share == pytest.approx(0.01)
