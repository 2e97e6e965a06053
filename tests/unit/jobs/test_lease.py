"""Who has a role in a run: killed, rebooted, on another machine, twice."""

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from event_cases import of_another_boot, until
from surefoot.errors import RunFolderError
from surefoot.jobs import lease as leases
from surefoot.jobs.lease import Identity, Lease

HOLD = """
import sys, time
from pathlib import Path
from surefoot.jobs.lease import Lease
Lease(Path(sys.argv[1]), "works here").acquire()
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def lease(tmp_path: Path) -> Lease:
    return Lease(tmp_path / "a.lease", "works here")


def hold(lease: Lease) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(lease.path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_held_by_a_living_process_it_is_refused_and_killed_it_is_free(lease: Lease):
    process = hold(lease)
    try:
        holder = lease.holder()
        assert holder is not None and holder.pid == process.pid
        with pytest.raises(RunFolderError, match=f"process {process.pid} works here already"):
            lease.acquire()
        assert not lease.beat()
    finally:
        process.kill()
    until(lambda: lease.holder() is None)  # a zombie: nobody has waited for it yet
    lease.acquire()
    assert lease.holder() == Identity.own() and lease.beat()
    process.wait()


def test_taken_twice_by_one_process_it_is_one(lease: Lease):
    lease.acquire()
    lease.acquire()
    lease.release()
    assert lease.holder() is None
    lease.release()


def test_a_later_process_with_the_same_number_is_not_the_holder(lease: Lease):
    lease.path.write_text(json.dumps(asdict(replace(Identity.own(), start=Identity.own().start - 200))))
    assert lease.holder() is None
    lease.acquire()


def test_half_a_second_apart_it_is_still_the_holder(lease: Lease):
    """The clock may be set between the two readings that a start is the difference of."""
    lease.path.write_text(json.dumps(asdict(replace(Identity.own(), start=Identity.own().start - 50))))
    assert lease.holder() is not None and lease.beat()
    lease.release()
    assert lease.holder() is None and not lease.path.exists()


def test_a_reboot_frees_it_although_the_number_is_in_use(lease: Lease):
    lease.path.write_text(json.dumps(asdict(of_another_boot())))
    assert lease.holder() is None
    lease.acquire()


def test_on_another_machine_the_heartbeat_decides(lease: Lease):
    lease.path.write_text(json.dumps(asdict(replace(of_another_boot(), host="elsewhere"))))
    with pytest.raises(RunFolderError, match="on elsewhere works here already"):
        lease.acquire()
    old = time.time() - leases.FOREIGN_AFTER - 1.0
    os.utime(lease.path, (old, old))
    lease.acquire()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x"}', "null"])
def test_a_damaged_lease_is_nobodys(lease: Lease, content: str):
    lease.path.write_text(content)
    assert lease.holder() is None
    lease.acquire()


def test_of_many_processes_that_want_it_at_once_one_gets_it(lease: Lease):
    code = HOLD.replace("time.sleep(60)", "sys.stdin.read()")
    command = [sys.executable, "-c", code, str(lease.path)]
    several = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    lease.path.write_text(json.dumps(asdict(of_another_boot())))  # stale: all of them may break it
    until(lambda: sum(process.poll() is not None for process in several) == 3)
    winner = next(process for process in several if process.poll() is None)
    holder = lease.holder()
    assert holder is not None and holder.pid == winner.pid
    outputs = [process.communicate()[1] for process in several]
    assert sum("already" in text for text in outputs) == 3


def test_a_foreign_heartbeat_from_the_future_is_given_up_by_the_own_clock(tmp_path: Path):
    """Its file's time never grows old by the wall clock; before, the role was never free again."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    lease = Lease(tmp_path / "a.lease", "works here", lambda: now[0], sleep)
    lease.path.write_text(json.dumps(asdict(replace(of_another_boot(), host="elsewhere"))))
    ahead = time.time() + 1e6
    os.utime(lease.path, (ahead, ahead))
    lease.acquire()
    assert leases.FOREIGN_AFTER <= now[0] <= leases.FOREIGN_AFTER + 2.0
    assert lease.holder() == Identity.own()


def test_a_foreign_holder_whose_clock_is_ahead_is_not_robbed(tmp_path: Path):
    lease = Lease(tmp_path / "a.lease", "works here", sleep=lambda seconds: beat())
    lease.path.write_text(json.dumps(asdict(replace(of_another_boot(), host="elsewhere"))))
    ahead = [time.time() + 30.0]

    def beat() -> None:
        ahead[0] += 2.0
        os.utime(lease.path, (ahead[0], ahead[0]))

    beat()
    with pytest.raises(RunFolderError, match="on elsewhere works here already"):
        lease.acquire()


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
def test_what_is_no_file_is_nobodys_lease_and_makes_way(lease: Lease, kind: str):
    {"pipe": os.mkfifo, "folder": os.mkdir, "link": lambda path: path.symlink_to("/dev/zero")}[kind](lease.path)
    assert lease.holder() is None
    lease.acquire()
    assert lease.holder() == Identity.own() and lease.path.is_file() and not lease.path.is_symlink()
