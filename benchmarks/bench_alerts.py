"""How often the statistical alerts err, by simulation: python benchmarks/bench_alerts.py

Prints the tables of docs/alert_rates.md. About two minutes on one core.
"""

import argparse
from itertools import product

import numpy as np
import torch

from surefoot.audit.accounts.bucket_statistics import spread
from surefoot.audit.alerts.account_rules import is_exploitation
from surefoot.audit.alerts.bucket_monitor import MIN_ENVS
from surefoot.audit.alerts.synchrony import binomial_tail
from surefoot.manifest.audit import BucketAudit, SynchronyAudit
from surefoot_tasks import audit_config

LIFE = 20.0
"""s, length of a whole episode; the window of 50 iterations of 12 steps is as long as most of one."""


def rates(
    rng: np.random.Generator, buckets: int, envs: int, falls: float, between: float, bonus: float, planted: int
) -> np.ndarray:
    """What environments earn per second: 1, a part of their own, noise of steps, and less in the second before a fall.

    Args:
        rng: Draws.
        buckets: Number of buckets.
        envs: Environments in each.
        falls: Share of episodes that end by a fall.
        between: Standard deviation of the environments' own part.
        bonus: Of the first `planted` buckets.
        planted: See `bonus`.

    Returns:
        Shape (buckets, envs).
    """
    value = 1 + between * rng.standard_normal((buckets, envs)) + 0.03 * rng.standard_normal((buckets, envs))
    value[:planted] += bonus
    fallen = rng.random((buckets, envs)) < falls * 12 / LIFE  # in the 12 s of a window
    return value * (1 - fallen / 12)


def bucket_rates(reps: int, config: BucketAudit, planted: int, bonus: float, **shape: float) -> list[float]:
    """Share of windows in which the interval leaves out 0, and with an alert."""
    rng = np.random.default_rng(1)
    significant = alarms = 0
    for _ in range(reps):
        value = torch.from_numpy(rates(rng, bonus=bonus, planted=planted, **shape))  # pyright: ignore
        count = torch.full((len(value),), float(value.shape[1]), dtype=torch.float64)
        found = spread(count, value.sum(dim=1), value.square().sum(dim=1), MIN_ENVS)
        significant += found.icc_low > 0
        alarms += is_exploitation(found, config)
    return [significant / reps, alarms / reps]


def bucket_table(reps: int, config: BucketAudit) -> None:
    """Identical buckets, then one or half of them that earn more."""
    print("| buckets | with bonus | environments each | episodes that fall | bonus | interval above 0 | alert |")
    print("|---|---|---|---|---|---|---|")
    for (buckets, planted), envs, falls in product(((12, 1), (12, 6), (64, 1)), (8, 40), (0.0, 0.05, 0.5)):
        for bonus in (0.0, 0.2, 0.4, 1.0):
            shape = {"buckets": buckets, "envs": envs, "falls": falls, "between": 0.1}
            low, alert = bucket_rates(reps, config, planted, bonus, **shape)
            row = (buckets, planted, envs, f"{falls:.0%}", f"{bonus:g}", f"{low:.2%}", f"{alert:.2%}")
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
