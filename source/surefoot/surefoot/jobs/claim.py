"""How often a job was begun: a job that kills whoever does it is given up."""

import json
from dataclasses import asdict
from pathlib import Path

from surefoot.files import write_atomically
from surefoot.jobs.lease import Identity


class Claim:
    """The count of one job, on the disk before each attempt.

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
        self._path.unlink(missing_ok=True)

    def _write(self, attempts: int, who: Identity) -> None:
        write_atomically(self._path, json.dumps({"attempts": attempts, "by": asdict(who)}).encode())

    def _read(self) -> tuple[int, str]:
        try:
            plain = json.loads(self._path.read_text())
            return int(plain["attempts"]), str(plain["by"]["boot"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return 0, ""
