"""The folder `events` of a run: jobs in, claims on them, results out, every file whole or absent."""

import json
import os
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from surefoot.errors import CannotWrite, RunFolderError
from surefoot.files import link_or_copy, make_way, read_file, set_aside, sha256_of, write_atomically
from surefoot.jobs.job import Job, Result, number_of, read_job, read_result, to_json
from surefoot.jobs.lease import Identity, Lease
from surefoot.reporting import say

NAME = "events"


class EventFolder:
    """Jobs and results of one run.

    A job is done when its result is there and whole. The first whole result stays: a second one is not written.

    Args:
        run: Run folder.
    """

    def __init__(self, run: Path) -> None:
        self.run = run
        self.path = run / NAME
        self.jobs, self.results = self.path / "jobs", self.path / "results"
        self.claims, self.reports, self.pins = self.path / "claims", self.path / "reports", self.path / "checkpoints"
        self.log = self.path / "worker.log"
        self.worker = Lease(self.path / "worker.lease", "evaluates this run's events")

    def make(self) -> None:
        """Create what is missing.

        Raises:
            RunFolderError: The run folder cannot be written.
        """
        try:
            for path in (self.path, self.jobs, self.results, self.claims, self.reports, self.pins):
                # A link would lead writes out of the run; a file in the way would end them.
                if path.is_symlink() or (path.exists() and not path.is_dir()):
                    say(f"{path} is no folder and is put aside as {set_aside(path).name}")
                path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CannotWrite(f"{self.path}: cannot be created ({error.strerror}).") from error

    def job_ids(self) -> list[str]:
        """Of all jobs ever written, in order."""
        return _ids(self.jobs)

    def result_ids(self) -> list[str]:
        """Of all result files, in order; one of them may be damaged."""
        return _ids(self.results)

    def outstanding(self) -> list[str]:
        """Ids of the jobs without a whole result, in order."""
        there = set(self.result_ids())
        return [job for job in self.job_ids() if job not in there or self.result(job) is None]

    def job(self, identity: str) -> Job:
        """Read a job.

        Raises:
            RunFolderError: Its file is damaged.
        """
        return read_job(self.jobs / f"{identity}.json")

    def result(self, identity: str) -> Result | None:
        """The whole result of a job, or None; one that answers another job of this name is none."""
        try:
            result = read_result(self.results / f"{identity}.json")
        except RunFolderError:
            return None
        try:
            return result if self.job(identity) == result.job else None
        except RunFolderError:
            return result  # of a job whose file is gone

    def next_number(self) -> int:
        """Of the next job; numbers of jobs that were put aside are not given again."""
        try:
            # Without what `set_aside` appended (`.broken1`, `.given_up1`), so that those numbers count too.
            names = [name.partition(".")[0] for name in os.listdir(self.jobs)]
        except OSError:
            names = []
        return max((number_of(name) or 0 for name in (*names, *self.job_ids())), default=0) + 1

    def give_up_after(self, iteration: int) -> list[str]:
        """Put aside jobs about checkpoints after an iteration that the run goes on from, and their results.

        Those checkpoints belong to a course that the run has left; what it makes in their place is evaluated anew.

        Returns:
            Their ids.
        """
        left = [identity for identity in self.job_ids() if int(identity.rpartition("-")[2]) > iteration]
        for identity in left:
            for folder in (self.jobs, self.results):
                with suppress(CannotWrite):
                    self.set_aside(folder / f"{identity}.json", "given_up")
            self.unpin(identity)
        return left

    def pin(self, checkpoint: Path, identity: str) -> tuple[str, str]:
        """Keep a checkpoint for a job, whatever happens to the file it came from.

        Returns:
            Path of the pinned file relative to the run folder, and its SHA-256.

        Raises:
            RunFolderError: There is no such checkpoint, or it cannot be kept.
        """
        pinned = self.pins / f"{identity}.pt"
        try:
            # A second name costs nothing, and stays when the first one is deleted.
            link_or_copy(checkpoint, pinned)
            return str(pinned.relative_to(self.run)), sha256_of(pinned)
        except OSError as error:
            raise CannotWrite(f"{checkpoint}: cannot be kept for {identity} ({error.strerror}).") from error

    def unpin(self, identity: str) -> None:
        """Let go of a job's checkpoint."""
        with suppress(OSError):
            (self.pins / f"{identity}.pt").unlink()

    def submit(self, job: Job) -> None:
        """Put a job into the queue.

        Raises:
            RunFolderError: The folder cannot be written.
        """
        self.make()
        path = self.jobs / f"{job.id}.json"
        make_way(path, say)
        write_atomically(path, to_json(job))

    def answer(self, result: Result) -> bool:
        """Write a result; False where a whole one was there, which stays, or where the job's file is gone.

        Raises:
            RunFolderError: The folder cannot be written.
        """
        path = self.results / f"{result.job.id}.json"
        if not (self.jobs / path.name).exists():
            return False  # nobody asks any more
        self.make()
        # Not whole, or the answer to another job of this name: it makes room for this one.
        if os.path.lexists(path):
            if self.result(result.job.id) is not None:
                return False
            self.set_aside(path)
        write_atomically(path, to_json(result.sealed()))
        return True

    def set_aside(self, path: Path, suffix: str = "broken") -> Path:
        """Keep a damaged file under a name that nobody reads as a job or a result."""
        try:
            return set_aside(path, suffix)
        except OSError as error:
            raise CannotWrite(f"{path}: cannot be put aside ({error.strerror}).") from error


class Claim:
    """How often a job was begun, on the disk before each attempt: one that kills whoever does it is given up.

    Args:
        path: Its file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def take(self) -> int:
        """Begin an attempt; returns its number. One that a reboot ended does not count.

        Raises:
            RunFolderError: The folder cannot be written.
        """
        attempts, boot = self._read()
        own = Identity.own()
        # Before this boot the attempt was ended by the machine, which is not the job's fault.
        number = attempts if attempts and boot != own.boot else attempts + 1
        self._write(number, own)
        return number

    def untake(self) -> None:
        """The attempt was broken off by order and does not count."""
        attempts, _ = self._read()
        if attempts > 1:
            self._write(attempts - 1, Identity.own())
        else:
            self.drop()

    def drop(self) -> None:
        """The job is done."""
        with suppress(OSError):  # a claim that stays does no harm: nobody begins a job that has its result
            self._path.unlink(missing_ok=True)

    def _write(self, attempts: int, who: Identity) -> None:
        make_way(self._path, say)
        write_atomically(self._path, json.dumps({"attempts": attempts, "by": asdict(who)}).encode())

    def _read(self) -> tuple[int, str]:
        try:
            plain = json.loads(read_file(self._path))
            return int(plain["attempts"]), str(plain["by"]["boot"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return 0, ""


def checkpoint_for(run: Path, job: Job) -> Path:
    """The checkpoint of a job, proven by its hash.

    Raises:
        RunFolderError: It is gone, or another one is there.
    """
    pinned, plain = run / job.checkpoint, run / f"model_{job.iteration}.pt"
    there = [path for path in (pinned, plain) if path.is_file()]
    # The pin first; a plain checkpoint of the same hash does as well.
    for path in there:
        if sha256_of(path) == job.checkpoint_sha256:
            return path
    if there:
        raise RunFolderError(f"{there[0]}: not the checkpoint that {job.id} was written for: its SHA-256 differs.")
    raise RunFolderError(f"{pinned}: the checkpoint of iteration {job.iteration} was deleted before it was evaluated.")


def report_folder(folder: EventFolder, job: Job) -> Path:
    """Where the full report of a job goes; made if need be.

    Raises:
        CannotWrite: The folder cannot be written.
    """
    folder.make()
    out = folder.reports / job.id
    try:
        # A link would lead the report, and what clears it, out of the run.
        if out.is_symlink() or (out.exists() and not out.is_dir()):
            say(f"{out} is no folder and is put aside as {folder.set_aside(out).name}")
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWrite(f"{out}: cannot be created ({error.strerror}).") from error
    return out


def _ids(folder: Path) -> list[str]:
    try:
        names = [name.removesuffix(".json") for name in os.listdir(folder) if name.endswith(".json")]
    except OSError:
        return []
    # The number comes first, with leading zeros: names sort as jobs do.
    return sorted(name for name in names if number_of(name) is not None)
