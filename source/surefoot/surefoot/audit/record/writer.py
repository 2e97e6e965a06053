"""A logger that cannot stop a run: it buffers, and starts the real one again when that breaks."""

import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from surefoot.audit.record.resilience import Retry
from surefoot.errors import SurefootError

CAPACITY = 100_000
"""Scalars kept while the logger is broken; beyond it the oldest are dropped and counted."""


class ScalarWriter(Protocol):
    """Anything with TensorBoard's `add_scalar`; a `flush` is called where there is one, and so is `add_picture`."""

    def add_scalar(self, tag: str, value: float, step: int) -> None: ...
    def close(self) -> None: ...


class ResilientWriter:
    """Passes scalars on to a logger, one iteration at a time.

    TensorBoard writes in a thread of its own: an error surfaces in a later call, and the writer is dead from then on.
    So scalars are kept until a `flush` has confirmed them; after a failure the logger is made anew and gets them again.

    Args:
        make: Makes the logger; a `SurefootError` of the first call (a missing package) is not held back.
        report: Takes one line for the person at the console.
        clock: Seconds, monotonic.
        capacity: Scalars kept while the logger is broken.
    """

    def __init__(
        self,
        make: Callable[[], ScalarWriter],
        report: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        capacity: int = CAPACITY,
    ) -> None:
        self._make = make
        self._retry = Retry("Logger", report, clock) if report is not None else Retry("Logger", clock=clock)
        self._pending: deque[tuple[str, float | Path, int]] = deque()
        self._capacity = capacity
        self._writer: ScalarWriter | None = None
        self.dropped = 0
        """Scalars that were given up for lack of room."""
        refused: list[SurefootError] = []

        def start() -> None:
            try:
                self._writer = make()
            except SurefootError as error:
                refused.append(error)

        self._retry.attempt(start)
        if refused:
            raise refused[0]

    @property
    def failures(self) -> int:
        """Attempts to write that failed since the start."""
        return self._retry.failures

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        """Keep a scalar; those of the step before are passed on first."""
        self._keep(tag, value, step)

    def add_picture(self, tag: str, path: Path, step: int) -> None:
        """Keep the path of a PNG in the same way."""
        self._keep(tag, path, step)

    def _keep(self, tag: str, value: float | Path, step: int) -> None:
        if self._pending and self._pending[-1][2] != step:
            self.flush()
        if len(self._pending) == self._capacity:
            self._pending.popleft()
            self.dropped += 1
        self._pending.append((tag, value, step))

    def flush(self) -> None:
        """Pass on what is kept, unless the logger failed a moment ago."""
        if self._pending:
            self._retry.attempt(self._send)

    def close(self) -> None:
        """A last attempt, whatever failed before, and the end of the logger."""
        self._retry.attempt(self._finish, now=True)
        if self._pending:
            self.dropped += len(self._pending)
            self._pending.clear()

    def _send(self) -> None:
        writer = self._writer if self._writer is not None else self._make()
        self._writer = None  # dead, unless everything below succeeds
        try:
            for tag, value, step in self._pending:
                if isinstance(value, Path):
                    _add_picture(writer, tag, value, step)
                else:
                    writer.add_scalar(tag, value, step)
            flush = getattr(writer, "flush", None)
            if flush is not None:
                flush()
        except Exception:
            with suppress(Exception):
                writer.close()
            raise
        self._pending.clear()
        self._writer = writer

    def _finish(self) -> None:
        if self._pending:
            self._send()
        if self._writer is not None:
            writer, self._writer = self._writer, None
            writer.close()


def _add_picture(writer: ScalarWriter, tag: str, path: Path, step: int) -> None:
    """Pass a picture on to a logger that takes pictures; one that is gone is no reason to start the logger anew."""
    add = getattr(writer, "add_picture", None)
    if add is not None and path.is_file():
        add(tag, path, step)
