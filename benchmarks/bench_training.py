"""Wall-clock and samples until the first evaluation's bar is met, and where the time of training goes.

python benchmarks/bench_training.py
python benchmarks/bench_training.py --from_minute 3 --write seed=2
python benchmarks/bench_training.py --runs /tmp/runs training.num_envs=1024 ppo.num_steps_per_env=24

Trains once, then evaluates the checkpoints; the clock runs only while training. The bar: two consecutive checkpoints
with mean linear velocity error at most 0.10 m/s, mean yaw-rate error at most 0.10 rad/s and at most 1 % of 288 episodes
failed.
"""

import tempfile
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from measure import OtherLoad, machine, parser, publish, spread, table

import surefoot.cli
from surefoot.audit.accounts.metrics import AxisNames, Flush
from surefoot.audit.alerts import learning
from surefoot.engines import load_engine
from surefoot.evaluation.evaluate import evaluate_checkpoint
from surefoot.machine import Machine
from surefoot.manifest import Manifest, compose_manifest
from surefoot.rl.run_audit import AuditedIteration
from surefoot.rl.runner import TrainRunner
from surefoot.rl.vec_env import SurefootVecEnv
from surefoot_tasks import manifest_root

TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
LIN_VEL_BAR, YAW_RATE_BAR, FALL_BAR = 0.10, 0.10, 0.01


@dataclass
class Clock:
    """Stands where the console output goes in training; notes when each iteration ended."""

    failures = 0
    start: float = 0.0
    batch: int = 0
    flushes: list[Flush] = field(default_factory=list)
    """Metrics of each iteration."""
    ended: list[float] = field(default_factory=list)
    """s since the start of training, by iteration."""

    def show(self, done: int, until: int, batch: int, audited: AuditedIteration, axes: AxisNames) -> None:
        self.batch = batch
        self.flushes.append(audited.flush)
        self.ended.append(time.perf_counter() - self.start)
        if done % 100 == 0:
            print(f"{done}/{until}, {self.ended[-1]:.0f} s", flush=True)

    def column(self, name: str) -> list[float]:
        """A metric by iteration, without the first."""
        return [float(flush[name]) for flush in self.flushes[1:]]

    def close(self) -> None: ...


@dataclass(frozen=True)
class Point:
    """One evaluated checkpoint."""

    iteration: int
    minutes: float
    samples: int
    lin_vel_error: float
    yaw_rate_error: float
    fall_rate: float
    episodes: int

    @property
    def meets_bar(self) -> bool:
        """Whether this checkpoint alone is good enough."""
        errors = self.lin_vel_error <= LIN_VEL_BAR and self.yaw_rate_error <= YAW_RATE_BAR
        return errors and self.fall_rate <= FALL_BAR and self.episodes >= 288

    def row(self) -> list[str]:
        """Cells of the table."""
        return [
            str(self.iteration),
            f"{self.minutes:.1f}",
            f"{self.samples / 1e6:.2f}",
            f"{self.lin_vel_error:.3f}",
            f"{self.yaw_rate_error:.3f}",
            f"{100 * self.fall_rate:.1f}",
            "yes" if self.meets_bar else "no",
        ]


def main() -> None:
    """Train, evaluate, print."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("--device", default="cpu")
    arguments.add_argument("--task", default=TASK)
    arguments.add_argument("--runs", type=Path, help="keep the checkpoints here; default: a temporary folder")
    arguments.add_argument("--from_minute", type=float, default=2.0, help="evaluate only checkpoints after that")
    arguments.add_argument("--replicates", type=int, default=8, help="episodes per command")
    arguments.add_argument("overrides", nargs="*", metavar="key=value")
    args = arguments.parse_intermixed_args()
    manifest = compose_manifest(manifest_root(), args.task, args.overrides)
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.runs or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        load = OtherLoad()
        clock = train(manifest, folder, args.device)
        others = load.text()
        points = evaluate(manifest, folder, clock, args)
    header = ["iteration", "minutes", "M samples", "lin. vel. error, m/s", "yaw rate error, rad/s", "falls, %", "bar"]
    text = [
        table(header, [point.row() for point in points]),
        verdict(points),
        table(["what", "rate or share"], breakdown(clock)),
        f"{machine()}; {others} while training; seed {manifest.seed}; manifest {manifest.sha256[:12]}; "
        f"overrides: {' '.join(args.overrides) or 'none'}.",
    ]
    publish("bench-training", "\n\n".join(text), args.write)


def train(manifest: Manifest, folder: Path, device: str) -> Clock:
    """Train to the end with a checkpoint every `training.save_interval` iterations."""
    env = load_engine("mujoco").make_env(manifest, device=device)
    clock = Clock()
    runner = TrainRunner(SurefootVecEnv(env), manifest, folder, clock)  # pyright: ignore[reportArgumentType]
    clock.start = time.perf_counter()
    runner.train(manifest.training.max_iterations)
    env.close()
    return clock


def evaluate(manifest: Manifest, folder: Path, clock: Clock, args) -> list[Point]:
    """Evaluate the saved checkpoints, oldest first."""
    points: list[Point] = []
    for done, (flush, ended) in enumerate(zip(clock.flushes, clock.ended, strict=True), start=1):
        path, minutes = folder / f"model_{done}.pt", ended / 60
        if not path.is_file() or minutes < args.from_minute:
            continue
        machine, changes = Machine(device=args.device), {"replicates": args.replicates}
        plain = evaluate_checkpoint(path, manifests=manifest_root(), machine=machine, changes=changes).plain
        metrics = ("lin_vel_error", "yaw_rate_error", "fall_rate")
        linear, yaw, fall = (plain["all_cells"][name]["value"] for name in metrics)
        if linear is None or yaw is None or fall is None:
            raise SystemExit(f"error: {path}: no valid episode")
        samples = int(flush[learning.SAMPLES])
        point = Point(done, minutes, samples, linear, yaw, fall, sum(cell["valid"] for cell in plain["cells"]))
        points.append(point)
        print(" | ".join(point.row()), flush=True)
    return points


def verdict(points: list[Point]) -> str:
    """When the bar was met."""
    for first, second in pairwise(points):
        if first.meets_bar and second.meets_bar:
            return (
                f"Bar met by the checkpoints at {first.minutes:.1f} and {second.minutes:.1f} minutes "
                f"({first.samples / 1e6:.2f} and {second.samples / 1e6:.2f} million samples)."
            )
    return "Bar not met by two consecutive checkpoints."


def breakdown(clock: Clock) -> list[list[str]]:
    """Where the time goes, over all iterations but the first."""
    seconds, physics, env = (clock.column(name) for name in (learning.SECONDS, learning.PHYSICS, learning.ENV))
    learn, audit = clock.column(learning.LEARN), clock.column(learning.AUDIT)
    total = sum(seconds)
    shares = {
        "physics": sum(physics),
        "managers": sum(env) - sum(physics),
        "policy inference and storage": total - sum(env) - sum(learn) - sum(audit),
        "PPO update": sum(learn),
        "accounts": sum(audit),
    }
    rate = spread([clock.batch / value for value in seconds]).text(0)
    return [["samples/s", rate], *([name, f"{100 * value / total:.0f} %"] for name, value in shares.items())]


if __name__ == "__main__":
    surefoot.cli.run(main)
