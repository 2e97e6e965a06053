"""The trainer's side with a real worker: jobs, reactions, what a killed trainer knows when it comes back."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from event_cases import COMMAND, ZERO, add_job, calls, finding, make_run, pids, runs, scripted, until
from surefoot import files
from surefoot.audit.alerts.alerts import Alert
from surefoot.errors import CannotWrite
from surefoot.jobs import trainer as trainers
from surefoot.jobs import worker_process as processes
from surefoot.jobs.job import Result, answered
from surefoot.jobs.kinds import Content
from surefoot.jobs.lease import trainer_lease
from surefoot.jobs.plan import EventPlan, Mode, PlannedEvent
from surefoot.jobs.trainer import RunEvents
from surefoot.machine import Machine
from surefoot.manifest.schedule import Event, Limit, Schedule

Make = Callable[..., RunEvents]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run").run


@pytest.fixture
def make(run: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes the trainer's side; every worker that it starts is ended."""
    monkeypatch.setattr(trainers, "_WATCH_EVERY", 0.0)
    monkeypatch.setattr(processes, "FIRST_WAIT", 0.1)
    made: list[RunEvents] = []
    lease = trainer_lease(run)
    lease.acquire()

    def make(
        mode: Mode = "worker", resumed_at: int = 0, command: tuple[str, ...] = COMMAND, **schedule: Any
    ) -> RunEvents:
        config = Schedule(**{"events": {"panel": event()}} | schedule)
        planned = tuple(PlannedEvent(name, event, Content(ZERO)) for name, event in config.events.items())
        plan = EventPlan(mode, config, planned, Machine("none"), Path("/"), command, scripted)
        made.append(RunEvents(run, plan, ZERO, resumed_at))
        return made[-1]

    yield make
    lease.release()
    for events in made:
        events.close()


def event(content: str = "score-1", **changes: Any) -> Event:
    return Event(**{"kind": "panel", "content": content, "every": 1, "keep_best": True} | changes)


def answers(events: RunEvents, iteration: int, count: int = 1) -> tuple[list[Result], list[Alert]]:
    """Poll as a trainer does until results have come."""
    results: list[Result] = []
    alerts: list[Alert] = []

    def enough() -> bool:
        alerts.extend(events.poll(iteration))
        results.extend(events.news())
        return len(results) >= count

    until(enough)
    return results, alerts


def answer(events: RunEvents, score: float, iteration: int, fall_rate: float = 0.1) -> Result:
    """Write the result of an outstanding job, as a worker would."""
    job = next(events.folder.job(job) for job in events.waiting() if events.folder.job(job).iteration == iteration)
    result = answered(job, finding(score, fall_rate), "", 1, 1.0)
    events.folder.answer(result)
    return result


def test_jobs_are_written_results_come_back_and_the_best_is_kept(make: Make, run: Path):
    events = make()
    events.start(0, None)
    for iteration in (1, 2):
        events.submit(iteration, run / f"model_{iteration}.pt")
    results, alerts = answers(events, 2, count=2)
    assert [result.job.iteration for result in results] == [1, 2] and alerts == []
    assert (run / "model_best.pt").read_bytes() == b"weights of iteration 1"
    assert events.waiting() == [] and list(events.folder.pins.iterdir()) == []
    assert calls(events.folder) == [result.job.id for result in results]


def test_due_every_so_often_and_at_the_end(make: Make):
    config = {"often": event(every=2, keep_best=False), "last": event(every=0, at_end=True)}
    events = make(events=config)
    due = {(i, end): [one.name for one in events.due(i, end)] for i, end in ((1, False), (2, False), (3, True))}
    assert due == {(1, False): [], (2, False): ["often"], (3, True): ["last"]}


def test_a_submitted_checkpoint_may_be_deleted_at_once(make: Make, run: Path):
    events = make()
    events.submit(1, run / "model_1.pt")
    (run / "model_1.pt").unlink()
    events.start(0, None)
    (result,), _ = answers(events, 1)
    assert result.valid


def test_a_limit_raises_its_alert_once_also_across_a_killed_trainer(make: Make, run: Path):
    limits = {"falls": Limit(metric="fall_rate", maximum=0.05)}
    events = make(events={"panel": event(limits=limits)})
    events.submit(1, run / "model_1.pt")
    answer(events, 0.5, 1)
    alerts = events.poll(2)
    assert [(alert.kind, alert.subject, alert.iteration) for alert in alerts] == [("event_limit", "panel.falls", 2)]
    assert events.poll(3) == []
    assert make(events={"panel": event(limits=limits)}, resumed_at=2).poll(3) == []  # without a word from the first
    again = make(events={"panel": event(limits=limits)}, resumed_at=1).poll(2)  # its reaction was rolled back
    assert [alert.kind for alert in again] == ["event_limit"]


def test_a_run_that_a_result_stopped_stops_again_unless_the_limit_changes(make: Make, run: Path):
    def config(action: str) -> dict[str, Event]:
        return {"panel": event(limits={"falls": Limit(metric="fall_rate", maximum=0.05, action=action)})}

    events = make(events=config("stop"))
    events.submit(1, run / "model_1.pt")
    answer(events, 0.5, 1)
    assert [alert.action for alert in events.poll(2)] == ["stop"]
    resumed = make(events=config("stop"), resumed_at=2)
    assert [alert.action for alert in resumed.poll(3)] == ["stop"]
    assert resumed.poll(4) == []
    assert make(events=config("log"), resumed_at=2).poll(3) == []


def test_results_that_came_while_the_trainer_was_dead_are_reacted_to(make: Make, run: Path):
    events = make()
    events.submit(1, run / "model_1.pt")
    answer(events, 0.5, 1)  # and the trainer is killed here
    resumed = make(resumed_at=1)
    assert resumed.waiting() == ["000001-panel-1"]
    resumed.poll(2)
    assert [result.job.id for result in resumed.news()] == ["000001-panel-1"]
    assert (run / "model_best.pt").is_file()


def test_killed_between_checkpoint_and_job_the_job_is_written_on_resume_and_only_then(make: Make, run: Path):
    resumed = make(resumed_at=2)
    resumed.start(2, run / "model_2.pt")
    assert resumed.folder.job_ids() == ["000001-panel-2"]
    make(resumed_at=2).start(2, run / "model_2.pt")
    assert resumed.folder.job_ids() == ["000001-panel-2"]
    (run / "model_2.pt").unlink()
    (run / "model_2.pt").write_bytes(b"other weights of iteration 2")  # an earlier checkpoint was resumed from
    make(resumed_at=1).submit(2, run / "model_2.pt")
    assert resumed.folder.job_ids() == ["000002-panel-2"]


def test_what_was_found_about_checkpoints_that_the_run_has_left_is_put_aside(
    make: Make, run: Path, capsys: pytest.CaptureFixture[str]
):
    """Gone back to iteration 1: the score of a policy that this run never had must not be its best or its newest."""
    limits = {"falls": Limit(metric="fall_rate", maximum=0.05, action="stop")}
    first = make(mode="off", events={"panel": event(limits=limits)})
    for iteration in (1, 2, 3):
        first.submit(iteration, run / f"model_{iteration}.pt")
    answer(first, 0.2, 1, fall_rate=0.01)
    answer(first, 0.9, 2)
    resumed = make(mode="off", events={"panel": event(limits=limits)}, resumed_at=1)
    resumed.start(1, run / "model_1.pt")
    assert "put aside: 000002-panel-2, 000003-panel-3" in capsys.readouterr().out
    assert resumed.poll(2) == [] and [result.job.iteration for result in resumed.news()] == [1]
    assert (run / "model_best.pt").read_bytes() == b"weights of iteration 1"
    assert resumed.waiting() == []
    assert sorted(path.name for path in resumed.folder.jobs.glob("*given_up*")) == [
        "000002-panel-2.given_up1", "000003-panel-3.given_up1",
    ]  # fmt: skip
    resumed.submit(2, run / "model_2.pt")
    assert resumed.folder.job_ids() == ["000001-panel-1", "000004-panel-2"]  # a number of before means what it did


def test_a_changed_panel_is_run_on_a_checkpoint_that_another_one_was_run_on(make: Make, run: Path):
    make(mode="off").submit(1, run / "model_1.pt")
    other = make(mode="off", events={"panel": event(seed=7)}, resumed_at=1)
    other.start(1, run / "model_1.pt")
    assert [other.folder.job(job).seed for job in other.folder.job_ids()] == [None, 7]


def test_a_killed_worker_is_started_again_and_nothing_is_done_twice(make: Make, run: Path):
    events = make(events={"panel": event("sleep_once-60")})
    events.submit(1, run / "model_1.pt")
    events.start(1, run / "model_1.pt")
    until(lambda: len(calls(events.folder)) == 1)
    holder = events.folder.worker.holder()
    assert holder is not None
    os.kill(holder.pid, signal.SIGKILL)
    (result,), _ = answers(events, 1)
    assert result.valid and result.attempts == 2 and len(events.folder.result_ids()) == 1


def test_a_worker_that_stands_still_is_killed_and_another_started(
    make: Make, run: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(processes, "SILENT_AFTER", 4.0)
    events = make(events={"panel": event("sleep_once-60")})
    events.submit(1, run / "model_1.pt")
    events.start(1, run / "model_1.pt")
    until(lambda: len(calls(events.folder)) == 1)
    holder = events.folder.worker.holder()
    assert holder is not None
    os.kill(holder.pid, signal.SIGSTOP)
    (result,), _ = answers(events, 1)
    assert result.valid and not runs(holder.pid) and not runs(pids(events.folder)[0])


def test_a_worker_of_the_killed_trainer_goes_on_and_no_second_one_is_started(make: Make, run: Path):
    first = make(events={"panel": event("sleep-2")})
    first.submit(1, run / "model_1.pt")
    first.start(1, run / "model_1.pt")
    until(lambda: len(calls(first.folder)) == 1)
    holder = first.folder.worker.holder()
    second = make(events={"panel": event("sleep-2")}, resumed_at=1)
    second.start(1, run / "model_1.pt")
    answers(second, 2)
    assert second.folder.worker.holder() == holder and len(calls(second.folder)) == 1


def test_a_worker_that_cannot_work_is_given_up_with_one_alert(make: Make, run: Path):
    events = make(command=("false",), on_fault="pause")
    events.submit(1, run / "model_1.pt")
    events.start(0, None)
    alerts: list[Alert] = []
    until(lambda: alerts.extend(events.poll(1)) or alerts)
    assert [(alert.kind, alert.subject, alert.action) for alert in alerts] == [("event_fault", "worker", "pause")]
    assert "ended 5 times without a result" in alerts[0].message
    assert events.poll(2) == []
    begin = time.monotonic()
    assert events.wait(2, lambda: False, lambda results: None) == []  # in vain: it does not wait
    assert time.monotonic() - begin < 2.0 and events.waiting() == ["000001-panel-1"]


def test_too_many_jobs_in_the_queue_an_event_is_left_out_and_that_is_on_record(make: Make, run: Path):
    events = make(mode="off", max_outstanding=1)
    for iteration in (1, 2):
        events.submit(iteration, run / f"model_{iteration}.pt")
    assert events.folder.job_ids() == ["000001-panel-1"]
    assert [(entry.event, entry.iteration) for entry in make(resumed_at=2).omitted] == [("panel", 2)]
    assert make(resumed_at=1).omitted == []  # rolled back


def test_a_full_disk_delays_a_job_and_does_not_end_the_run(
    make: Make, run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    events = make(mode="off")
    events._retry._clock = lambda: 0.0

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", full)
        events.submit(1, run / "model_1.pt")
    assert events.folder.job_ids() == [] and events.failures == 1
    assert "No space left on device" in capsys.readouterr().out
    events._retry._clock = lambda: 60.0
    events.poll(2)
    assert events.folder.job_ids() == ["000001-panel-1"]


def test_a_deleted_job_is_a_fault_and_nobody_waits_for_it(make: Make, run: Path):
    events = make(mode="off")
    events.submit(1, run / "model_1.pt")
    (events.folder.jobs / "000001-panel-1.json").unlink()
    (alert,) = events.poll(1)
    assert alert.kind == "event_fault" and "damaged or deleted" in alert.message
    assert events.waiting() == [] and len(events.omitted) == 1


def test_a_new_best_sets_off_what_waits_for_it_on_its_own_checkpoint(make: Make, run: Path):
    big = Event(kind="panel", content="score-9", on_best=True)
    events = make(mode="off", events={"panel": event(), "big": big})
    for iteration, score in ((1, 0.5), (2, 0.4), (3, 0.6)):
        events.submit(iteration, run / f"model_{iteration}.pt")
        answer(events, score, iteration)
        events.poll(iteration)
    jobs = [events.folder.job(job) for job in events.folder.job_ids()]
    assert [(job.iteration, job.keep_best) for job in jobs if job.event == "big"] == [(1, False), (3, False)]
    digests = {job.iteration: job.checkpoint_sha256 for job in jobs if job.event == "panel"}
    assert all(job.checkpoint_sha256 == digests[job.iteration] for job in jobs)


def test_two_new_bests_at_once_are_each_evaluated_on_their_own_checkpoint(make: Make, run: Path):
    """Both results came between two looks: when the jobs are written, model_best.pt is the second one already."""
    big = Event(kind="panel", content="score-9", on_best=True)
    events = make(mode="off", events={"panel": event(), "big": big})
    for iteration in (1, 2, 3):
        events.submit(iteration, run / f"model_{iteration}.pt")
    for iteration, score in ((1, 0.5), (2, 0.6)):
        answer(events, score, iteration)
    events.poll(3)
    jobs = [events.folder.job(job) for job in events.folder.job_ids()]
    digests = {job.iteration: job.checkpoint_sha256 for job in jobs if job.event == "panel"}
    found = {job.iteration: job.checkpoint_sha256 for job in jobs if job.event == "big"}
    assert found == {1: digests[1], 2: digests[2]}


def test_inline_the_trainer_waits_and_a_bug_is_a_traceback(make: Make, run: Path):
    events = make(mode="inline")
    events.submit(1, run / "model_1.pt")
    events.poll(1)
    assert [result.valid for result in events.news()] == [True]
    assert pids(events.folder) == [os.getpid()]
    with pytest.raises(ZeroDivisionError):
        make(mode="inline", events={"panel": event("bug")}).submit(2, run / "model_2.pt")
    resumed = make(mode="inline", resumed_at=2)  # the job that the bug left
    (resumed.folder.jobs / "000002-panel-2.json").unlink()
    add_job(resumed.folder, "score-4", iteration=3, seed=None)
    again = make(mode="inline", resumed_at=3)
    again.start(3, run / "model_3.pt")
    again.poll(3)
    assert [result.job.iteration for result in again.news()] == [3]


def test_at_the_end_it_waits_and_says_what_for(make: Make, run: Path, capsys: pytest.CaptureFixture[str]):
    events = make(events={"panel": event("sleep-1")})
    events.start(0, None)
    events.submit(1, run / "model_1.pt")
    shown: list[Result] = []
    assert events.wait(1, lambda: False, shown.extend) == []
    assert [result.job.id for result in shown] == ["000001-panel-1"]
    assert "Waiting for 1 scheduled events, 0 s: 000001-panel-1" in capsys.readouterr().out


def test_interrupted_it_ends_its_worker_and_the_job_stays(make: Make, run: Path):
    events = make(events={"panel": event("sleep-60")})
    events.start(0, None)
    events.submit(1, run / "model_1.pt")
    until(lambda: len(calls(events.folder)) == 1)
    events.wait(1, lambda: True, lambda results: None)
    events.close()
    assert events.folder.outstanding() == ["000001-panel-1"]
    assert not runs(pids(events.folder)[0]) and events.folder.worker.holder() is None


def test_a_poll_without_news_reads_no_result_again(make: Make, run: Path):
    events = make(mode="off", max_outstanding=1000)
    for number in range(20):
        job = add_job(events.folder, "", event=f"e{number}")
        events.folder.answer(answered(job, finding(0.1), "", 1, 1.0))
    events.poll(1)
    reads: list[str] = []
    events.folder.result = lambda identity: reads.append(identity)  # pyright: ignore[reportAttributeAccessIssue]
    events.poll(2)
    assert reads == []


def test_a_lease_that_names_another_process_kills_nobody_and_the_job_is_done(
    make: Make, run: Path, monkeypatch: pytest.MonkeyPatch
):
    """Whoever writes the run folder could have had any process of the user killed."""
    monkeypatch.setattr(processes, "SILENT_AFTER", 4.0)
    code = "from surefoot.jobs.lease import Lease; import sys, time, pathlib\n"
    code += "Lease(pathlib.Path(sys.argv[1]), 'x').acquire(); print('held', flush=True); time.sleep(60)"
    events = make()
    command = [sys.executable, "-c", code, str(events.folder.worker.path)]
    bystander = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert bystander.stdout is not None and bystander.stdout.readline() == b"held\n"
        events.submit(1, run / "model_1.pt")
        (result,), _ = answers(events, 1)
        assert result.valid and bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.parametrize("lost", ["events", "events/jobs"])
def test_a_deleted_folder_of_events_ends_no_run_and_is_not_waited_for(make: Make, run: Path, lost: str):
    events = make(events={"panel": event("sleep-60")})
    events.submit(1, run / "model_1.pt")
    events.submit(2, run / "model_2.pt")
    shutil.rmtree(run / lost)
    alerts = events.wait(2, lambda: False, lambda results: None)
    assert [alert.kind for alert in alerts] == ["event_fault", "event_fault"]
    assert [entry.event for entry in events.omitted] == ["panel", "panel"] and events.waiting() == []
    events.submit(3, run / "model_3.pt")
    assert len(events.folder.job_ids()) == 1


def test_inline_a_full_disk_is_waited_for_and_makes_no_fault(make: Make, monkeypatch: pytest.MonkeyPatch, run: Path):
    events = make(mode="inline")
    clock = [0.0]
    events._retry._clock = lambda: clock[0]
    real = trainers.evaluate_here

    def full(*rest: Any) -> Any:
        raise CannotWrite("outcome.json: cannot be written (No space left on device).")

    monkeypatch.setattr(trainers, "evaluate_here", full)
    events.submit(1, run / "model_1.pt")
    assert events.folder.result_ids() == [] and events.failures == 1
    monkeypatch.setattr(trainers, "evaluate_here", real)
    clock[0] = 60.0
    events.poll(1)
    events.poll(1)
    assert [result.valid for result in events.news()] == [True]


def test_the_jobs_of_the_end_are_written_when_a_complete_run_is_closed(make: Make, run: Path):
    """Killed after the last checkpoint, before its job: the policy was never evaluated."""
    last = event(every=0, at_end=True)
    make(mode="off", events={"panel": last}, resumed_at=2).start(2, run / "model_2.pt")
    assert make(mode="off", events={"panel": last}, resumed_at=2).waiting() == []
    make(mode="off", events={"panel": last}, resumed_at=2).start(2, run / "model_2.pt", end=True)
    assert make(mode="off", events={"panel": last}, resumed_at=2).waiting() == ["000001-panel-2"]
