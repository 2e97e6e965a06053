"""A logger that fails costs a message and a retry, not the run."""

import errno
import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from surefoot.audit.record.resilience import FIRST_WAIT, LONGEST_WAIT, Retry
from surefoot.audit.record.writer import ResilientWriter
from surefoot.errors import CannotWrite, MissingExtra


class Disk:
    """Where the loggers of a test write to; full for a while."""

    def __init__(self) -> None:
        self.full = False
        self.made = 0
        self.kept: list[tuple[str, float, int]] = []
        self.now = 0.0
        self.said: list[str] = []

    def writer(self) -> ResilientWriter:
        return ResilientWriter(lambda: Logger(self), self.said.append, lambda: self.now, capacity=6)


class Logger:
    """Like TensorBoard's: an error comes with the flush, and everything after it fails."""

    def __init__(self, disk: Disk) -> None:
        if disk.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.disk = disk
        self.dead = False
        self.queue: list[tuple[str, float, int]] = []
        disk.made += 1

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        if self.dead:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.queue.append((tag, value, step))

    def flush(self) -> None:
        if self.disk.full or self.dead:
            self.dead = True
            raise OSError(errno.ENOSPC, "No space left on device")
        self.disk.kept += self.queue
        self.queue = []

    def close(self) -> None:
        self.flush()


class Gallery(Logger):
    """A logger that takes pictures."""

    def add_picture(self, tag: str, path: Path, step: int) -> None:
        self.add_scalar(tag, float(len(path.read_bytes())), step)


def test_pictures_wait_like_scalars_and_one_that_is_gone_is_left_out(tmp_path: Path):
    disk = Disk()
    (tmp_path / "a.png").write_bytes(b"12345")
    for make, expected in ((Gallery, [("a", 1.0, 1), ("b", 5.0, 1)]), (Logger, [("a", 1.0, 1)])):
        disk.kept.clear()
        writer = ResilientWriter(lambda make=make: make(disk), disk.said.append, lambda: disk.now, capacity=6)
        writer.add_scalar("a", 1.0, 1)
        writer.add_picture("b", tmp_path / "a.png", 1)
        writer.add_picture("c", tmp_path / "none.png", 1)
        disk.full = True
        writer.flush()
        assert disk.kept == []
        disk.full = False
        writer.close()
        assert disk.kept == expected and writer.dropped == 0


def test_scalars_of_a_full_disk_arrive_when_it_has_room():
    disk = Disk()
    writer = disk.writer()
    writer.add_scalar("a", 1.0, 1)
    writer.flush()
    disk.full = True
    for step in (2, 3, 4):
        writer.add_scalar("a", float(step), step)
        writer.flush()
    assert writer.failures == 1  # one attempt, then the back-off
    assert len(disk.said) == 1 and "No space left on device" in disk.said[0]
    disk.now = FIRST_WAIT + 1
    writer.flush()
    assert writer.failures == 2
    disk.full = False
    disk.now = 3 * FIRST_WAIT + 2
    writer.add_scalar("a", 5.0, 5)
    writer.flush()
    assert disk.kept == [("a", float(step), step) for step in (1, 2, 3, 4, 5)]
    assert disk.made == 2  # the dead logger was replaced
    assert writer.dropped == 0 and "works again" in disk.said[-1]


def test_what_has_no_room_is_counted():
    disk = Disk()
    writer = disk.writer()
    disk.full = True
    for step in range(10):
        writer.add_scalar("a", 0.0, step)
    assert writer.dropped == 4  # capacity 6
    writer.close()
    assert writer.dropped == 10 and disk.kept == []


def test_closing_tries_once_more_without_waiting():
    disk = Disk()
    writer = disk.writer()
    writer.add_scalar("a", 1.0, 1)
    disk.full = True
    writer.flush()
    disk.full = False
    writer.close()
    assert disk.kept == [("a", 1.0, 1)]


def test_a_logger_that_cannot_start_is_tried_again():
    disk = Disk()
    disk.full = True
    writer = disk.writer()
    writer.add_scalar("a", 1.0, 1)
    disk.full = False
    disk.now = FIRST_WAIT + 1
    writer.flush()
    assert disk.kept == [("a", 1.0, 1)]


def test_a_missing_package_is_refused_at_the_start():
    def make() -> Logger:
        raise MissingExtra("needs wandb")

    with pytest.raises(MissingExtra, match="wandb"):
        ResilientWriter(make)


def test_the_back_off_doubles_up_to_its_limit():
    now, attempts = [0.0], []
    retry = Retry("It", lambda line: None, lambda: now[0])

    def fail() -> None:
        attempts.append(now[0])
        raise OSError("no")

    for second in range(3000):
        now[0] = float(second)
        retry.attempt(fail)
    waits = [later - earlier for earlier, later in itertools.pairwise(attempts)]
    assert waits == [10, 20, 40, 80, 160, 320, LONGEST_WAIT, LONGEST_WAIT, LONGEST_WAIT]


def test_ctrl_c_is_no_failure_of_the_logger():
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Retry("It").attempt(stop)


TENSORBOARD = """
import resource, signal, sys
from torch.utils.tensorboard import SummaryWriter
from surefoot.audit.record.writer import ResilientWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
now = [0.0]
made = []
def make():
    made.append(SummaryWriter(log_dir=sys.argv[1], flush_secs=10, filename_suffix=f".{len(made)}"))
    return made[-1]
writer = ResilientWriter(make, print, lambda: now[0])
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
for step in range(300):
    now[0] += 1.0
    if step == 100:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4000, hard))
    if step == 200:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    for tag in ("a", "b", "c"):
        writer.add_scalar(tag, float(step), step)
    writer.flush()
now[0] += 1000.0
writer.close()
assert writer.failures > 0 and writer.dropped == 0, (writer.failures, writer.dropped)
"""


def test_tensorboard_on_a_disk_that_refuses_for_a_while(tmp_path: Path):
    """The real logger in a process whose files may not grow, from iteration 100 to 200."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    done = subprocess.run(
        [sys.executable, "-c", TENSORBOARD, str(tmp_path)], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    assert "File too large" in done.stdout and "works again" in done.stdout
    seen: set[int] = set()
    for path in tmp_path.iterdir():
        events = EventAccumulator(str(path))
        events.Reload()
        if "a" in events.Tags()["scalars"]:
            seen |= {event.step for event in events.Scalars("a")}
    assert seen == set(range(300))


def test_what_cannot_be_gone_on_without_is_waited_for_and_its_patience_ends():
    now, said, tries = [0.0], list[str](), [0]
    retry = Retry("Checkpoint", said.append, lambda: now[0])

    def sleep(seconds: float) -> None:
        now[0] += seconds

    def full_for_three_seconds() -> None:
        tries[0] += 1
        if now[0] < 3.0:
            raise CannotWrite("model_3.pt: cannot be written (No space left on device).")

    retry.insist(full_for_three_seconds, only=CannotWrite, sleep=sleep)
    assert now[0] == 3.0 and retry.failures == tries[0] - 1
    assert len(said) == 2 and "The run is paused" in said[0] and "works again" in said[1]

    def never() -> None:
        raise CannotWrite("read-only")

    with pytest.raises(CannotWrite):
        retry.insist(never, only=CannotWrite, patience=lambda: 60.0, sleep=sleep)
    assert 63.0 <= now[0] <= 64.0
