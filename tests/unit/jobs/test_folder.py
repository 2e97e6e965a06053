"""Files of the queue from a stranger, or from another run: they are not what this run asked for."""

import json
from pathlib import Path

import pytest

from event_cases import ZERO, add_job, finding, make_run
from surefoot.errors import RunFolderError
from surefoot.jobs.job import Result, answered
from surefoot.jobs.queue import EventFolder


@pytest.fixture
def folder(tmp_path: Path) -> EventFolder:
    return make_run(tmp_path / "run")


def test_a_result_of_another_run_under_the_same_name_is_no_answer(folder: EventFolder, tmp_path: Path):
    other = make_run(tmp_path / "other")
    (other.run / "model_1.pt").write_bytes(b"better weights")
    mine, theirs = add_job(folder, ""), add_job(other, "")
    assert mine.id == theirs.id
    other.answer(answered(theirs, finding(1.0), "", 1, 1.0))
    name = f"{mine.id}.json"
    (folder.results / name).write_bytes((other.results / name).read_bytes())
    assert other.result(mine.id) is not None and folder.result(mine.id) is None
    assert folder.outstanding() == [mine.id]
    assert folder.answer(answered(mine, finding(0.1), "", 1, 1.0))  # the worker's own takes its place
    assert [path.name for path in folder.results.glob("*.broken*")] == [f"{mine.id}.broken1"]


def test_an_answer_that_nobody_asks_for_any_more_is_not_written(folder: EventFolder):
    job = add_job(folder, "", iteration=2)
    folder.give_up_after(1)
    assert not folder.answer(answered(job, finding(1.0), "", 1, 1.0))
    assert folder.result_ids() == [] and not (folder.pins / f"{job.id}.pt").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"checkpoint": "/etc/passwd"}, "is outside of the run folder"),
        ({"checkpoint": "events/../../x.pt"}, "is outside of the run folder"),
        ({"event": "other"}, "is not that of event 'other', iteration 1"),
        ({"iteration": 7}, "is not that of event 'panel', iteration 7"),
    ],
)
def test_a_job_that_leads_elsewhere_is_refused(change: dict, message: str, folder: EventFolder):
    job = add_job(folder, "")
    path = folder.jobs / f"{job.id}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(RunFolderError, match=message):
        folder.job(job.id)


def test_numbers_of_jobs_that_were_put_aside_are_not_given_again(folder: EventFolder):
    for iteration in (1, 2):
        add_job(folder, "", iteration)
    folder.set_aside(folder.jobs / "000002-panel-2.json")
    assert folder.next_number() == 3


def test_results_of_before_a_field_came_are_still_whole(folder: EventFolder):
    """The hash that was written without `scored_cells_sha256`."""
    job = add_job(folder, "")
    folder.answer(answered(job, finding(0.5), "", 1, 1.0))
    path = folder.results / f"{job.id}.json"
    plain = json.loads(path.read_text())
    assert plain["finding"].pop("scored_cells_sha256") == ""
    path.write_text(json.dumps(plain))
    found = folder.result(job.id)
    assert isinstance(found, Result) and found.job.manifest_sha256 == ZERO
