"""Writing what a run must not die of: a failure is reported, counted and retried, training goes on."""

import time
from collections.abc import Callable

from surefoot.reporting import say

FIRST_WAIT = 10.0
"""s to the first retry; each further failure doubles it."""
LONGEST_WAIT = 600.0
LONGEST_PAUSE = 3600.0
"""s that a run stands still for something that it cannot go on without."""
END_PAUSE = 60.0
"""s that the end of a run waits: who ended it by a signal may kill it soon."""
_TRY_EVERY = 0.5
_SAY_EVERY = 30.0


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

    def attempt(self, action: Callable[[], object], *, now: bool = False, only: type[Exception] = Exception) -> bool:
        """Run `action` unless a failure was too recent; True if it ran and succeeded.

        Args:
            action: Must be safe to repeat.
            now: Do not wait for the back-off: there will be no later chance.
            only: What counts as a failure to be tried again; anything else is raised.
        """
        if not now and self._clock() < self._next:
            return False
        try:
            action()
        except only as error:  # whatever a logger raises: it is not worth the run
            self._failed(error)
            return False
        if self._in_a_row:
            self.report(f"{self._what}: works again after {self._in_a_row} failed attempts.")
        self._in_a_row, self._next = 0, -float("inf")
        return True

    def insist(
        self,
        action: Callable[[], object],
        *,
        only: type[Exception],
        patience: Callable[[], float] = lambda: LONGEST_PAUSE,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Run `action` until it succeeds: what waits for it stands still meanwhile.

        Args:
            action: Must be safe to repeat.
            only: What counts as a failure to be tried again; anything else is raised.
            patience: s after which the next attempt is the last and its failure is raised; asked between attempts.
            sleep: Waits for so many s.
        """
        begin, said, tries = self._clock(), -float("inf"), 0
        while True:
            last = self._clock() - begin >= patience()
            try:
                action()
            except only as error:
                tries += 1
                self.failures += 1
                if last:
                    raise
                waited = self._clock() - begin
                if waited - said >= _SAY_EVERY:
                    said = waited
                    self.report(f"{self._what}: {error} The run is paused and goes on when this works; {waited:.0f} s.")
                sleep(_TRY_EVERY)
                continue
            if tries:
                self.report(f"{self._what}: works again after {tries} failed attempts.")
            return

    def _failed(self, error: Exception) -> None:
        wait = min(FIRST_WAIT * 2.0**self._in_a_row, LONGEST_WAIT)
        self.failures += 1
        self._in_a_row += 1
        self._next = self._clock() + wait
        reason = str(error) or type(error).__name__
        self.report(f"{self._what}: {reason} Training goes on; next attempt in {wait:.0f} s or later.")
