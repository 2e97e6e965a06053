"""Ctrl-C, SIGTERM and SIGHUP during training: the first ends it after the iteration, the second at once."""

import os
import select
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from surefoot.reporting import say


class Interruptible(Protocol):
    """What looks at a flag now and then."""

    interrupted: bool
    signal: int | None


@contextmanager
def interruptible(loop: Interruptible) -> Generator[None]:
    """First signal: `loop.interrupted` is set. Second: KeyboardInterrupt. Outside the main thread nothing happens."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(signum: int, frame: Any) -> None:
        if loop.interrupted:
            raise KeyboardInterrupt
        loop.interrupted, loop.signal = True, signum
        if signum == signal.SIGHUP:
            _leave_terminal()
        say("\nStopping after this iteration; press Ctrl-C again to stop without saving.")

    numbers = [signal.SIGINT, signal.SIGTERM]
    # Under nohup it is ignored, which is what was asked for.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave_terminal() -> None:
    """Print to nowhere from now on: a terminal that has hung up answers every line with an error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        with suppress(OSError):
            if os.isatty(number) or _is_hung_up(number):
                os.dup2(nowhere, number)
    os.close(nowhere)


def _is_hung_up(number: int) -> bool:
    """Whether nobody reads what is written there."""
    poll = select.poll()
    poll.register(number, select.POLLOUT)
    return any(found & (select.POLLERR | select.POLLHUP | select.POLLNVAL) for _, found in poll.poll(0))
