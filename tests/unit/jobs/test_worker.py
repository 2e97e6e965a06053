"""The worker with real processes: whatever is killed, nothing is lost and nothing has two results."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from event_cases import COMMAND, add_job, calls, make_run, of_another_boot, pids, runs, until
from surefoot.jobs.lease import trainer_lease
from surefoot.jobs.queue import EventFolder

Started = list[subprocess.Popen[str]]


@pytest.fixture
def started() -> Iterator[Started]:
    processes: Started = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture
def folder(tmp_path: Path) -> EventFolder:
    return make_run(tmp_path / "run")


def start(folder: EventFolder, started: Started) -> subprocess.Popen[str]:
    process = subprocess.Popen([*COMMAND, str(folder.run)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    started.append(process)
    return process


def work(folder: EventFolder, started: Started) -> str:
    """Run a worker to its end; what it said."""
    said, _ = start(folder, started).communicate(timeout=60)
    return said


def test_jobs_are_done_in_order_once_and_the_worker_ends_where_nobody_trains(folder: EventFolder, started: Started):
    ids = [add_job(folder, f"score-{n}", iteration=n).id for n in (3, 1, 2)]
    assert "3 results written" in work(folder, started)
    assert calls(folder) == folder.result_ids() == ids
    found = [folder.result(job) for job in ids]
    assert [result.finding.score for result in found if result and result.finding] == [3.0, 1.0, 2.0]
    assert [result.status for result in found if result] == ["answered"] * 3
    assert folder.outstanding() == [] and list(folder.claims.iterdir()) == []
    assert "0 results written" in work(folder, started)
    assert calls(folder) == ids


def test_while_somebody_trains_the_worker_waits_for_jobs(folder: EventFolder, started: Started):
    trainer = trainer_lease(folder.run)
    trainer.acquire()  # this process
    process = start(folder, started)
    until(lambda: folder.worker.holder() is not None)
    job = add_job(folder, "score-1")
    until(lambda: folder.result(job.id) is not None)
    assert process.poll() is None
    trainer.release()
    assert process.wait(timeout=30) == 0


def test_killed_with_its_evaluation_the_next_worker_does_the_job(folder: EventFolder, started: Started):
    first, second = add_job(folder, "sleep_once-60"), add_job(folder, "score-2", iteration=2)
    process = start(folder, started)
    until(lambda: calls(folder) == [first.id])
    process.kill()
    process.wait()
    until(lambda: not runs(pids(folder)[0]))  # the evaluation died with its worker
    assert folder.result_ids() == [] and folder.worker.holder() is None

    work(folder, started)
    assert calls(folder) == [first.id, first.id, second.id]
    assert folder.result_ids() == [first.id, second.id]
    result = folder.result(first.id)
    assert result is not None and result.attempts == 2 and result.valid


def test_killed_between_answer_and_result_nothing_is_evaluated_again(folder: EventFolder, started: Started):
    job = add_job(folder, "score-1")
    work(folder, started)
    (folder.results / f"{job.id}.json").unlink()  # as if the worker had died just before it wrote it
    work(folder, started)
    result = folder.result(job.id)
    assert result is not None and result.valid and calls(folder) == [job.id]


def test_a_job_that_kills_its_workers_is_given_up(folder: EventFolder, started: Started):
    job = add_job(folder, "sleep-60")
    for count in (1, 2):
        process = start(folder, started)
        until(lambda count=count: len(calls(folder)) == count)
        process.kill()
        process.wait()
    work(folder, started)
    result = folder.result(job.id)
    assert result is not None and result.status == "fault" and "its worker died 2 times" in result.reason
    assert len(calls(folder)) == 2


def test_a_reboot_counts_as_no_attempt_and_frees_the_lease(folder: EventFolder, started: Started):
    job = add_job(folder, "score-1", attempts=1)
    before = asdict(of_another_boot())  # its process number is that of a living process: this one
    folder.worker.path.write_text(json.dumps(before))
    (folder.claims / f"{job.id}.json").write_text(json.dumps({"attempts": 1, "by": before}))
    work(folder, started)
    result = folder.result(job.id)
    assert result is not None and result.valid and result.attempts == 1


def test_a_second_worker_is_refused_in_one_line(folder: EventFolder, started: Started):
    job = add_job(folder, "sleep-3")
    first = start(folder, started)
    until(lambda: calls(folder) == [job.id])
    second = start(folder, started)
    said, _ = second.communicate(timeout=30)
    assert second.returncode == 1 and said.startswith("error: ") and said.count("\n") == 1
    assert f"process {first.pid} evaluates this run's events already" in said
    assert first.wait(timeout=30) == 0
    assert calls(folder) == [job.id]


def test_a_hanging_evaluation_is_killed_and_a_fault(folder: EventFolder, started: Started):
    hanging, after = add_job(folder, "sleep-60", timeout=1.0), add_job(folder, "score-1", iteration=2)
    work(folder, started)
    result, next_result = folder.result(hanging.id), folder.result(after.id)
    assert result is not None and result.status == "fault" and result.reason == "no answer within 1 s"
    assert not runs(pids(folder)[0])
    assert next_result is not None and next_result.valid


@pytest.mark.parametrize(
    ("content", "status", "reason", "begun"),
    [
        ("kill_once", "answered", "", 2),
        ("kill", "fault", "the evaluation was killed 2 times, last by SIGKILL", 2),
        ("bug", "fault", "the evaluation failed with exit code 1; see events/worker.log", 1),
        ("refuse", "fault", "observations do not fit", 1),
    ],
)
def test_an_evaluation_that_ends_badly(
    folder: EventFolder, started: Started, content: str, status: str, reason: str, begun: int
):
    job = add_job(folder, content)
    said = work(folder, started)
    result = folder.result(job.id)
    assert result is not None and (result.status, result.reason, result.attempts) == (status, reason, begun)
    assert len(calls(folder)) == begun
    assert ("ZeroDivisionError: a bug" in said) == (content == "bug")


def test_what_is_not_valid_is_an_answer_without_a_score(folder: EventFolder, started: Started):
    job = add_job(folder, "invalid")
    work(folder, started)
    result = folder.result(job.id)
    assert result is not None and result.status == "answered" and not result.valid


@pytest.mark.parametrize("cut", [0, 40, -2], ids=["empty", "half", "changed"])
def test_a_half_written_result_is_put_aside_and_the_job_done_again(folder: EventFolder, started: Started, cut: int):
    job = add_job(folder, "score-1")
    work(folder, started)
    path = folder.results / f"{job.id}.json"
    whole = path.read_text()
    path.write_text(whole.replace('"score": 1.0', '"score": 9.0') if cut == -2 else whole[:cut])
    (folder.reports / job.id / "outcome.json").unlink()
    assert folder.outstanding() == [job.id]
    assert "is damaged and put aside" in work(folder, started)
    result = folder.result(job.id)
    assert result is not None and result.finding is not None and result.finding.score == 1.0
    assert len(calls(folder)) == 2 and len(list(folder.results.glob("*.broken1"))) == 1


def test_a_damaged_job_is_put_aside_and_the_others_are_done(folder: EventFolder, started: Started):
    bad, good = add_job(folder, "score-1"), add_job(folder, "score-2", iteration=2)
    path = folder.jobs / f"{bad.id}.json"
    path.write_text(path.read_text()[:-20])
    assert "Put aside as" in work(folder, started)
    assert folder.result_ids() == [good.id]
    assert [path.name for path in folder.jobs.glob("*.broken*")] == [f"{bad.id}.broken1"]


def test_a_checkpoint_that_training_dropped_is_still_evaluated(folder: EventFolder, started: Started):
    job = add_job(folder, "score-1")
    (folder.run / "model_1.pt").unlink()
    work(folder, started)
    result = folder.result(job.id)
    assert result is not None and result.valid


def test_without_its_own_copy_the_same_checkpoint_of_the_run_serves(folder: EventFolder, started: Started):
    job = add_job(folder, "score-1")
    folder.unpin(job.id)
    work(folder, started)
    result = folder.result(job.id)
    assert result is not None and result.valid


@pytest.mark.parametrize("replaced", [False, True])
def test_a_checkpoint_that_is_gone_is_a_fault(folder: EventFolder, started: Started, replaced: bool):
    job = add_job(folder, "score-1")
    folder.unpin(job.id)
    if replaced:
        (folder.run / "model_1.pt").write_bytes(b"other weights")
    else:
        (folder.run / "model_1.pt").unlink()
    work(folder, started)
    result = folder.result(job.id)
    assert result is not None and result.status == "fault" and calls(folder) == []
    assert ("its SHA-256 differs" if replaced else "was deleted before it was evaluated") in result.reason


def test_told_to_end_the_job_stays_in_the_queue_and_no_attempt_is_counted(folder: EventFolder, started: Started):
    job = add_job(folder, "sleep_once-60", attempts=1)
    process = start(folder, started)
    until(lambda: calls(folder) == [job.id])
    process.terminate()
    assert process.wait(timeout=30) == 0
    assert not runs(pids(folder)[0])
    assert folder.outstanding() == [job.id] and folder.worker.holder() is None
    work(folder, started)
    result = folder.result(job.id)
    assert result is not None and result.valid


def test_stopped_by_a_debugger_and_overtaken_it_ends_without_a_word(folder: EventFolder, started: Started):
    job = add_job(folder, "sleep-60")
    process = start(folder, started)
    until(lambda: calls(folder) == [job.id])
    os.kill(process.pid, signal.SIGSTOP)
    folder.worker.path.write_text(json.dumps(asdict(of_another_boot())))  # somebody else has the lease
    os.kill(process.pid, signal.SIGCONT)
    assert process.wait(timeout=30) == 0
    assert folder.result_ids() == []


def test_without_events_there_is_nothing_to_work_on(tmp_path: Path, started: Started):
    assert "no run folder with scheduled events" in work(EventFolder(tmp_path), started)


def test_the_best_checkpoint_follows_results_that_come_when_nobody_trains(folder: EventFolder, started: Started):
    for iteration, score in ((1, 0.5), (2, 0.9), (3, 0.7)):
        add_job(folder, f"score-{score}", iteration=iteration)
    work(folder, started)
    assert (folder.run / "model_best.pt").read_bytes() == b"weights of iteration 2"
    assert json.loads((folder.run / "model_best.json").read_text())["score"] == 0.9


def test_what_an_older_job_of_this_name_left_is_not_its_answer(folder: EventFolder, started: Started):
    """Jobs and results were deleted, reports were not: the number is given anew, and means another checkpoint."""
    old = add_job(folder, "score-9", iteration=1)
    work(folder, started)
    left = folder.reports / old.id / "outcome.json"
    assert left.is_file()
    for path in (folder.jobs, folder.results):
        (path / f"{old.id}.json").unlink()
    (folder.run / "model_1.pt").unlink()
    (folder.run / "model_1.pt").write_bytes(b"other weights of iteration 1")
    new = add_job(folder, "score-1", iteration=1)
    work(folder, started)
    result = folder.result(new.id)
    assert new.id == old.id and result is not None and result.finding is not None and result.finding.score == 1.0


def test_a_disk_that_refuses_for_a_while_costs_no_job_and_no_attempt(folder: EventFolder, started: Started):
    """Before, an evaluation that could not write its outcome had failed for good."""
    job = add_job(folder, "full_once-1", attempts=1)
    work(folder, started)
    result = folder.result(job.id)
    assert result is not None and result.valid and result.attempts == 1
    assert calls(folder) == [job.id, job.id]


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
@pytest.mark.parametrize("place", ["jobs", "claims", "results", "reports"])
def test_what_is_no_file_blocks_no_worker_and_leads_nowhere(
    folder: EventFolder, started: Started, tmp_path: Path, place: str, kind: str
):
    outside = tmp_path / "outside"
    outside.mkdir()
    make = {"pipe": os.mkfifo, "folder": os.mkdir, "link": lambda path: path.symlink_to(outside)}[kind]
    job = add_job(folder, "score-1")
    if place == "jobs":
        make(folder.jobs / "000009-panel-1.json")
    elif not (place == "reports" and kind == "folder"):
        name = job.id if place == "reports" else f"{job.id}.json"
        make(folder.path / place / name)
    work(folder, started)
    result = folder.result(job.id)
    assert result is not None and result.valid and list(outside.iterdir()) == []
    assert folder.job_ids() == [job.id]
