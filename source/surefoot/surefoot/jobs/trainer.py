"""The trainer's side of its events: writes jobs and goes on, reads results, reacts."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from surefoot.audit.alerts.alerts import Alert
from surefoot.audit.record.resilience import Retry
from surefoot.errors import RunFolderError
from surefoot.files import sha256_of
from surefoot.jobs import reactions
from surefoot.jobs.best import CHECKPOINT, checkpoint_of, keep_best
from surefoot.jobs.do_job import evaluate_here
from surefoot.jobs.job import Job, Result, job_id, time_of_day
from surefoot.jobs.plan import EventPlan, PlannedEvent
from surefoot.jobs.queue import EventFolder
from surefoot.jobs.reactions import Omitted, ReactionLog
from surefoot.jobs.worker_process import WorkerProcess
from surefoot.reporting import say

_WATCH_EVERY = 2.0
"""s between looks at the worker process."""
_LOOK_EVERY = 0.2
"""s between looks for results while the end of a run waits."""
_SAY_EVERY = 15.0
"""s between lines on what is being waited for."""


@dataclass(frozen=True)
class Order:
    """An event that is due, and what it is about: a job that is still to be written."""

    event: PlannedEvent
    iteration: int
    checkpoint: Path
    best: Result | None = None
    """Whose checkpoint it is about; by the time that the job is written, another one may be the best."""

    def source(self, folder: EventFolder) -> Path | None:
        """A file with its checkpoint; None where that is gone."""
        if self.best is None:
            return self.checkpoint if self.checkpoint.is_file() else None
        try:
            return checkpoint_of(folder, self.best)
        except RunFolderError:
            return None


class RunEvents:
    """Events of one run. A full disk does not end the run: what could not be written is tried again.

    Args:
        run: Run folder.
        plan: What to evaluate, and how.
        manifest_sha256: Of the manifest in force.
        resumed_at: PPO iterations done in the checkpoint that is continued; 0 for a new run.
    """

    def __init__(self, run: Path, plan: EventPlan, manifest_sha256: str, resumed_at: int = 0) -> None:
        self.plan = plan
        self.folder = EventFolder(run)
        self.folder.make()
        self.given_up = self.folder.give_up_after(resumed_at) if resumed_at else []
        """Jobs about checkpoints of a course that the run has left."""
        self.seconds = 0.0
        """Wall-clock spent in `submit` and `poll` since the caller last set this to 0."""
        self._manifest_sha256 = manifest_sha256
        self._retry = Retry("Events")
        self._orders: list[Order] = []
        self._log = ReactionLog(self.folder.path, resumed_at)
        self._log_is_behind = False
        self._worker = WorkerProcess(self.folder, plan.command) if plan.mode == "worker" else None
        self._watched = -float("inf")
        self._jobs = {job.id: job for job in map(self._read_job, self.folder.job_ids()) if job is not None}
        found = [self.folder.result(job) for job in sorted(self._log.results)]
        self._results = [result for result in found if result is not None]
        self._news: list[Result] = []
        self._looked = False
        self._told: str | None = None

    @property
    def failures(self) -> int:
        """Attempts to write that failed since the start."""
        return self._retry.failures

    @property
    def omitted(self) -> list[Omitted]:
        """Events that were due and have no job."""
        return self._log.omitted

    def start(self, iteration: int, checkpoint: Path | None, end: bool = False) -> None:
        """Start the worker, and write the jobs of the checkpoint that is continued if they are missing.

        Args:
            iteration: PPO iterations done.
            checkpoint: Of that iteration; None where there is none.
            end: The run is complete, and is only to be closed.
        """
        if self.given_up:
            say(f"Events about checkpoints after iteration {iteration} are put aside: {', '.join(self.given_up)}")
        self.submit(iteration, checkpoint, end)
        if self._worker is not None:
            self._worker.watch()

    def due(self, iteration: int, end: bool = False) -> list[PlannedEvent]:
        """Events for which a checkpoint of this iteration has to be there."""
        return [event for event in self.plan.events if event.due(iteration, end)]

    def submit(self, iteration: int, checkpoint: Path | None, end: bool = False) -> None:
        """Write the jobs of an iteration; one that is there already is not written again.

        Args:
            iteration: PPO iterations done.
            checkpoint: Of that iteration; None where there is none.
            end: The run is complete.
        """
        start = time.perf_counter()
        if checkpoint is not None and iteration > 0:
            self._orders += [Order(event, iteration, checkpoint) for event in self.due(iteration, end)]
            self._retry.attempt(lambda: self._write(iteration))
        self._evaluate_inline()
        self.seconds += time.perf_counter() - start

    def poll(self, iteration: int) -> list[Alert]:
        """React to the results that have come, and see to the worker; never waits.

        Args:
            iteration: PPO iterations done.
        """
        start = time.perf_counter()
        # Only at the first look after a start: later results are reacted to as they come.
        alerts = [] if self._looked else self._stops_again(iteration)
        self._looked = True
        for job in self.folder.result_ids():
            if job not in self._log.results and (result := self.folder.result(job)) is not None:
                alerts += self._take(result, iteration)
        alerts += self._watch(iteration)
        if self._orders or self._log_is_behind:
            self._retry.attempt(lambda: self._write(iteration))
        self._evaluate_inline()
        self.seconds += time.perf_counter() - start
        return alerts

    def news(self) -> list[Result]:
        """Results that came since the last call."""
        news, self._news = self._news, []
        return news

    def waiting(self) -> list[str]:
        """Jobs without a result, in order."""
        return sorted(job for job in self._jobs if job not in self._log.results)

    def wait(
        self, iteration: int, interrupted: Callable[[], bool], show: Callable[[Sequence[Result]], None]
    ) -> list[Alert]:
        """Wait for the results that are missing at the end of a run, and say what for.

        Args:
            iteration: PPO iterations done.
            interrupted: Ends the waiting.
            show: Takes results that came.
        """
        begin, said = time.monotonic(), -float("inf")
        alerts = self.poll(iteration)
        show(self.news())
        while (waiting := self.waiting() or self._orders) and not interrupted():
            waited = time.monotonic() - begin
            if self._gave_up() or waited > self.plan.schedule.wait:
                break
            if waited - said >= _SAY_EVERY:
                said = waited
                names = ", ".join(self.waiting()[:3]) + (", ..." if len(waiting) > 3 else "")
                unwritten = ", ".join(
                    f"{order.event.name} of iteration {order.iteration}" for order in self._orders[:3]
                )
                names = names or f"{unwritten}, which could not be written yet"
                say(f"Waiting for {len(waiting)} scheduled events, {waited:.0f} s: {names}")
            time.sleep(_LOOK_EVERY)
            alerts += self.poll(iteration)
            show(self.news())
        return alerts

    def close(self) -> None:
        """End the worker, write what can be written; jobs without a result stay in the queue."""
        if self._worker is not None:
            self._worker.stop()
        for order in self._orders:
            self._log.omit(Omitted(order.event.name, order.iteration, "its job could not be written"))
        self._log_is_behind |= bool(self._orders)
        self._orders = []
        if self._log_is_behind:
            self._retry.attempt(self._write_log, now=True)

    def _gave_up(self) -> bool:
        if self._worker is None:
            return self.plan.mode != "inline"
        return self._worker.problem is not None

    def _take(self, result: Result, iteration: int) -> list[Alert]:
        job = result.job
        planned = {event.name: event for event in self.plan.events}
        before = [old for old in self._results if old.valid and old.job.event == job.event and old.job.id < job.id]
        alerts = reactions.react(result, planned.get(job.event), self.plan.schedule.on_fault, iteration)
        alerts += reactions.new_failures(result, before[-1] if before else None, iteration)
        self._results = sorted([*self._results, result], key=lambda result: result.job.id)
        self._news.append(result)
        self._jobs[job.id] = job
        self._log.add(job.id, iteration)
        self._log_is_behind = True
        if self._worker is not None:
            self._worker.encourage()
        try:
            # Before the pin is let go, which may be the last name of the best checkpoint.
            best = keep_best(self.folder, self._results) if result.valid and job.keep_best else None
        except RunFolderError as error:
            return [*alerts, Alert(reactions.FAULT, iteration, job.event, str(error), self.plan.schedule.on_fault)]
        if best is not None:
            # Not the pin or the iteration's file, which may be gone when the order is written.
            source = self.folder.run / CHECKPOINT
            waiting = [event for event in self.plan.events if event.config.on_best]
            self._orders += [Order(event, best.job.iteration, source, best) for event in waiting]
        self.folder.unpin(job.id)
        return alerts

    def _watch(self, iteration: int) -> list[Alert]:
        """See to the worker, and to jobs whose file is gone; now and then, because it asks the file system much."""
        now = time.monotonic()
        if now - self._watched < _WATCH_EVERY or not self.waiting():
            return []
        self._watched = now
        problems: list[tuple[str, str]] = []
        for job in self.waiting():
            if not (self.folder.jobs / f"{job}.json").exists():
                lost = self._jobs.pop(job)
                self._log.omit(Omitted(lost.event, iteration, f"{job}: its file was damaged or deleted"))
                self._log_is_behind = True
                problems.append((lost.event, f"{job}: its file was damaged or deleted"))
        if self._worker is not None:
            self._worker.watch()
            if self._worker.problem is not None and self._worker.problem != self._told:
                problems.append(("worker", f"{self._worker.problem}; {len(self.waiting())} jobs have no result"))
            self._told = self._worker.problem
        return [Alert(reactions.FAULT, iteration, who, text, self.plan.schedule.on_fault) for who, text in problems]

    def _stops_again(self, iteration: int) -> list[Alert]:
        """A run that a result has stopped stops again where it is resumed unchanged."""
        alerts: list[Alert] = []
        for event in self.plan.events:
            newest = next((r for r in reversed(self._results) if r.valid and r.job.event == event.name), None)
            if newest is not None:
                again = reactions.react(newest, event, self.plan.schedule.on_fault, iteration)
                alerts += [alert for alert in again if alert.action == "stop"]
        return alerts

    def _write(self, now: int) -> None:
        # Somebody may have deleted the folder.
        self.folder.make()
        while self._orders:
            self._write_job(self._orders[0], now)
            # After it was written: a full disk raises above, and the order is tried again.
            self._orders.pop(0)
        if self._log_is_behind:
            self._write_log()

    def _write_log(self) -> None:
        self._log.write()
        self._log_is_behind = False

    def _write_job(self, order: Order, now: int) -> None:
        event = order.event
        checkpoint = order.source(self.folder)
        same = (event.name, order.iteration, event.content.sha256, event.config.seed)
        # A resumed run comes by iterations whose jobs were written before it was killed.
        twins = [j for j in self._jobs.values() if (j.event, j.iteration, j.content_sha256, j.seed) == same]
        if twins and checkpoint is not None and sha256_of(checkpoint) in [job.checkpoint_sha256 for job in twins]:
            return
        reason = "" if checkpoint is not None else f"its checkpoint {order.checkpoint.name} is gone"
        if len(self.waiting()) >= self.plan.schedule.max_outstanding:
            reason = f"{len(self.waiting())} jobs have no result (schedule.max_outstanding)"
        if checkpoint is None or reason:
            self._log.omit(Omitted(event.name, now, f"iteration {order.iteration}: {reason}"))
            self._log_is_behind = True
            say(f"! {event.name} of iteration {order.iteration} is left out: {reason}")
            return
        identity = job_id(self.folder.next_number(), event.name, order.iteration)
        pinned, digest = self.folder.pin(checkpoint, identity)
        job = Job(
            id=identity,
            event=event.name,
            content_sha256=event.content.sha256,
            iteration=order.iteration,
            checkpoint=pinned,
            checkpoint_sha256=digest,
            manifest_sha256=self._manifest_sha256,
            engine=self.plan.machine.engine,
            device=self.plan.machine.device,
            manifests=str(self.plan.manifests.resolve()),
            data=event.content.data,
            written=time_of_day(),
            **event.config.model_dump(include={"kind", "content", "keep_best", "seed"}),
            **self.plan.schedule.worker.model_dump(),
        )
        self.folder.submit(job)
        self._jobs[job.id] = job

    def _evaluate_inline(self) -> None:
        if self.plan.mode == "inline" and self.waiting():
            # A bug is raised; a full disk, or a worker that was started by hand, is waited for.
            self._retry.attempt(self._evaluate_what_waits, only=RunFolderError)

    def _evaluate_what_waits(self) -> None:
        for job in [job for job in self.waiting() if self.folder.result(job) is None]:
            say(f"{job}: evaluating here, training waits")
            # A worker that was started by hand must not do the same job meanwhile.
            self.folder.worker.acquire()
            try:
                evaluate_here(self.folder, self._jobs[job], self.plan.evaluate)
            finally:
                self.folder.worker.release()

    def _read_job(self, identity: str) -> Job | None:
        try:
            return self.folder.job(identity)
        except RunFolderError:
            return None
