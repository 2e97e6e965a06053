"""What the accounts cost: python benchmarks/bench_accounts.py

CPU time per control step on one thread, flushes and rules included.
"""

import argparse
import statistics
import time

import torch

from surefoot.audit.account_rules import AccountRules
from surefoot.audit.accounts import Accounts
from surefoot.audit.alerts import Alerts
from surefoot.audit.diagnostic_rules import DiagnosticRules
from surefoot.audit.diagnostics import diagnostic_accounts
from surefoot.audit.step import AuditLayout, AuditStep
from surefoot_tasks import audit_config


def random_step(layout: AuditLayout, random: torch.Generator) -> AuditStep:
    """A step in which one environment in a hundred ends and one in ten thousand is broken."""
    n = layout.num_envs

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=random)

    rates = uniform(n, len(layout.reward_terms)) - 0.5
    causes = uniform(n, len(layout.causes)) < 0.003
    return AuditStep(
        rates=rates,
        reward=layout.step_dt * rates.sum(dim=1),
        causes=causes,
        terminated=causes[:, 1:].any(dim=1),
        truncated=causes[:, 0],
        fault=uniform(n, len(layout.fault_kinds)) < 1e-5,
        bucket=torch.arange(n) % len(layout.bucket_labels),
        episode_steps=torch.randint(1, layout.max_episode_steps, (n,), generator=random),
        lin_vel_error=uniform(n),
        yaw_rate_error=uniform(n),
        is_moving=uniform(n) < 0.9,
        lin_speed=uniform(n),
        action=uniform(n, layout.num_actions),
    )


def main() -> None:
    """Print median and quartiles over iterations."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num-envs", type=int, default=1024)
    parser.add_argument("--buckets", type=int, default=64)
    parser.add_argument("--terms", type=int, default=16)
    parser.add_argument("--steps", type=int, default=24, help="control steps in an iteration")
    parser.add_argument("--iterations", type=int, default=40)
    args = parser.parse_args()
    torch.set_num_threads(1)
    layout = AuditLayout(
        reward_terms=tuple(f"term_{k}" for k in range(args.terms)),
        causes=("time_out", "base_contact", "tilted", "out_of_bounds"),
        cause_is_time_out=(True, False, False, True),
        fault_kinds=tuple(f"fault_{k}" for k in range(8)),
        bucket_labels=tuple(f"bucket {k}" for k in range(args.buckets)),
        num_envs=args.num_envs,
        step_dt=0.02,
        max_episode_steps=1000,
        num_actions=12,
        action_clip=10.0,
    )
    config = audit_config()
    random = torch.Generator().manual_seed(0)
    steps = [random_step(layout, random) for _ in range(args.steps)]
    for name, extra in (("accounts", []), ("and diagnostics", diagnostic_accounts(layout, config.diagnostics, "cpu"))):
        accounts = Accounts(layout, config, "cpu", extra)
        rules = [AccountRules(layout, config), *([DiagnosticRules(layout, config.diagnostics)] if extra else [])]
        alerts = Alerts(config, rules)
        costs: list[float] = []
        for iteration in range(args.iterations):
            start = time.process_time()
            for step in steps:
                accounts.step(step)
            alerts.check(iteration, accounts.flush())
            costs.append((time.process_time() - start) / args.steps * 1e3)
        low, middle, high = statistics.quantiles(costs[5:], n=4)
        print(f"{name}: {middle:.2f} ms a control step ({low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()
