"""A campaign of faults against runs: python tests/chaos/chaos.py [--minutes 60] [--seed 0] [--out FILE].

Each trial trains a tiny run in a process of its own, breaks it in one way, resumes it until it is closed, and compares
it with an undisturbed run: same bits in every checkpoint, record `finished`, every event with one valid result that was
reacted to, no temporary file left. Nothing in the library knows of it: this file replaces functions of `os` in the
process that is to be broken.

A process is forked for each trial from one that has imported everything already, so that a trial takes seconds.
"""

import argparse
import errno
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

import surefoot.cli
from surefoot.errors import SurefootError
from surefoot.jobs.job import Job, Measurements, Metric
from surefoot.jobs.kinds import Content
from surefoot.jobs.plan import EventPlan, PlannedEvent
from surefoot.jobs.queue import EventFolder
from surefoot.jobs.reactions import read_reaction_log
from surefoot.machine import Machine
from surefoot.manifest import Manifest, compose_manifest
from surefoot.rl.train import resume, train
from surefoot.runs import checkpoint
from surefoot.runs.run_record import read_run_record
from surefoot_tasks import manifest_root

TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
ITERATIONS = 3
OVERRIDES = [
    "training.num_envs=12",
    f"training.max_iterations={ITERATIONS}",
    "training.save_interval=1",
    "training.logger=none",
    "ppo.num_steps_per_env=4",
    "ppo.actor.hidden_dims=[16]",
    "ppo.critic.hidden_dims=[16]",
    "ppo.num_mini_batches=1",
    "ppo.num_learning_epochs=1",
    "+schedule.events.panel={kind: panel, content: quick_v1, every: 1, at_end: true, keep_best: true}",
]
LIMIT = 300.0
"""s after which a process counts as hung."""
FUNCTIONS = ("open", "write", "fsync", "replace", "unlink", "link", "rename", "mkdir", "chmod", "utime")
"""Of `os`: what writes of a run go through."""
VERDICTS = ("survived", "lost", "hung", "traceback")


def scripted(run: Path, job: Job, out: Path) -> Measurements:
    """Stands for a panel: the score rises with the iteration; a file is written as a report would be."""
    from surefoot.files import write_atomically

    write_atomically(out / "panel.json", b"{}")
    metric = Metric(value=0.1, low=0.0, high=0.2)
    return Measurements(valid=True, score=0.1 * job.iteration, held_out={"fall_rate": metric})


def manifest_of() -> Manifest:
    return compose_manifest(manifest_root(), TASK, OVERRIDES)


def plan_of(manifest: Manifest) -> EventPlan:
    events = tuple(PlannedEvent(name, event, Content("0" * 64)) for name, event in manifest.schedule.events.items())
    return EventPlan("inline", manifest.schedule, events, Machine(), manifest_root(), evaluate=scripted)


def go(runs: Path, manifest: Manifest) -> None:
    """Start the run of a folder, or go on with it."""
    folders = [path.parent for path in runs.glob("*/*/manifest.yaml")]
    common: dict[str, Any] = {"machine": Machine(threads=1), "events": plan_of(manifest)}
    # Killed before the first checkpoint there is nothing to go on with: a person starts anew.
    with_checkpoint = [folder for folder in folders if list(folder.glob("model_[0-9]*.pt"))]
    if with_checkpoint:
        resume(with_checkpoint[0], manifest, **common)
    else:
        for folder in folders:
            shutil.rmtree(folder)
        train(manifest, runs=runs, **common)


@dataclass
class Ended:
    """How a forked process ended."""

    code: int
    """Exit code; negative where a signal ended it."""
    text: str
    hung: bool


def forked(action: Callable[[], None], log: Path, *, during: Callable[[int], None] | None = None) -> Ended:
    """Run `action` in a forked process; `during` gets its number at once."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            handle = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
            os.dup2(handle, 1)
            os.dup2(handle, 2)
            surefoot.cli.run(action)  # what the command line makes of errors and of Ctrl-C is judged too
            code = 0
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)
    if during is not None:
        during(pid)
    end = time.monotonic() + LIMIT
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return Ended(os.waitstatus_to_exitcode(status), log.read_text(errors="replace"), False)
        if time.monotonic() > end:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return Ended(-9, log.read_text(errors="replace"), True)
        time.sleep(0.02)


class Operations:
    """Counts what this process does to files below a folder, and calls `act` before each.

    Args:
        act: Gets the number of the operation, from 1, and its name; what it raises is what the operation raises.
    """

    def __init__(self, below: Path, act: Callable[[int, str], None]) -> None:
        self.count = 0
        self._below = str(below)
        self._handles: set[int] = set()
        self._lock = threading.Lock()
        for name in FUNCTIONS:
            setattr(os, name, self._wrapped(name, getattr(os, name), act))

    def _concerns(self, first: Any, flags: int) -> bool:
        if isinstance(first, int):
            return first in self._handles
        return str(first).startswith(self._below) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) != 0

    def _wrapped(self, name: str, function: Callable[..., Any], act: Callable[[int, str], None]) -> Callable[..., Any]:
        def call(first: Any, *rest: Any, **named: Any) -> Any:
            flags = rest[0] if name == "open" and rest else os.O_CREAT
            if not self._concerns(first, flags):
                return function(first, *rest, **named)
            with self._lock:
                self.count += 1
                number = self.count
            act(number, name)
            found = function(first, *rest, **named)
            if name == "open":
                self._handles.add(found)
            return found

        return call


def kill_at(runs: Path, number: int) -> None:
    def act(count: int, name: str) -> None:
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)

    Operations(runs, act)


def refuse_between(runs: Path, first: int, seconds: float, code: int) -> None:
    """From operation `first` on, for so many seconds, every write of the run fails with this error."""
    begun: list[float] = []

    def act(count: int, name: str) -> None:
        if count >= first and not begun:
            begun.append(time.monotonic())
        if begun and time.monotonic() - begun[0] < seconds and name not in ("unlink", "utime"):
            raise OSError(code, os.strerror(code))

    Operations(runs, act)


def slow(runs: Path, seconds: float) -> None:
    Operations(runs, lambda count, name: time.sleep(seconds))


def leaves(value: Any, path: str = "") -> dict[str, torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return {path: value}
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    return {name: leaf for key, item in pairs for name, leaf in leaves(item, f"{path}/{key}").items()}


def losses(runs: Path, reference: Path) -> list[str]:
    """What the run of a folder lacks that an undisturbed one has."""
    folders = [path.parent for path in runs.glob("*/*/manifest.yaml")]
    if len(folders) != 1:
        return [f"{len(folders)} run folders"]
    folder, found = folders[0], []
    for iteration in range(1, ITERATIONS + 1):
        try:
            mine = leaves(checkpoint.load(folder / f"model_{iteration}.pt").content)
        except SurefootError as error:
            found.append(str(error))
            continue
        theirs = leaves(checkpoint.load(reference / f"model_{iteration}.pt").content)
        if mine.keys() != theirs.keys() or not all(torch.equal(mine[key], theirs[key]) for key in mine):
            found.append(f"model_{iteration}.pt has other bits")
    try:
        record = read_run_record(folder)
        if record.status != "finished" or record.training.iterations != ITERATIONS:
            found.append(f"record: {record.status} after {record.training.iterations}")
        answers = sorted((entry.iteration, entry.status) for entry in record.evaluations)
        if answers != [(iteration, "valid") for iteration in range(1, ITERATIONS + 1)]:
            found.append(f"record: evaluations {answers}")
        if record.best is None or record.best.iteration != ITERATIONS:
            found.append("record: not the best checkpoint")
    except SurefootError as error:
        found.append(str(error))
    events = EventFolder(folder)
    handled, _ = read_reaction_log(events.path)
    if set(events.result_ids()) != set(handled):
        found.append("a result was not reacted to")
    if left := [str(path.relative_to(folder)) for path in folder.rglob("*.part")]:
        found.append(f"temporary files: {left}")
    return found


@dataclass
class Campaign:
    """Trials so far, by kind of fault."""

    folder: Path
    manifest: Manifest
    reference: Path
    operations: int
    table: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])
    notes: list[str] = field(default_factory=list[str])

    def trial(
        self,
        kind: str,
        breaks: Callable[[Path], None] | None,
        *,
        during: Callable[[int], None] | None = None,
        between: Callable[[Path], None] | None = None,
        detail: str = "",
        bits: bool = True,
    ) -> str:
        """Break a run, resume it, judge it.

        Args:
            kind: Row of the table.
            breaks: Called in the process that is to be broken, with the folder of its runs.
            during: Called with the number of that process.
            between: Called with the run folder before it is resumed.
            detail: What to repeat it by.
            bits: Whether all is to be as without the fault; otherwise it is to end with a line or to be closed.
        """
        runs = Path(tempfile.mkdtemp(dir=self.folder))
        log = runs / "log"

        def first() -> None:
            if breaks is not None:
                breaks(runs)
            go(runs, self.manifest)

        ended = forked(first, log, during=during)
        texts, hung = ended.text, ended.hung
        if between is not None and (folders := [path.parent for path in runs.glob("*/*/manifest.yaml")]):
            between(folders[0])
        closed = "all 3 iterations are done"
        for _ in range(2):  # the second one only says that there is nothing left to do
            ended = forked(lambda: go(runs, self.manifest), log)
            hung |= ended.hung
            texts = ended.text
        found = losses(runs, self.reference)
        if not found and closed not in texts:
            found.append("the run was not closed")
        bad = "hung" if hung else "traceback" if "Traceback (most" in texts else "lost" if found and bits else ""
        verdict = bad or "survived"
        counter = self.table.setdefault(kind, Counter())
        counter["tried"] += 1
        counter[verdict] += 1
        if bad:
            self.notes.append(
                f"{kind}, {detail}: {verdict}: {'; '.join(found)} {texts[-1500:] if bad != 'lost' else ''}"
            )
            print(self.notes[-1], flush=True)
        shutil.rmtree(runs, ignore_errors=True)
        return verdict

    def rows(self) -> str:
        """The table in Markdown."""
        lines = ["| fault | tried | " + " | ".join(VERDICTS) + " |", "|---|" + "---|" * (len(VERDICTS) + 1)]
        total: Counter[str] = Counter()
        for kind, counter in self.table.items():
            total += counter
            lines.append(f"| {kind} | {counter['tried']} | " + " | ".join(str(counter[v]) for v in VERDICTS) + " |")
        lines.append(f"| **all** | {total['tried']} | " + " | ".join(str(total[v]) for v in VERDICTS) + " |")
        return "\n".join(lines)


def share_environments(manifest: Manifest) -> None:
    """Build the environments once: each forked process finds them new, and is spared some seconds."""
    from surefoot.rl import train as training

    engine = training.load_engine("mujoco")
    built = engine.make_env(manifest, device="cpu", num_threads=1)
    setattr(engine, "make_env", lambda *rest, **named: built)  # noqa: B010


def start(folder: Path) -> Campaign:
    """Train the undisturbed run, and count its operations on files."""
    torch.set_num_threads(1)
    manifest, runs = manifest_of(), folder / "reference"
    share_environments(manifest)
    runs.mkdir()
    count = folder / "count"

    def counted() -> None:
        operations = Operations(runs, lambda number, name: None)
        go(runs, manifest)
        count.write_text(str(operations.count))

    ended = forked(counted, folder / "log")
    if ended.code:
        raise SystemExit(f"the undisturbed run failed:\n{ended.text}")
    (reference,) = (path.parent for path in runs.glob("*/*/manifest.yaml"))
    return Campaign(folder, manifest, reference, int(count.read_text()))


def signal_after(number: int, seconds: float) -> Callable[[int], None]:
    def send(pid: int) -> None:
        time.sleep(seconds)
        with suppress(ProcessLookupError):
            os.kill(pid, number)

    return send


def damage(name: str, how: str) -> Callable[[Path], None]:
    """Put something else where a file or folder of the run is."""

    def change(run: Path) -> None:
        path = run / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        if how == "deleted":
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if how == "pipe":
            os.mkfifo(path)
        elif how == "folder":
            path.mkdir()
        elif how == "link to /dev/zero":
            path.symlink_to("/dev/zero")
        elif how == "not what it was":
            path.write_bytes(b"\xff\x00{[")

    return change


WITHOUT_LOSS = ("events/handled.json", "run_record.json", "trainer.lease", "events/worker.lease", "model_best.json")
"""Files that can be made anew from the others."""
WITH_LOSS = ("events", "events/jobs", "events/results", "alerts.jsonl", "accounts.open.parquet", "starts.jsonl")
HOWS = ("deleted", "pipe", "folder", "link to /dev/zero", "not what it was")


def one(campaign: Campaign, draw: random.Random, kind: int) -> None:
    """One trial of a kind, drawn."""
    number = draw.randint(1, campaign.operations)
    if kind == 0:
        seconds = draw.uniform(0.0, 4.0)
        campaign.trial(
            "kill -9 at a random time", None, during=signal_after(signal.SIGKILL, seconds), detail=f"{seconds}"
        )
    elif kind == 1:
        which = draw.choice((signal.SIGTERM, signal.SIGHUP, signal.SIGINT))
        seconds = draw.uniform(0.0, 4.0)
        campaign.trial(
            "SIGTERM, SIGHUP, SIGINT at a random time",
            None,
            during=signal_after(which, seconds),
            detail=f"{which} {seconds}",
        )
    elif kind == 2:
        code = draw.choice((errno.ENOSPC, errno.EROFS))
        seconds = draw.uniform(0.2, 3.0)
        breaks = lambda runs: refuse_between(runs, number, seconds, code)  # noqa: E731
        campaign.trial("disk full or read-only for up to 3 s", breaks, detail=f"{number} {seconds} {code}")
    elif kind == 3:
        campaign.trial("every write takes 5 ms longer", lambda runs: slow(runs, 0.005))
    else:
        name, how = draw.choice((*WITHOUT_LOSS, *WITH_LOSS)), draw.choice(HOWS)
        campaign.trial(
            "file or folder deleted or replaced after a kill",
            lambda runs: kill_at(runs, number),
            between=damage(name, how),
            detail=f"{number} {name} {how}",
            bits=name in WITHOUT_LOSS,
        )


def quick(campaign: Campaign) -> None:
    """What a test runs: kills in the middle and near the end, a disk that is full for a second, a signal, a pipe."""
    for share in (0.4, 0.75, 0.9, 0.97):
        number = round(share * campaign.operations)
        campaign.trial("kill -9 at a file operation", lambda runs, n=number: kill_at(runs, n), detail=f"{number}")
    for name in (
        f"jobs/00000{ITERATIONS}-panel-{ITERATIONS}.json",
        f"results/00000{ITERATIONS}-panel-{ITERATIONS}.json",
    ):
        # The last checkpoint is there, and nothing of what should follow it.
        campaign.trial("kill -9 after the last checkpoint", lambda runs, n=name: kill_before(n), detail=name)
    middle = campaign.operations // 2
    campaign.trial("disk full", lambda runs: refuse_between(runs, middle, 1.0, errno.ENOSPC))
    campaign.trial("SIGHUP", lambda runs: hang_up_at(runs, middle))
    campaign.trial(
        "a pipe in place of the record", lambda runs: kill_at(runs, middle), between=damage("run_record.json", "pipe")
    )


def kill_before(name: str) -> None:
    """Kill this process when a file of this name would appear."""
    replace = os.replace

    def killed(temporary: str, path: Path) -> None:
        if str(path).endswith(name):
            os.kill(os.getpid(), signal.SIGKILL)
        replace(temporary, path)

    os.replace = killed


def hang_up_at(runs: Path, number: int) -> None:
    def act(count: int, name: str) -> None:
        if count == number:
            os.kill(os.getpid(), signal.SIGHUP)

    Operations(runs, act)


def main() -> None:
    """Run the campaign and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a few trials that are the same each time")
    parser.add_argument("--out", type=Path, help="file that the table is written to after each trial")
    args = parser.parse_args()
    os.nice(10)
    draw, end = random.Random(args.seed), time.monotonic() + 60.0 * args.minutes
    with tempfile.TemporaryDirectory() as folder:
        campaign = start(Path(folder))
        print(f"An undisturbed run has {campaign.operations} operations on files.", flush=True)
        if args.quick:
            quick(campaign)
            end = 0.0
        numbers = list(range(1, campaign.operations + 1))
        draw.shuffle(numbers)
        kinds = 0
        while time.monotonic() < end:
            if numbers:
                number = numbers.pop()
                campaign.trial("kill -9 at a file operation", lambda runs: kill_at(runs, number), detail=f"{number}")  # noqa: B023
            one(campaign, draw, kinds % 5)
            kinds += 1
            if args.out is not None:
                args.out.write_text(campaign.rows() + f"\n\n{json.dumps(campaign.notes, indent=1)}\n")
        print(f"File operations not tried: {len(numbers)} of {campaign.operations}\n{campaign.rows()}")
    if campaign.notes:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
