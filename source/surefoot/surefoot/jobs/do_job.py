"""A job is done: here, or in a process that does one and ends: python -m surefoot.jobs.do_job RUN JOB WORKER_PID.

A crash, a leak or an endless loop of a simulator ends with it; the worker that started it writes the result.
"""

import ctypes
import errno
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from surefoot.errors import CannotWrite, SurefootError
from surefoot.files import make_way, write_atomically
from surefoot.jobs.job import Job, Measurements, Result, answered, fault, to_json
from surefoot.jobs.queue import EventFolder, checkpoint_for, report_folder
from surefoot.manifest.base import Section
from surefoot.reporting import say

OUTCOME = "outcome.json"
TRY_LATER = 75  # EX_TEMPFAIL of sysexits.h
"""Exit code of an evaluation that the disk kept from its end: the job is to be done again, and is not at fault."""
_PASSING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_PR_SET_PDEATHSIG = 1  # prctl(2)
Evaluate = Callable[[Path, Job, Path], Measurements]
"""Run folder, job, folder for the report."""


class Outcome(Section):
    """What this process leaves for the worker."""

    schema_version: Literal[1] = 1
    job: Job
    finding: Measurements | None = None
    fault: str = ""
    seconds: Annotated[float, Field(ge=0)]
    """Wall-clock."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.finding is None) != bool(self.fault):
            raise ValueError("expected a finding or a fault")
        return self


def evaluate_here(folder: EventFolder, job: Job, evaluate: Evaluate) -> Result:
    """Do a job in this process, as `--events inline` asks for, and write its result.

    What goes wrong on purpose becomes a fault, what is a bug is raised.

    Raises:
        CannotWrite: The disk is full or read-only; the job is still to be done.
    """
    start = time.perf_counter()
    try:
        checkpoint_for(folder.run, job)
        out = report_folder(folder, job)
        finding = evaluate(folder.run, job, out)
        result = answered(job, finding, str(out.relative_to(folder.run)), 1, time.perf_counter() - start)
    except CannotWrite:
        raise
    except SurefootError as error:
        result = fault(job, str(error), 1, time.perf_counter() - start)
    folder.answer(result)
    return result


def main(arguments: list[str], evaluate: Evaluate | None = None) -> None:
    """Do the job; what is refused on purpose is a fault, a bug is a traceback and exit code 1.

    Args:
        arguments: Run folder, job, process number of the worker.
        evaluate: Does a job; default: that of its kind.
    """
    # First of all, so that a worker that is killed during the imports leaves nothing behind.
    die_with(int(arguments[2]))
    start = time.monotonic()
    folder, identity = EventFolder(Path(arguments[0])), arguments[1]
    job = folder.job(identity)
    os.nice(job.nice)
    try:
        _do(folder, job, evaluate, start)
    except CannotWrite as error:
        say(f"{job.id}: {error}")
        sys.exit(TRY_LATER)
    except OSError as error:
        if error.errno not in _PASSING:
            raise
        say(f"{job.id}: {error}")
        sys.exit(TRY_LATER)


def _do(folder: EventFolder, job: Job, evaluate: Evaluate | None, start: float) -> None:
    out = report_folder(folder, job)
    try:
        checkpoint_for(folder.run, job)
        if evaluate is None:
            from surefoot.jobs.kinds import evaluate  # torch and a simulator: only for a job that can be done
        finding, problem = evaluate(folder.run, job, out), ""
    except CannotWrite:
        raise
    except SurefootError as error:
        finding, problem = None, str(error)
    outcome = Outcome(job=job, finding=finding, fault=problem, seconds=time.monotonic() - start)
    # The worker trusts this file, whatever the exit code: a simulator may take the process down at its end.
    make_way(out / OUTCOME, say)
    write_atomically(out / OUTCOME, to_json(outcome))


def die_with(parent: int) -> None:
    """Be killed when the worker dies, however it dies: nobody else would read the outcome."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # It may have died before the call above, and then no signal comes.
    if os.getppid() != parent:
        sys.exit("the worker ended")


if __name__ == "__main__":
    main(sys.argv[1:])
