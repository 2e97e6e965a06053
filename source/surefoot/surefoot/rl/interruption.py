"""Ctrl-C and SIGTERM during training: the first ends it after the iteration, the second at once."""

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Protocol

from surefoot.reporting import say


class Interruptible(Protocol):
    """What looks at a flag now and then."""

    interrupted: bool


@contextmanager
def interruptible(loop: Interruptible) -> Generator[None]:
    """First signal: `loop.interrupted` is set. Second: KeyboardInterrupt. Outside the main thread nothing happens."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(signum: int, frame: Any) -> None:
        if loop.interrupted:
            raise KeyboardInterrupt
        loop.interrupted = True
        say("\nStopping after this iteration; press Ctrl-C again to stop without saving.")

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
