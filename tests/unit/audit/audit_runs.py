"""A made-up training run: robots in twelve buckets that learn to follow, from a common start on."""

import torch
from torch import Tensor

from audit_steps import step_of
from surefoot.audit.accounts.accounts import Accounts
from surefoot.audit.accounts.metrics import Flush
from surefoot.audit.accounts.step import AuditLayout, AuditStep
from surefoot.audit.alerts.account_rules import AccountRules
from surefoot.audit.alerts.alerts import Alert, Alerts
from surefoot_tasks import audit_config

NUM_ENVS = 252
STEPS = 24
"""Per iteration."""
LONGEST = 100
SIGNS = {"track": "reward", "torques": "penalty"}
LAYOUT = AuditLayout(
    reward_terms=("track", "torques", "alive", "planted"),
    causes=("time_out", "fell"),
    cause_is_time_out=(True, False),
    fault_kinds=("reward", "state"),
    bucket_labels=tuple(f"friction {k}" for k in range(12)),
    num_envs=NUM_ENVS,
    step_dt=0.02,
    max_episode_steps=LONGEST,
    num_actions=1,
    action_clip=None,
)


class Run:
    """Errors and falls become fewer over the first 100 iterations; slippery buckets earn up to 4 % less.

    All robots start in the first step, as in a simulator, so the first falls come together within some 40 steps; the
    counters of the first episodes are scattered. Subclasses plant a defect.
    """

    scattered = True

    def __init__(self, seed: int = 0) -> None:
        self._random = torch.Generator().manual_seed(seed)
        self.bucket = torch.arange(NUM_ENVS) % 12
        self.time = 0
        self.age = torch.randint(0, LONGEST, (NUM_ENVS,), generator=self._random) * int(self.scattered)
        self.fall = (30 + 8 * torch.randn(NUM_ENVS, generator=self._random)).round().long() + self.age
        self.error = self._new_errors()

    def uniform(self, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=self._random)

    @property
    def practice(self) -> float:
        """From 0 at the start to 1."""
        return min(1.0, self.time / (100 * STEPS))

    def _new_errors(self) -> Tensor:
        """Mean velocity error of each robot's next episode, m/s."""
        return (0.05 + (0.8 - 0.5 * self.practice) * self.uniform(NUM_ENVS)) * (1 + 0.004 * self.bucket)

    def planted(self) -> Tensor:
        """Rate of a term that a test plants, 1/s. Shape (num_envs,)."""
        return torch.zeros(NUM_ENVS)

    def torques(self) -> Tensor:
        return -0.2 - 0.2 * self.uniform(NUM_ENVS)

    def shared_end(self) -> Tensor:
        """Robots that something outside makes fall now. Shape (num_envs,), bool."""
        return torch.zeros(NUM_ENVS, dtype=torch.bool)

    def fault(self) -> Tensor:
        return torch.zeros(NUM_ENVS, 2, dtype=torch.bool)

    def step(self) -> AuditStep:
        self.time += 1
        self.age = self.age + 1
        error = self.error * (0.5 + self.uniform(NUM_ENVS))
        alive = torch.ones(NUM_ENVS)
        rates = torch.stack((2 * torch.exp(-error.square() / 0.25), self.torques(), alive, self.planted()), dim=1)
        fell = (self.age >= self.fall) | self.shared_end()
        timed_out = (self.age >= LONGEST) & ~fell
        fault = self.fault()
        step = step_of(
            LAYOUT,
            rates=rates,
            causes=torch.stack((timed_out, fell), dim=1),
            terminated=fell,
            truncated=timed_out,
            fault=fault,
            bucket=self.bucket.clone(),
            episode_steps=self.age.clone(),
            lin_vel_error=error,
        )
        ended = fell | timed_out | fault.any(dim=1)
        self.age = torch.where(ended, 0, self.age)
        falls = self.uniform(NUM_ENVS) < 0.9 * (1 - self.practice) + 0.02
        when = torch.where(falls, 10 + (80 * self.uniform(NUM_ENVS)).long(), 10 * LONGEST)
        self.fall = torch.where(ended, when, self.fall)
        self.error = torch.where(ended, self._new_errors(), self.error)
        return step


def alerts_of(run: Run, iterations: int) -> list[tuple[Alert, Flush]]:
    """All alerts, each with the metrics of its iteration; iterations count from 1."""
    config = audit_config()
    accounts = Accounts(LAYOUT, config, "cpu")
    alerts = Alerts(config, [AccountRules(LAYOUT, config, SIGNS)])  # pyright: ignore[reportArgumentType]
    found: list[tuple[Alert, Flush]] = []
    for iteration in range(1, iterations + 1):
        for _ in range(STEPS):
            accounts.step(run.step())
        flush = accounts.flush()
        found += [(alert, flush) for alert in alerts.check(iteration, flush)]
    return found


def first(run: Run, kind: str, iterations: int) -> tuple[int, str] | None:
    """Iteration and subject of the first alert of a kind."""
    found = [(alert.iteration, alert.subject) for alert, _ in alerts_of(run, iterations) if alert.kind == kind]
    return found[0] if found else None
