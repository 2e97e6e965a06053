"""Placement of the physics threads: one core each, where the pool has a thread for every core."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_TASKS = Path("/proc/self/task")


def usable_cores() -> list[int]:
    """Cores that this process may run on; on systems that do not tell, all of them."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


@contextlib.contextmanager
def one_core_each(num_threads: int) -> Iterator[None]:
    """Bind the `num_threads` threads that are started inside to a core each, if they are as many as the usable cores.

    A pool is woken several times per control step for a millisecond or two, too short for the scheduler to spread its
    threads when they woke up on one core. With fewer threads than cores the choice is left to the scheduler, so that
    processes that share a machine do not meet on the same cores; so it is on systems other than Linux.
    """
    before = _threads()
    yield
    started = sorted(_threads() - before)
    cores = usable_cores()
    if num_threads == len(started) == len(cores) > 1:
        for thread, core in zip(started, cores, strict=True):
            with contextlib.suppress(OSError):  # a sandbox may forbid it: slower, not wrong
                os.sched_setaffinity(thread, {core})


def _threads() -> set[int]:
    return {int(task.name) for task in _TASKS.iterdir()} if _TASKS.is_dir() else set()
