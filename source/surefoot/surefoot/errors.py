"""Every error that surefoot raises on purpose, in one tree.

SurefootError
├── UnknownName          a name that does not exist, with the nearest one that does
├── ManifestError        a manifest key that is missing, unknown or out of range
├── PanelError           a panel of cells that is malformed, or does not fit the robot, the engine or the policy
├── TermError            a term whose signature does not fit RobotState or its manifest entry
├── LabError             a lab that is not installed, cannot be imported, or has names that are taken
├── MissingExtra         an optional package that is not installed, with the pip line
├── EngineError          something the chosen simulator cannot do
│   └── UnsupportedOnCpu     ... because MuJoCo C on the CPU has no counterpart
├── ScheduleError        a command schedule that cannot be read
├── CrosscheckError      an engine that could not be probed, or a probe that cannot be compared
├── Interrupted          a run that SIGTERM or SIGHUP ended, after it was saved
├── Diverged             a number of the learner that is not finite, with the first that broke
├── CheckpointError      a corrupt, foreign or incompatible checkpoint
├── TraceError           a log, trace or trace card that is corrupt, foreign, or lacks what is asked of it
├── LedgerError          a ledger that cannot be reached, read or written, or a folder that does not belong in it
└── RunFolderError       a run folder that cannot be written, read or resumed
    ├── CannotWrite          ... because a disk is full or read-only, which may pass
    └── RecordError          ... because the record of the accounts in it is absent, corrupt or foreign
"""

import difflib
import re
from collections.abc import Collection
from pathlib import Path


class SurefootError(Exception):
    """Base of all errors with a message meant for the person at the keyboard."""


class UnknownName(SurefootError):
    """A name that is not in the list it was looked up in."""


class ManifestError(SurefootError):
    """A manifest that says too much, too little, or something out of range.

    Attributes:
        key: Dotted key of the culprit where one is known; the message then begins with it.
    """

    def __init__(self, message: str, key: str = "") -> None:
        super().__init__(f"{key}: {message}" if key else message)
        self.key = key


class PanelError(SurefootError):
    """A panel that cannot be run, or two results of panels that cannot be compared."""


class TermError(SurefootError):
    """A term function that cannot be bound."""


class LabError(SurefootError):
    """A package of somebody's own robots, terms and tasks that cannot be used."""


class MissingExtra(SurefootError):
    """An optional dependency is absent."""


class EngineError(SurefootError):
    """The simulator cannot do what the manifest asks."""


class UnsupportedOnCpu(EngineError):
    """Works on CUDA through MuJoCo-Warp, has no counterpart in MuJoCo C on the CPU."""


class ScheduleError(SurefootError):
    """A timetable of velocity commands that says too little, too much, or nothing readable."""


class CrosscheckError(SurefootError):
    """An engine that could not be probed, or answers that cannot be read or compared."""


class Diverged(SurefootError):
    """The learner is broken: one of its numbers is not finite."""


class CheckpointError(SurefootError):
    """A checkpoint that cannot be trusted or does not fit."""


class TraceError(SurefootError):
    """A log or trace that cannot be trusted, or does not hold what is needed."""


class LedgerError(SurefootError):
    """A ledger that cannot be used, or a run that it cannot take in."""


class RunFolderError(SurefootError):
    """A run folder that cannot be used."""


class CannotWrite(RunFolderError):
    """A file that could not be written, for lack of room or of leave; trying again later may succeed."""


class Interrupted(SurefootError):
    """A run that a signal ended, after it was saved.

    Attributes:
        signal: Its number.
    """

    def __init__(self, signal: int, message: str) -> None:
        super().__init__(message)
        self.signal = signal


class AlertStop(SurefootError):
    """A run that ended itself, because of an alert whose action is `stop`."""


class RecordError(RunFolderError):
    """A record of a run's accounts that cannot be read.

    Attributes:
        path: The culprit where it is one file.
    """

    def __init__(self, message: str, path: Path | None = None) -> None:
        super().__init__(message)
        self.path = path


def nearest(name: str, known: Collection[str]) -> str | None:
    """The member of `known` that is spelled most like `name`, if any is close."""
    matches = difflib.get_close_matches(name, list(known), n=1)
    return matches[0] if matches else None


def did_you_mean(name: str, known: Collection[str]) -> str:
    """Sentence for the end of an error message: the nearest name, or the first known ones."""
    near = nearest(name, known)
    if near is not None:
        return f"Did you mean {near!r}?"
    listed = ", ".join(sorted(known)[:12])
    return f"Known: {listed}." if listed else "None are known."


def unknown_name(kind: str, name: str, known: Collection[str]) -> UnknownName:
    """Build, without raising, the error for a `name` that is not in `known`."""
    return UnknownName(f"{kind} {name!r} not found. {did_you_mean(name, known)}")


_MESSAGES = re.compile(
    r"not enough memory|out of memory|(can't|cannot|could not|failed to|unable to) allocate|bad_alloc", re.IGNORECASE
)
"""How torch, CUDA, NumPy, MuJoCo and C++ say it; only Python and NumPy have a type of exception for it."""


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out, by type or by message."""
    return isinstance(error, MemoryError) or bool(_MESSAGES.search(str(error)))
