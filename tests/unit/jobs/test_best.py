"""Which checkpoint is kept as the best, and that it is the one that was evaluated."""

import json
from pathlib import Path

import pytest

from event_cases import ZERO, add_job, finding, make_run
from surefoot.errors import RunFolderError
from surefoot.files import sha256_of
from surefoot.jobs.best import find_best, keep_best, read_provenance
from surefoot.jobs.job import Measurements, Metric, Result, answered, fault
from surefoot.jobs.queue import EventFolder


@pytest.fixture
def folder(tmp_path: Path) -> EventFolder:
    return make_run(tmp_path)


def scored(folder: EventFolder, iteration: int, score: float | None, **changes: object) -> Result:
    found = finding(0.0).model_copy(update={"score": score})
    return answered(add_job(folder, "", iteration, **changes), found, "", 1, 1.0)


def test_the_highest_score_wins_and_of_equal_ones_the_earliest_checkpoint(folder: EventFolder):
    results = [scored(folder, 3, 0.7), scored(folder, 1, 0.9), scored(folder, 2, 0.9)]
    best = find_best(results)
    assert best is not None and best.job.iteration == 1


def test_only_valid_results_with_a_score_of_an_event_that_keeps_the_best_take_part(folder: EventFolder):
    job = add_job(folder, "")
    invalid = answered(job, Measurements(valid=False, reasons=("x",), score=99.0), "", 1, 1.0)
    other = scored(folder, 2, 9.0, keep_best=False)
    assert find_best([invalid, fault(job, "x", 1), other, scored(folder, 3, None)]) is None
    best = find_best([invalid, other, scored(folder, 1, 0.1)])
    assert best is not None and best.finding is not None and best.finding.score == 0.1


@pytest.mark.parametrize("change", [{"content_sha256": "1" * 64}, {"seed": 5}, {"engine": "other"}])
def test_scores_under_other_conditions_are_not_compared(folder: EventFolder, change: dict[str, object]):
    old, new = scored(folder, 1, 0.9), scored(folder, 2, 0.1, **change)
    best = find_best([old, new])
    assert best is not None and best.job.iteration == 2


def test_another_version_of_a_metric_is_not_compared(folder: EventFolder):
    old, newer = scored(folder, 1, 0.9), add_job(folder, "", 2)
    other = finding(0.1).model_copy(update={"held_out": {"fall_rate": Metric(value=0.1, version=2)}})
    best = find_best([old, answered(newer, other, "", 1, 1.0)])
    assert best is not None and best.job.iteration == 2


def test_a_mean_over_other_cells_is_not_compared(folder: EventFolder):
    """Resumed with a wider training: hard cells are held out no longer, and the mean of the rest is higher."""
    old, newer = scored(folder, 1, 0.9), add_job(folder, "", 2)
    other = finding(0.0).model_copy(update={"score": 0.5, "scored_cells_sha256": "1" * 64})
    best = find_best([old, answered(newer, other, "", 1, 1.0)])
    assert best is not None and best.job.iteration == 2


def test_the_checkpoint_is_kept_with_where_it_comes_from(folder: EventFolder):
    results = [scored(folder, 1, 0.5)]
    assert keep_best(folder, results) == results[0]
    assert keep_best(folder, results) is None  # not news
    results.append(scored(folder, 2, 0.6))
    assert keep_best(folder, results) == results[1]
    about = read_provenance(folder.run)
    assert about is not None
    assert (about["iteration"], about["score"], about["manifest_sha256"]) == (2, 0.6, ZERO)
    assert about["checkpoint_sha256"] == sha256_of(folder.run / "model_best.pt")
    assert about["held_out"]["fall_rate"]["low"] == about["in_distribution"]["fall_rate"]["low"] == 0.05
    results.append(scored(folder, 3, 0.55))
    assert keep_best(folder, results) is None
    assert (folder.run / "model_best.pt").read_bytes() == b"weights of iteration 2"


def test_a_later_write_to_the_run_does_not_change_the_best(folder: EventFolder):
    keep_best(folder, [scored(folder, 1, 0.5)])
    from surefoot.files import write_atomically

    write_atomically(folder.run / "model_1.pt", b"other weights")  # as a resumed run would
    assert (folder.run / "model_best.pt").read_bytes() == b"weights of iteration 1"


def test_a_best_file_that_was_damaged_is_made_again_and_one_that_cannot_be_leaves_the_old(folder: EventFolder):
    results = [scored(folder, 1, 0.5)]
    keep_best(folder, results)
    (folder.run / "model_best.pt").unlink()
    (folder.run / "model_best.pt").write_bytes(b"garbage")
    assert keep_best(folder, results) == results[0]
    assert (folder.run / "model_best.pt").read_bytes() == b"weights of iteration 1"

    results.append(scored(folder, 2, 0.6))
    folder.unpin(results[1].job.id)
    (folder.run / "model_2.pt").unlink()
    with pytest.raises(RunFolderError, match=r"checkpoint of iteration 2 .* is gone"):
        keep_best(folder, results)
    assert json.loads((folder.run / "model_best.json").read_text())["iteration"] == 1
    assert (folder.run / "model_best.pt").read_bytes() == b"weights of iteration 1"
