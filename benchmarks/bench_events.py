"""What a scheduled panel costs the training beside it: its rate with the worker at work over that with it stopped.

python benchmarks/bench_events.py
python benchmarks/bench_events.py --nice 0 --rounds 6
python benchmarks/bench_events.py --write

One training, and one worker with one thread that always has a job. Between blocks of iterations the worker and its
evaluation are stopped and continued by signals, in turn. The last columns are the longest that the trainer spent in one
iteration on jobs and results, and on a checkpoint that it wrote for a job.
"""

import os
import signal
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from measure import OtherLoad, machine, parser, publish, spread, table

import surefoot  # noqa: F401  (before torch: sets how idle OpenMP threads wait)
from surefoot.audit.alerts import learning
from surefoot.engines.mujoco import make_env
from surefoot.jobs.lease import trainer_lease
from surefoot.jobs.plan import plan_events
from surefoot.jobs.trainer import RunEvents
from surefoot.manifest import compose_manifest
from surefoot.rl.runner import TrainRunner
from surefoot.rl.vec_env import SurefootVecEnv
from surefoot_tasks import manifest_root

TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
BLOCK = 5
"""Iterations with the worker stopped, then as many with it at work."""
TICK = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure and print."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("--num_envs", type=int, default=512)
    arguments.add_argument("--nice", type=int, nargs="+", default=[10, 0])
    arguments.add_argument("--panel", default="quick_v1")
    args = arguments.parse_args()
    load = OtherLoad()
    rows = [measure(nice, args.num_envs, args.rounds, args.panel) for nice in args.nice]
    header = [
        "worker's nice", "rate with / without", "cores of the worker", "cores of the training, without", "jobs done",
        "longest jobs and results, s", "longest checkpoint, s, wall-clock / CPU",
    ]  # fmt: skip
    text = f"{table(header, rows)}\n\n{machine()}; {args.num_envs} environments, panel {args.panel}, "
    publish("bench-events", f"{text}{args.rounds} rounds of {2 * BLOCK} iterations; {load.text()}.", args.write)


@dataclass
class Clock:
    """Stands in for the progress display: called once an iteration, it times the blocks and switches the worker."""

    events: RunEvents
    rounds: int
    failures: int = 0
    blocks: dict[bool, list[dict[str, float]]] = field(default_factory=lambda: {False: [], True: []})
    event_seconds: list[float] = field(default_factory=list)
    done: int = 0

    def start(self) -> None:
        """A block begins."""
        self.at = {"wall": time.perf_counter(), "own": time.process_time(), "worker": self._worker_seconds()}

    def show(self, done: int, until: int, batch: int, audited: Any, axes: Any) -> None:
        """After each iteration."""
        self.event_seconds.append(float(audited.flush[learning.EVENTS]))
        if done == BLOCK + 1:  # the first job is there: wait for the worker to begin it
            while not self._children():
                time.sleep(0.1)
                self.events.poll(done)
        if done % BLOCK:
            return
        busy = (done // BLOCK) % 2 == 0
        if done > 2 * BLOCK:
            now = {"wall": time.perf_counter(), "own": time.process_time(), "worker": self._worker_seconds()}
            self.blocks[busy].append({name: now[name] - self.at[name] for name in now})
        self._signal(signal.SIGSTOP if busy else signal.SIGCONT)
        self.start()

    def show_events(self, results: Any, run: Any) -> None:
        """Results that came."""
        self.done += len(results)

    def close(self) -> None:
        """The worker may go on."""
        self._signal(signal.SIGCONT)

    def _children(self) -> list[int]:
        holder = self.events.folder.worker.holder()
        path = Path(f"/proc/{holder.pid}/task/{holder.pid}/children") if holder is not None else None
        return [int(pid) for pid in path.read_text().split()] if path is not None and path.exists() else []

    def _signal(self, number: signal.Signals) -> None:
        holder = self.events.folder.worker.holder()
        for pid in [*([holder.pid] if holder is not None else []), *self._children()]:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _worker_seconds(self) -> float:
        """CPU time of the worker, of evaluations that it waited for, and of the one that runs."""
        holder = self.events.folder.worker.holder()
        total = 0.0
        for pid, fields in (
            (holder.pid if holder else 0, slice(11, 15)),
            *((pid, slice(11, 13)) for pid in self._children()),
        ):
            with suppress(OSError):
                text = Path(f"/proc/{pid}/stat").read_text()
                total += sum(map(int, text[text.rindex(")") + 2 :].split()[fields])) / TICK
        return total


def measure(nice: int, num_envs: int, rounds: int, panel: str) -> list[str]:
    """One row."""
    iterations = BLOCK * (2 * rounds + 2)
    overrides = [
        f"training.num_envs={num_envs}", f"training.max_iterations={iterations}", "training.save_interval=100000",
        f"+schedule.events.panel={{kind: panel, content: {panel}, every: {BLOCK}}}",
        f"schedule.worker.nice={nice}", "schedule.wait=0.0", f"schedule.max_outstanding={iterations}",
    ]  # fmt: skip
    manifest = compose_manifest(manifest_root(), TASK, overrides)
    plan = plan_events(manifest, manifests=manifest_root())
    assert plan is not None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lease = trainer_lease(folder)
        lease.acquire()
        events = RunEvents(folder, plan, manifest.sha256)
        clock = Clock(events, rounds)
        env = make_env(manifest, device="cpu")
        runner = TimedSaves(SurefootVecEnv(env), manifest, folder, clock)  # pyright: ignore[reportArgumentType]
        runner.events = events
        runner.train(iterations)
        lease.release()
        env.close()
    pairs = list(zip(clock.blocks[False], clock.blocks[True], strict=False))
    ratios = spread([without["wall"] / beside["wall"] for without, beside in pairs])
    worker = spread([beside["worker"] / beside["wall"] for _, beside in pairs])
    own = spread([without["own"] / without["wall"] for without, _ in pairs])
    longest = (
        f"{max(clock.event_seconds):.3f}",
        " / ".join(f"{max(times):.3f}" for times in zip(*runner.save_seconds, strict=True)),
    )
    return [str(nice), ratios.text(2), worker.text(2), own.text(2), str(clock.done), *longest]


class TimedSaves(TrainRunner):
    """Times its checkpoints."""

    save_seconds: list[tuple[float, float]]
    """Wall-clock and CPU time."""

    def save_all(self, last: bool = False, broken: bool = False) -> Path | None:
        start, own = time.perf_counter(), time.process_time()
        path = super().save_all(last, broken)
        self.save_seconds = [
            *getattr(self, "save_seconds", []),
            (time.perf_counter() - start, time.process_time() - own),
        ]
        return path


if __name__ == "__main__":
    main()
