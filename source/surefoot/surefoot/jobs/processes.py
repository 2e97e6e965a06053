"""The one place that ends processes: those that were started here, and proven workers of a run."""

import os
import subprocess
from pathlib import Path

import psutil

from surefoot.jobs.lease import Identity

TOKEN = "SUREFOOT_WORKER_OF"
"""Environment variable of a worker that a trainer started: its run folder. What it evaluates does not have it."""


def token_of(run: Path) -> str:
    """What `TOKEN` is for the workers of a run."""
    return str(run.resolve())


def end(process: subprocess.Popen[bytes], grace: float = 0.0) -> None:
    """End a process that was started here, and wait for it.

    Args:
        process: The process; nothing happens where it has ended.
        grace: s that it gets, after SIGTERM, to end by itself.
    """
    if process.poll() is not None:
        return
    if grace > 0:
        process.terminate()
        try:
            process.wait(timeout=grace)
            return
        except subprocess.TimeoutExpired:
            pass
    process.kill()
    process.wait()


def kill_worker(holder: Identity, run: Path) -> bool:
    """Kill a process if it is proven to be a worker of this run; returns whether it was.

    A file says which process it is, and anybody who can write the run folder writes files: its number, its start and
    the token in its own environment have to agree.

    Args:
        holder: Who is said to be the worker.
        run: Run folder.
    """
    if not holder.is_near(Identity.own()) or holder.pid == os.getpid():
        return False
    try:
        process = psutil.Process(holder.pid)
        if not holder.lives(float("inf")) or process.environ().get(TOKEN) != token_of(run):
            return False
        process.kill()  # psutil compares the start again, so that no later process of this number is hit
        return True
    except (psutil.Error, OSError):
        return False
