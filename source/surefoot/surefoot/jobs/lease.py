"""Who holds a run: a file that a killed process, a reboot and a second machine do not leave lying."""

import json
import os
import socket
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock

from surefoot.errors import CannotWrite, RunFolderError
from surefoot.files import make_way, read_file, write_atomically
from surefoot.reporting import say

FOREIGN_AFTER = 120.0
"""s without a heartbeat after which a holder that cannot be looked up, on another machine, counts as gone."""
_MOST_BYTES = 10_000
"""Of a lease's file."""
_LOCK_TIMEOUT = 60.0
"""s; the lock is held for milliseconds, unless its holder was stopped in between."""


@dataclass(frozen=True)
class Identity:
    """One process, never mistaken for a later one with the same number."""

    pid: int
    start: int
    """Clock ticks from boot to the start of the process."""
    boot: str
    """The kernel's boot id."""
    namespace: str
    """Of process numbers: containers on one machine have their own."""
    host: str

    @classmethod
    def own(cls) -> "Identity":
        """Of this process."""
        pid = os.getpid()
        start = _start_of(pid)
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return cls(pid, 0 if start is None else start, boot, os.readlink("/proc/self/ns/pid"), socket.gethostname())

    def lives(self, heartbeat_age: float) -> bool:
        """Whether the process still runs.

        Args:
            heartbeat_age: s since it last said so; decides only where its machine cannot be asked.
        """
        here = Identity.own()
        if self.is_near(here):
            start = _start_of(self.pid)
            return start is not None and _near(self.start, start)
        # Another namespace of the same boot is left to the heartbeat, as another machine is.
        if self.host == here.host and self.boot != here.boot:
            return False  # this machine was started anew
        return heartbeat_age < FOREIGN_AFTER

    def is_same(self, other: "Identity") -> bool:
        """Whether both are one process."""
        return (
            (self.pid, self.host) == (other.pid, other.host) and self.is_near(other) and _near(self.start, other.start)
        )

    def is_near(self, other: "Identity") -> bool:
        """Whether the two processes see each other's number."""
        return (self.boot, self.namespace) == (other.boot, other.namespace)


def _near(start: int, other: int) -> bool:
    """Within a second: no number of a process comes again that soon."""
    return abs(start - other) <= os.sysconf("SC_CLK_TCK")


def _start_of(pid: int) -> int | None:
    """Start time of a process in clock ticks after boot; None where there is none, or only a zombie.

    After boot, because the system's clock may be set while the process runs. Right to a second: the clock may be set
    between psutil's two readings too.
    """
    try:
        process = psutil.Process(pid)
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return None
        return round((process.create_time() - psutil.boot_time()) * os.sysconf("SC_CLK_TCK"))
    except psutil.Error:
        return None


class Lease:
    """A role that one process at a time has in a run.

    Args:
        path: File of the role; a lock file is made beside it.
        role: What the holder does, for the error message.
        clock: s, monotonic.
        sleep: Waits for so many s.
    """

    def __init__(
        self,
        path: Path,
        role: str,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.path = path
        self.role = role
        self._clock, self._sleep = clock, sleep
        self._seen: tuple[int, float] | None = None

    def holder(self) -> Identity | None:
        """The living holder, or None."""
        found = self._read()
        return found if found is not None and found.lives(self.heartbeat_age()) else None

    def heartbeat_age(self) -> float:
        """s since the holder's last heartbeat, by the file's time, or since it was first seen here."""
        try:
            beat = self.path.lstat().st_mtime_ns
        except OSError:
            return float("inf")
        now = self._clock()
        if self._seen is None or self._seen[0] != beat:
            self._seen = (beat, now)
        # A time that lies ahead says nothing: a network's clock may differ from this one, or the file was set so.
        return max(now - self._seen[1], time.time() - beat / 1e9)

    def acquire(self) -> None:
        """Take the role; taking it twice in one process is one.

        A holder on another machine whose heartbeat lies in the future is watched for `FOREIGN_AFTER` first.

        Raises:
            RunFolderError: A living process has it, or the folder cannot be written.
        """
        own, said, first = Identity.own(), False, None
        while True:
            with self._locked():
                holder = self.holder()
                if holder is None or holder.is_same(own):
                    make_way(self.path, say)
                    write_atomically(self.path, json.dumps(asdict(own)).encode())
                    return
                beat = self._seen[0] if self._seen is not None else 0
            first = beat if first is None else first
            if holder.is_near(own) or beat != first or beat / 1e9 <= time.time():
                where = "" if holder.host == own.host else f" on {holder.host}"
                raise RunFolderError(
                    f"{self.path.parent}: process {holder.pid}{where} {self.role} already. "
                    "Wait until it ends, or end it first."
                )
            if not said:
                said = True
                say(
                    f"{self.path}: its time lies in the future; for up to {FOREIGN_AFTER:g} s it is watched whether "
                    f"process {holder.pid} on {holder.host} still lives",
                )
            self._sleep(1.0)

    def give_up(self, holder: Identity) -> None:
        """Free the role of a holder that does not answer; should it wake, `beat` tells it so."""
        with suppress(OSError, RunFolderError), self._locked():
            if self._read() == holder:
                self.path.unlink(missing_ok=True)

    def beat(self) -> bool:
        """Say that the holder lives; False where another process has the role now."""
        found = self._read()
        if found is None or not found.is_same(Identity.own()):
            return False
        with suppress(OSError):
            # The time of the file is the heartbeat: nothing is written, so a full disk does not end it.
            os.utime(self.path, follow_symlinks=False)
        return True

    def release(self) -> None:
        """Give the role back; nothing happens where another process has it."""
        with suppress(RunFolderError, OSError), self._locked():
            found = self._read()
            if found is not None and found.is_same(Identity.own()):
                self.path.unlink(missing_ok=True)

    def _read(self) -> Identity | None:
        try:
            plain: Any = json.loads(read_file(self.path, most=_MOST_BYTES))
            names = (str(plain[name]) for name in ("boot", "namespace", "host"))
            return Identity(int(plain["pid"]), int(plain["start"]), *names)
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None

    @contextmanager
    def _locked(self) -> Generator[None, None, None]:
        """A short critical section between processes; the kernel ends it with the process."""
        # Not the lease itself: it is replaced when it is written, and a lock on the old file holds nobody off.
        path = self.path.with_name(f".{self.path.name}.lock")
        try:
            lock = FileLock(path, timeout=_LOCK_TIMEOUT).acquire()
        except OSError as error:
            raise CannotWrite(f"{path}: cannot be written ({error.strerror or error}).") from error
        with lock:
            yield


def trainer_lease(run: Path) -> Lease:
    """Who trains a run."""
    return Lease(run / "trainer.lease", "trains this run")
