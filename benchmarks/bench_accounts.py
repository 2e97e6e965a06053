"""What the accounts cost: an iteration of environment steps with and without them, and the time spent inside them.

python benchmarks/bench_accounts.py
python benchmarks/bench_accounts.py --num_envs 256 --rounds 5
python benchmarks/bench_accounts.py --write

64 buckets, all reward terms of the Go1 task. "Accounts" is everything that a training run does beside its learning:
copies of every step, sums, rules, the leak detector, memory, and the record in the run folder.
"""

import tempfile
import time
from pathlib import Path

import torch
from measure import OtherLoad, machine, parser, publish, spread, table
from workloads import build

import surefoot  # noqa: F401  (before torch: sets how idle OpenMP threads wait)
from surefoot.engines.mujoco.env import MujocoEnv
from surefoot.rl.run_audit import RunAudit

STEPS = 24
"""Control steps of an iteration; RSL-RL's usual number."""
SAVE_EVERY = 10
"""Iterations between two rewrites of the record."""
BUCKETS = [
    "randomization.factors.friction.edges=[0.4,0.5,0.6,0.7,0.8,0.9,1.0,1.1,1.2]",
    "randomization.factors.payload_mass.edges=[-0.5,-0.2,0.1,0.4,0.7,1.0,1.3,1.6,2.0]",
]


def main() -> None:
    """Measure and print."""
    arguments = parser(__doc__ or "")
    arguments.add_argument("--num_envs", type=int, nargs="+", default=[256, 1024, 4096])
    args = arguments.parse_args()
    torch.set_num_threads(1)
    load = OtherLoad()
    rows = [measure(num_envs, args.rounds) for num_envs in args.num_envs]
    header = [
        "environments",
        "share of an env step",
        "ms per step, accounts",
        "ms per step, environment",
        "with / without",
    ]
    publish("bench-accounts", f"{table(header, rows)}\n\n{machine()}; {args.rounds} rounds; {load.text()}.", args.write)


def measure(num_envs: int, rounds: int) -> list[str]:
    """One row. The share is time inside the accounts over time inside the environment, of the same iterations."""
    env = build("surefoot", num_envs, BUCKETS)
    assert isinstance(env, MujocoEnv) and len(env.buckets.labels) == 64
    actions = 0.3 * torch.randn(STEPS, num_envs, 12, generator=torch.Generator().manual_seed(0))
    shares, account_ms, env_ms, ratios = [], [], [], []
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        audit = RunAudit(env, Path(folder))
        for index in range(rounds + 1):
            start = time.perf_counter()
            for action in actions:
                env.step(action)
            without = time.perf_counter() - start
            inside, start = 0.0, time.perf_counter()
            for action in actions:
                result = env.step(action)
                before = time.perf_counter()
                audit.step(result.audit)
                inside += time.perf_counter() - before
            before = time.perf_counter()
            audit.end_iteration(index + 1, result.observations["actor"], {}, start)
            assert audit.record is not None
            if index % SAVE_EVERY == 0:
                audit.record.save()
            inside += time.perf_counter() - before
            both = time.perf_counter() - start
            if index > 0:
                shares.append(100 * inside / (both - inside))
                account_ms.append(1e3 * inside / STEPS)
                env_ms.append(1e3 * (both - inside) / STEPS)
                ratios.append(both / without)
    return [
        str(num_envs),
        f"{spread(shares).text(2)} %",
        spread(account_ms).text(2),
        spread(env_ms).text(1),
        spread(ratios).text(3),
    ]


if __name__ == "__main__":
    main()
