"""The worker process as the trainer sees it: started, watched, started again, ended; never waited for."""

import errno
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from surefoot.errors import RunFolderError
from surefoot.files import make_way
from surefoot.jobs.lease import Identity
from surefoot.jobs.processes import TOKEN, end, kill_worker, token_of
from surefoot.jobs.queue import EventFolder
from surefoot.reporting import say

SILENT_AFTER = 60.0
"""s without a heartbeat after which a worker counts as hung and is killed; it beats every 2 s, evaluating or not."""
FIRST_WAIT = 5.0
"""s to the second start; each further one without a result in between doubles it."""
MOST_STARTS = 5
"""Starts without a result in between, then it is given up."""


class WorkerProcess:
    """Sees to it that somebody works on the queue.

    Args:
        folder: The queue.
        command: Starts a worker; the run folder is appended.
        clock: s, monotonic; stands still while the machine sleeps.
    """

    def __init__(
        self, folder: EventFolder, command: tuple[str, ...], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder = folder
        self._command = command
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = 0
        self._next = -float("inf")
        self._beat: tuple[Any, float] = (None, 0.0)
        self.problem: str | None = None
        """Why nobody works on the queue, once that is given up."""

    def encourage(self) -> None:
        """A result came: earlier starts are forgotten."""
        self._starts, self.problem = 0, None

    def watch(self) -> None:
        """Start the worker where there is none, kill it where it hangs; returns at once."""
        holder = self._folder.worker.holder()
        if holder is not None:
            # A process number means nothing on another machine, and must not be killed here.
            if self._is_silent() and holder.is_near(Identity.own()):
                killed = kill_worker(holder, self._folder.run)  # what it evaluates dies with it
                what = "was killed" if killed else "is not a worker that this run started, and was left alone"
                say(
                    f"{self._folder.worker.path}: no heartbeat for {SILENT_AFTER:g} s; process {holder.pid} {what}",
                )
                # Alive or not, it has lost the role, and learns so at its next heartbeat.
                self._folder.worker.give_up(holder)
                self._beat = (None, 0.0)
            return
        # It may still be importing, and have no lease yet.
        if (self._process is not None and self._process.poll() is None) or self._clock() < self._next:
            return
        if self._starts >= MOST_STARTS:
            self.problem = f"the worker ended {self._starts} times without a result; see {self._folder.log}"
            return
        self._start()

    def _start(self) -> None:
        self._next = self._clock() + FIRST_WAIT * 2.0**self._starts
        self._starts += 1
        try:
            self._folder.make()
            with _append_to(self._folder.log) as log:
                self._process = subprocess.Popen(
                    [*self._command, str(self._folder.run)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=os.environ | {TOKEN: token_of(self._folder.run)},
                    start_new_session=True,  # Ctrl-C in the trainer's terminal is not for it
                )
        except OSError as error:
            self.problem = f"the worker cannot be started ({error.strerror})"
        except RunFolderError:
            pass  # a full disk: the next look starts it

    def _is_silent(self) -> bool:
        try:
            beat = self._folder.worker.path.stat().st_mtime_ns
        except OSError:
            return False
        # Only changes of the file's time count, by this process's clock: a clock that is set kills no worker.
        if beat != self._beat[0]:
            self._beat = (beat, self._clock())
        return self._clock() - self._beat[1] > SILENT_AFTER

    def stop(self) -> None:
        """End the worker that was started here, and what it evaluates; its job stays in the queue."""
        process, self._process = self._process, None
        if process is not None:
            # Not at once: the worker then kills what it evaluates and gives its lease back.
            end(process, grace=10.0)


def _append_to(path: Path) -> BinaryIO:
    make_way(path, say)
    try:
        return path.open("ab")
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise
        return open(os.devnull, "ab")  # a worker without a log is better than none
