"""Is a planted change explained by its bucket, and how long does a replay take?

python benchmarks/bench_replay.py [--cases 20] [--factor control_delay]

A simulated Go1 trots on the spot (for friction: sways its hips, so that its feet slide) with one factor planted at a
random place within a random interval; the log is replayed in all intervals of that factor.
"""

import argparse
import time

import numpy as np
import torch
from numpy.typing import NDArray

from surefoot.engines.base import load_engine
from surefoot.manifest import Manifest, compose_manifest
from surefoot.manifest.factors import FACTORS
from surefoot.replay import gap
from surefoot.replay.base_motion import base_motion
from surefoot.replay.bucket_evidence import compare_buckets
from surefoot.replay.simulated import simulated_logs
from surefoot.replay.trace_run import bucket_conditions, bucket_values, replay_manifest
from surefoot.replay.window_rollout import Replay
from surefoot.replay.windows import cut_windows
from surefoot_tasks import manifest_root

TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
STILL = [f"task.resets.{name}=[0,0]" for name in ("position_xy", "yaw", "lin_vel", "ang_vel", "joint_pos", "joint_vel")]
EDGES = {
    "payload_mass": [-1.0, 0.0, 1.0, 2.0, 3.0],
    "stiffness": [0.7, 0.9, 1.1, 1.3],
    "damping": [0.4, 0.8, 1.2, 1.6],
    "control_delay": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
    "friction": [0.2, 0.4, 0.6, 0.8],
}
MOTIONS = 5


def motion(task: Manifest, slides: bool, rng: np.random.Generator, seconds: float = 1.4) -> NDArray[np.float64]:
    """Joint targets at physics steps, rad."""
    dt, decimation = task.simulation.timestep, task.simulation.decimation
    step = np.arange(round(seconds / dt)) // decimation * decimation * dt
    size = np.tile([0.35, 0.1, 0.1], 4) if slides else np.tile([0.05, 0.25, 0.3], 4) * rng.uniform(0.7, 1.3)
    legs = np.tile([0.0, 0.25, 0.5], 4) if slides else np.repeat([0.0, 0.5, 0.5, 0.0], 3)
    phase = 2 * np.pi * (rng.uniform(1.5, 3.0) * step[:, None] + legs) + np.tile([0, 0, 1.2], 4)
    return (np.array(task.robot.default_joint_pos) + size * np.sin(phase)).astype(np.float32).astype(float)


def bench(factor: str, cases: int) -> str:
    """One row: cases explained rightly, identified, identified wrongly, largest error, s; then each wrong case."""
    rng = np.random.default_rng(7)
    edges, began = EDGES[factor], time.perf_counter()
    chosen = f"randomization.factors={{{factor}: {{edges: {edges}, mode: startup}}}}"
    task = replay_manifest(
        compose_manifest(
            manifest_root(), TASK, ["simulation=full", *STILL, chosen, f"randomization.bucket_by=[{factor}]"]
        )
    )
    _, values = bucket_values(task)
    count = len(values[factor])
    truth = rng.integers(0, count, cases)
    low, high = np.array(edges)[truth], np.array(edges)[truth + 1]
    planted = values[factor][truth] if FACTORS[factor].whole else low + (high - low) * rng.uniform(0, 1, cases)
    each = {name: np.full(cases, column[0]) for name, column in values.items()} | {factor: planted}
    env = load_engine("mujoco").make_env(
        task, device="cpu", evaluation=True, single_steps=True, conditions=bucket_conditions(each, 1)
    )
    delay = torch.tensor(each["control_delay"]).long()
    share = -(-cases // MOTIONS)
    logs = []
    for first in range(0, cases, share):
        driven = simulated_logs(env, motion(task, factor == "friction", rng), delay=delay)
        logs += driven[first : first + share]
    env.close()
    windows = cut_windows(logs[0], num_steps=10, step_dt=task.simulation.step_dt, needs=("q", "dq", "q_des"))
    env = load_engine("mujoco").make_env(
        task, device="cpu", evaluation=True, single_steps=True, conditions=bucket_conditions(values, len(windows))
    )
    replay = Replay(env, count, torch.tensor(np.tile(values["control_delay"], len(windows))).long())
    right = identified = wrongly = 0
    off, misses = np.zeros(cases), []
    for case, (log, own) in enumerate(zip(logs, truth, strict=True)):
        replayed = replay.run(log, base_motion(log, env), windows, "open_loop")
        errors = gap.measure(replayed.real, replayed.simulated).window
        (evidence,) = compare_buckets(errors, (factor,), (count,), np.random.default_rng(0)).factors
        right += evidence.best == own
        identified += evidence.identified
        wrongly += evidence.identified and evidence.best != own
        off[case] = abs(values[factor][evidence.best] - planted[case])
        if evidence.best != own:
            misses.append(f"{planted[case]:.3f} explained by {values[factor][evidence.best]:.3g}")
    env.close()
    seconds = f"{time.perf_counter() - began:.0f}"
    cells = (factor, f"{right} of {cases}", identified, wrongly, f"{off.max():.3g}", seconds, "; ".join(misses))
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=20, help="for each factor")
    parser.add_argument("--factor", choices=tuple(EDGES), action="append", help="default: all")
    args = parser.parse_args()
    head = (
        "factor",
        "right interval",
        "identified",
        "identified wrongly",
        "largest error",
        "s",
        "wrong: planted, found",
    )
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for factor in args.factor or EDGES:
        print(bench(factor, args.cases), flush=True)


if __name__ == "__main__":
    main()
