"""How often the statistical alerts err, by simulation: python benchmarks/bench_alerts.py

Prints the tables of docs/metrics.md, "How often the rules err". About two minutes on one core.
"""

import argparse
from collections.abc import Callable
from itertools import product

import numpy as np
import torch

from surefoot.audit.accounts.bucket_statistics import spread
from surefoot.audit.alerts.account_rules import is_exploitation
from surefoot.audit.alerts.synchrony import binomial_tail
from surefoot.manifest.audit import BucketAudit, SynchronyAudit
from surefoot_tasks import audit_config

Draw = Callable[[np.random.Generator, int, int], np.ndarray]
"""Returns of episodes with mean 1. Shape (buckets, episodes)."""


def tight(rng: np.random.Generator, buckets: int, episodes: int) -> np.ndarray:
    """Trained robots: standard deviation 0.1."""
    return 1 + 0.1 * rng.standard_normal((buckets, episodes))


def falling(rng: np.random.Generator, buckets: int, episodes: int) -> np.ndarray:
    """A third of the robots falls at any time: two kinds of return, far from normal."""
    survived = 1 + 0.1 * rng.standard_normal((buckets, episodes))
    return np.where(rng.random((buckets, episodes)) < 1 / 3, survived * rng.random((buckets, episodes)), survived)


def bucket_rates(
    draw: Draw, buckets: int, planted: int, episodes: int, bonus: float, reps: int, config: BucketAudit
) -> list[float]:
    """Share of windows in which the interval leaves out 0, and with an alert; the first `planted` buckets + bonus."""
    rng = np.random.default_rng(1)
    significant = alarms = 0
    for _ in range(reps):
        returns = torch.from_numpy(draw(rng, buckets, episodes))
        returns[:planted] += bonus
        count = torch.full((buckets,), float(episodes), dtype=torch.float64)
        found = spread(count, returns.sum(dim=1), returns.square().sum(dim=1), config.min_episodes)
        significant += found.icc_low > 0
        alarms += is_exploitation(found.icc_low, found.gap / found.rms, found.largest_within, config)
    return [significant / reps, alarms / reps]


def bucket_table(reps: int, config: BucketAudit) -> None:
    """Identical buckets, then one or half of them that earn more."""
    print("| returns | buckets | with bonus | episodes each | bonus | interval above 0 | alert |")
    print("|---|---|---|---|---|---|---|")
    for draw in (tight, falling):
        for (buckets, planted), episodes in product(((2, 1), (12, 1), (12, 6), (64, 1)), (10, 50)):
            for bonus in (0.0, 0.2, 0.4, 0.6, 1.0):
                low, alert = bucket_rates(draw, buckets, planted, episodes, bonus, reps, config)
                row = (draw.__name__, buckets, planted, episodes, f"{bonus:g}", f"{low:.2%}", f"{alert:.2%}")
                print("|", " | ".join(map(str, row)), "|", flush=True)


def steps_with_alert(ends: np.ndarray, num_envs: int, config: SynchronyAudit) -> int:
    """Tested steps that would be an alert. `ends`: environments that end in each step. Shape (steps,)."""
    half, found = config.half_window, 0
    for step in range(half, len(ends) - half):
        if ends[step] >= max(2.0, config.min_share * num_envs):
            nearby = int(ends[step - half : step + half + 1].sum())
            found += binomial_tail(int(ends[step]), nearby, 1 / (2 * half + 1)) < config.p_value
    return found


def synchrony_table(reps: int, config: SynchronyAudit) -> None:
    """Independent ends at a steady rate, hills of falls after a common start, and ends that are shared."""
    rng = np.random.default_rng(2)
    print("| ends | environments | alerts |\n|---|---|---|")
    for num_envs in (256, 1024, 4096):
        for life in (20, 50, 500):
            ends = rng.binomial(num_envs, 1 / life, 100_000)
            alerts = steps_with_alert(ends, num_envs, config)
            print(f"| independent, mean life {life} steps | {num_envs} | {alerts} of 100,000 steps |")
        for deviation in (20, 10, 5, 3, 2):
            runs = 0
            for _ in range(reps // 10):
                falls = np.clip(np.rint(rng.normal(100, deviation, num_envs)), 0, 199).astype(int)
                runs += steps_with_alert(np.bincount(falls, minlength=200), num_envs, config) > 0
            print(f"| all fall once, deviation {deviation} steps | {num_envs} | {runs / (reps // 10):.1%} of runs |")
        for share in (0.03, 0.06, 0.1, 0.2):
            hits = 0
            for _ in range(reps):
                ends = rng.binomial(num_envs, 1 / 100, 20)
                ends[10] += rng.binomial(num_envs, share)
                hits += steps_with_alert(ends, num_envs, config) > 0
            print(f"| mean life 100 steps, {share:.0%} at once | {num_envs} | {hits / reps:.1%} of the events |")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reps", type=int, default=2000)
    reps = parser.parse_args().reps
    config = audit_config()
    bucket_table(reps, config.bucket)
    print()
    synchrony_table(reps, config.synchrony)


if __name__ == "__main__":
    main()
