"""A job done in the process that asks for it: by the trainer with `--events inline`, by the worker's child always."""

import time
from collections.abc import Callable
from pathlib import Path

from surefoot.errors import RunFolderError, SurefootError
from surefoot.jobs.job import Job
from surefoot.jobs.queue import EventFolder, answered, fault, sha256_of
from surefoot.jobs.result import Finding, Result

Evaluate = Callable[[Path, Job, Path], Finding]
"""Run folder, job, folder for the report."""


def checkpoint_for(run: Path, job: Job) -> Path:
    """The checkpoint of a job, proven by its hash.

    Raises:
        RunFolderError: It is gone, or another one is there.
    """
    pinned, plain = run / job.checkpoint, run / f"model_{job.iteration}.pt"
    there = [path for path in (pinned, plain) if path.is_file()]
    for path in there:
        if sha256_of(path) == job.checkpoint_sha256:
            return path
    if there:
        raise RunFolderError(f"{there[0]}: not the checkpoint that {job.id} was written for: its SHA-256 differs.")
    raise RunFolderError(f"{pinned}: the checkpoint of iteration {job.iteration} was deleted before it was evaluated.")


def report_folder(folder: EventFolder, job: Job) -> Path:
    """Where the full report of a job goes; made if need be.

    Raises:
        RunFolderError: The folder cannot be written.
    """
    out = folder.reports / job.id
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"{out}: cannot be created ({error.strerror}).") from error
    return out


def evaluate_here(folder: EventFolder, job: Job, evaluate: Evaluate) -> Result:
    """Do a job and write its result; what goes wrong on purpose becomes a fault, what is a bug is raised."""
    start = time.perf_counter()
    try:
        checkpoint_for(folder.run, job)
        out = report_folder(folder, job)
        finding = evaluate(folder.run, job, out)
        result = answered(job, finding, str(out.relative_to(folder.run)), 1, time.perf_counter() - start)
    except SurefootError as error:
        result = fault(job, str(error), 1, time.perf_counter() - start)
    folder.answer(result)
    return result
