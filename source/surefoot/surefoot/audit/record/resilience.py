"""Writing what a run must not die of: a failure is reported, counted and retried, training goes on."""

import time
from collections.abc import Callable

from surefoot.reporting import say

FIRST_WAIT = 10.0
"""s to the first retry; each further failure doubles it."""
LONGEST_WAIT = 600.0


class Retry:
    """Guards one thing that is written again and again, with exponential back-off.

    Args:
        what: Subject of the console messages.
        report: Takes one line for the person at the console.
        clock: Seconds, monotonic.
    """

    def __init__(
        self, what: str, report: Callable[[str], None] = say, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._what = what
        self.report = report
        """Takes one line for the person at the console."""
        self._clock = clock
        self._next = -float("inf")
        self._in_a_row = 0
        self.failures = 0
        """Attempts that failed since the start."""

    def attempt(self, action: Callable[[], object], *, now: bool = False) -> bool:
        """Run `action` unless a failure was too recent; True if it ran and succeeded.

        Args:
            action: Must be safe to repeat.
            now: Do not wait for the back-off: there will be no later chance.
        """
        if not now and self._clock() < self._next:
            return False
        try:
            action()
        except Exception as error:  # whatever a logger raises: it is not worth the run
            self._failed(error)
            return False
        if self._in_a_row:
            self.report(f"{self._what}: works again after {self._in_a_row} failed attempts.")
        self._in_a_row, self._next = 0, -float("inf")
        return True

    def _failed(self, error: Exception) -> None:
        wait = min(FIRST_WAIT * 2.0**self._in_a_row, LONGEST_WAIT)
        self.failures += 1
        self._in_a_row += 1
        self._next = self._clock() + wait
        reason = str(error) or type(error).__name__
        self.report(f"{self._what}: {reason} Training goes on; next attempt in {wait:.0f} s or later.")
