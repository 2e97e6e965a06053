"""A run folder with jobs, and a worker whose evaluations do what the job's content says.

As a script: `event_cases.py worker RUN` is that worker, `event_cases.py evaluate RUN JOB PID` its child.
"""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from surefoot.errors import CannotWrite, SurefootError
from surefoot.jobs import do_job as child
from surefoot.jobs.job import Job, Measurements, Metric, job_id, time_of_day
from surefoot.jobs.lease import Identity
from surefoot.jobs.queue import EventFolder
from surefoot.runs import worker

COMMAND = (sys.executable, __file__, "worker")
CALLS = "calls.txt"
"""In the run folder: a line `job pid` each time that an evaluation begins."""
ZERO = "0" * 64


def make_run(path: Path, checkpoints: int = 3) -> EventFolder:
    path.mkdir(parents=True, exist_ok=True)
    folder = EventFolder(path)
    folder.make()
    for number in range(1, checkpoints + 1):
        (path / f"model_{number}.pt").write_bytes(b"weights of iteration %d" % number)
    return folder


def add_job(folder: EventFolder, content: str, iteration: int = 1, event: str = "panel", **changes: Any) -> Job:
    identity = job_id(folder.next_number(), event, iteration)
    checkpoint, digest = folder.pin(folder.run / f"model_{iteration}.pt", identity)
    plain = {
        "id": identity, "event": event, "kind": "scripted", "content": content, "content_sha256": ZERO,
        "iteration": iteration, "checkpoint": checkpoint, "checkpoint_sha256": digest, "manifest_sha256": ZERO,
        "keep_best": True, "seed": 0, "engine": "none", "device": "cpu", "manifests": "/", "threads": 1, "nice": 0,
        "timeout": 60.0, "attempts": 2, "written": time_of_day(),
    }  # fmt: skip
    job = Job(**(plain | changes))
    folder.submit(job)
    return job


def finding(score: float, fall_rate: float = 0.1) -> Measurements:
    metric = Metric(value=fall_rate, low=fall_rate / 2, high=fall_rate * 2, version=1)
    return Measurements(valid=True, score=score, held_out={"fall_rate": metric}, in_distribution={"fall_rate": metric})


def calls(folder: EventFolder) -> list[str]:
    """Jobs whose evaluation was begun, in order."""
    path = folder.run / CALLS
    return [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []


def pids(folder: EventFolder) -> list[int]:
    return [int(line.split()[1]) for line in (folder.run / CALLS).read_text().splitlines()]


def runs(pid: int) -> bool:
    """Whether a process lives and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def until(condition: Any, seconds: float = 30.0) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)


def of_another_boot() -> Identity:
    """This process, as it would be known before the machine was started anew."""
    own = Identity.own()
    return Identity(own.pid, own.start, "another-boot", own.namespace, own.host)


def scripted(run: Path, job: Job, out: Path) -> Measurements:
    """What to do is in the job's content: a word, and a number after a dash."""
    with (run / CALLS).open("a") as file:
        file.write(f"{job.id} {os.getpid()}\n")
    word, _, number = job.content.partition("-")
    begun = calls(EventFolder(run)).count(job.id)
    if word == "sleep" or (word == "sleep_once" and begun == 1):
        time.sleep(float(number))
    if word == "kill" or (word == "kill_once" and begun == 1):
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "full_once" and begun == 1:
        raise CannotWrite("panel.json: cannot be written (No space left on device).")
    if word == "bug":
        raise ZeroDivisionError("a bug")
    if word == "refuse":
        raise SurefootError("observations do not fit")
    if word == "invalid":
        return Measurements(valid=False, reasons=("every robot broke",))
    return finding(float(number) if word == "score" else 1.0)


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        worker.surefoot.cli.run(lambda: worker.main(sys.argv[2:], (sys.executable, __file__, "evaluate")))
    else:
        child.main(sys.argv[2:], scripted)
