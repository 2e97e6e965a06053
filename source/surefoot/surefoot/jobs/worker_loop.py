"""The evaluation worker of a run, as a loop; `surefoot.runs.worker` is the process.

It takes the jobs in order, gives each to a process of its own, and writes the results. It ends when its run does not
train any more and no job is left.
"""

import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from surefoot.errors import CannotWrite, RunFolderError
from surefoot.files import make_way, sweep
from surefoot.jobs.do_job import OUTCOME, TRY_LATER, Outcome
from surefoot.jobs.job import Job, Result, answered, fault, read_document
from surefoot.jobs.lease import trainer_lease
from surefoot.jobs.processes import TOKEN, end
from surefoot.jobs.queue import Claim, EventFolder, report_folder
from surefoot.reporting import say

EVALUATE = (sys.executable, "-m", "surefoot.jobs.do_job")
"""Does one job; run folder and job are appended."""
_LOOK_EVERY = 0.5
"""s between looks for jobs, and at the evaluation."""
_BEAT_EVERY = 2.0
"""s between heartbeats."""
_LONGEST_WAIT = 30.0
"""s between two attempts to write."""
_T = TypeVar("_T")


class Stopped(BaseException):
    """SIGTERM came, or another process has the lease: end now, leave the job in the queue."""


class WorkerLoop:
    """Works on one run's queue.

    Args:
        run: Run folder.
        finish: Called with the run folder once no job is left and nobody trains.
        evaluate: Command that does one job; run folder and job are appended.

    Raises:
        RunFolderError: No run with events, or another process works on it.
    """

    def __init__(self, run: Path, finish: Callable[[Path], None], evaluate: tuple[str, ...] = EVALUATE) -> None:
        self._folder = EventFolder(run)
        if not self._folder.jobs.is_dir():
            raise RunFolderError(f"{run}: no run folder with scheduled events ({self._folder.jobs} is missing).")
        self._finish, self._evaluate = finish, evaluate
        self._done: set[str] = set()
        self._beaten = -float("inf")
        self._folder.worker.acquire()
        sweep(self._folder.path)

    def work(self) -> int:
        """Until no job is left and nobody trains; returns how many results were written."""
        count, trainer = 0, trainer_lease(self._folder.run)
        signal.signal(signal.SIGTERM, _stop)
        try:
            while True:
                training = trainer.holder() is not None  # before the look at the queue: a job it wrote is seen
                job = self._patiently(self._next)
                if job is not None:
                    result = self._patiently(functools.partial(self._do, job))
                    count += self._patiently(functools.partial(self._folder.answer, result))
                    self._claim(job).drop()
                elif not training:
                    self._finish(self._folder.run)
                    return count
                else:
                    time.sleep(_LOOK_EVERY)
                self._beat()
        finally:
            self._folder.worker.release()

    def _patiently(self, action: Callable[[], _T]) -> _T:
        """Do what needs the disk; while it is full or read-only, wait, beat and say so."""
        wait = _LOOK_EVERY
        while True:
            try:
                return action()
            except CannotWrite as error:
                say(f"{error} Next attempt in {wait:g} s.")
                self._pause(wait)
                wait = min(2.0 * wait, _LONGEST_WAIT)

    def _pause(self, seconds: float) -> None:
        end_of_pause = time.monotonic() + seconds
        while time.monotonic() < end_of_pause:
            self._beat()
            time.sleep(_LOOK_EVERY)

    def _next(self) -> Job | None:
        """The first job without a whole result; damaged files are put aside."""
        for identity in self._folder.job_ids():
            if identity in self._done:
                continue
            path = self._folder.results / f"{identity}.json"
            if os.path.lexists(path):
                if self._folder.result(identity) is not None:
                    self._done.add(identity)
                    continue
                say(f"{path} is damaged and put aside as {self._folder.set_aside(path).name}")
            try:
                return self._folder.job(identity)
            except RunFolderError as error:
                aside = self._folder.set_aside(self._folder.jobs / f"{identity}.json")
                say(f"{error} Put aside as {aside.name}.")
        return None

    def _claim(self, job: Job) -> Claim:
        return Claim(self._folder.claims / f"{job.id}.json")

    def _do(self, job: Job) -> Result:
        claim = self._claim(job)
        attempt = claim.take()
        log = self._folder.log.relative_to(self._folder.run)
        if (left := self._outcome(job)) is not None:  # a worker was killed just before it wrote the result
            return self._result(job, left, attempt)
        # The claim outlives this process, so a job that kills its worker each time gets here in the end.
        if attempt > job.attempts:
            return fault(job, f"its worker died {job.attempts} times; see {log}", job.attempts)
        while True:
            say(f"{job.id}: attempt {attempt}")
            start = time.monotonic()
            try:
                code = self._run(job)
            except CannotWrite:
                self._put_back(claim)
                raise
            except TimeoutError:
                return fault(job, f"no answer within {job.timeout:g} s", attempt, time.monotonic() - start)
            except BaseException:  # told to end: that is not the job's fault
                self._put_back(claim)
                raise
            # Before the exit code: a simulator may crash after everything was written.
            if (outcome := self._outcome(job)) is not None:
                return self._result(job, outcome, attempt)
            if code == TRY_LATER:
                self._put_back(claim)
                raise CannotWrite(f"{job.id}: the evaluation could not write; see {log}.")
            seconds = time.monotonic() - start
            # It ended by itself and would again; only what was killed by a signal is tried again.
            if code >= 0:
                return fault(job, f"the evaluation failed with exit code {code}; see {log}", attempt, seconds)
            name = signal.Signals(-code).name
            if attempt >= job.attempts:
                return fault(job, f"the evaluation was killed {attempt} times, last by {name}", attempt, seconds)
            attempt = claim.take()

    @staticmethod
    def _put_back(claim: Claim) -> None:
        """The attempt does not count; on a full disk it does, which costs the job one of its attempts at most."""
        with suppress(CannotWrite):
            claim.untake()

    def _outcome(self, job: Job) -> Outcome | None:
        try:
            outcome = read_document(self._folder.reports / job.id / OUTCOME, Outcome, "outcome")
        except RunFolderError:
            return None
        return outcome if outcome.job == job else None  # a number may be given anew after files were deleted

    def _result(self, job: Job, outcome: Outcome, attempt: int) -> Result:
        if outcome.finding is None:
            return fault(job, outcome.fault, attempt, outcome.seconds)
        report = str((self._folder.reports / job.id).relative_to(self._folder.run))
        return answered(job, outcome.finding, report, attempt, outcome.seconds)

    def _run(self, job: Job) -> int:
        """Exit code of the evaluation; negative where a signal ended it.

        Raises:
            TimeoutError: It took too long and was killed.
        """
        # Or what an earlier attempt left would pass for this one's outcome.
        left = report_folder(self._folder, job) / OUTCOME
        make_way(left, say)
        try:
            left.unlink(missing_ok=True)
        except OSError as error:
            raise CannotWrite(f"{left}: cannot be deleted ({error.strerror}).") from error
        # Libraries read these as they are loaded, so they are set before the process begins.
        threads = {name: str(job.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
        process = subprocess.Popen(
            [*self._evaluate, str(self._folder.run), job.id, str(os.getpid())],
            stdin=subprocess.DEVNULL,
            env={name: text for name, text in os.environ.items() if name != TOKEN} | threads,
        )
        deadline = time.monotonic() + job.timeout
        try:
            while True:
                try:
                    return process.wait(timeout=_LOOK_EVERY)
                except subprocess.TimeoutExpired:
                    self._beat()
                if time.monotonic() > deadline:
                    raise TimeoutError
        finally:
            # Told to end, or out of time: the evaluation must not go on alone.
            end(process)

    def _beat(self) -> None:
        """Say that this process lives; end where another one has taken over."""
        now = time.monotonic()
        if now - self._beaten >= _BEAT_EVERY:
            self._beaten = now
            if not self._folder.worker.beat():
                raise Stopped


def _stop(signum: int, frame: Any) -> None:
    raise Stopped
