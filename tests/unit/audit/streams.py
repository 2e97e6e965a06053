"""Made-up streams of control steps, with one reward term that follows a command and one that costs."""

from collections.abc import Iterator

import torch
from torch import Tensor

from surefoot.audit.accounts.accounts import Accounts
from surefoot.audit.accounts.metrics import Flush, check_flush
from surefoot.audit.accounts.step import AuditLayout, AuditStep
from surefoot.audit.alerts.diagnostic_rules import DiagnosticRules, Finding
from surefoot.audit.alerts.diagnostics import diagnostic_accounts
from surefoot.manifest.audit import Audit
from surefoot_tasks import audit_config

NUM_ENVS = 256
STEPS = 24
"""Per iteration."""
DT = 0.02
TERMS = ("track", "alive", "torques", "joint_limits", "planted")


def layout(num_envs: int = NUM_ENVS, action_clip: float | None = 1.0) -> AuditLayout:
    return AuditLayout(
        reward_terms=TERMS,
        causes=("time_out", "fell"),
        cause_is_time_out=(True, False),
        fault_kinds=("state",),
        bucket_labels=("all",),
        num_envs=num_envs,
        step_dt=DT,
        max_episode_steps=1000,
        num_actions=3,
        action_clip=action_clip,
    )


class Walkers:
    """Robots under commands of 0.3 to 1 m/s: a tenth of them stands, the others follow. Episodes end at random."""

    def __init__(self, seed: int = 0, num_envs: int = NUM_ENVS, standing_share: float = 0.1) -> None:
        self._random = torch.Generator().manual_seed(seed)
        self.num_envs = num_envs
        self._share = standing_share
        self._age = torch.randint(1, 900, (num_envs,), generator=self._random)
        self.stands = torch.zeros(num_envs, dtype=torch.bool)
        self.command = torch.ones(num_envs)
        self._choose(torch.ones(num_envs, dtype=torch.bool))
        self.time = 0

    def uniform(self, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=self._random)

    def _choose(self, where: Tensor) -> None:
        self.stands = torch.where(where, self.uniform(self.num_envs) < self._share, self.stands)
        self.command = torch.where(where, 0.3 + 0.7 * self.uniform(self.num_envs), self.command)

    def planted(self) -> Tensor:
        """Rate of the term that a test plants, 1/s. Shape (num_envs,)."""
        return torch.zeros(self.num_envs)

    def action(self) -> Tensor:
        return 0.5 * self.uniform(self.num_envs, 3)

    def step(self) -> AuditStep:
        self.time += 1
        speed = torch.where(self.stands, 0.05 * self.uniform(self.num_envs), self.command)
        error = (self.command - speed).abs() + 0.02 * self.uniform(self.num_envs)
        rates = torch.stack(
            (
                2.0 * torch.exp(-error.square() / 0.25),
                torch.ones(self.num_envs),
                -0.1 * self.uniform(self.num_envs),
                torch.zeros(self.num_envs),
                self.planted(),
            ),
            dim=1,
        )
        fell = self.uniform(self.num_envs) < 0.001
        timed_out = (self._age >= 1000) & ~fell
        step = AuditStep(
            rates=rates,
            reward=DT * rates.sum(dim=1),
            causes=torch.stack((timed_out, fell), dim=1),
            terminated=fell,
            truncated=timed_out,
            fault=torch.zeros(self.num_envs, 1, dtype=torch.bool),
            bucket=torch.zeros(self.num_envs, dtype=torch.int64),
            episode_steps=self._age.clone(),
            lin_vel_error=error,
            yaw_rate_error=torch.zeros(self.num_envs),
            is_moving=torch.ones(self.num_envs, dtype=torch.bool),
            lin_speed=speed,
            action=self.action(),
        )
        ended = fell | timed_out
        self._age = torch.where(ended, 1, self._age + 1)
        self._choose(ended)
        return step


def iterations(walkers: Walkers, count: int, config: Audit | None = None) -> Iterator[tuple[Flush, list[Finding]]]:
    """Metrics and findings, iteration by iteration."""
    config = config or audit_config()
    names = layout(walkers.num_envs)
    accounts = Accounts(names, config, "cpu", diagnostic_accounts(names, config.diagnostics, "cpu"))
    rules = DiagnosticRules(names, config.diagnostics)
    for _ in range(count):
        for _ in range(STEPS):
            accounts.step(walkers.step())
        flush = accounts.flush()
        check_flush(flush, accounts.axes)
        yield flush, rules.check(flush)


def first_finding(walkers: Walkers, count: int) -> tuple[int, Finding] | None:
    """Iteration, from 1 on, of the first finding."""
    for number, (_, findings) in enumerate(iterations(walkers, count), start=1):
        if findings:
            return number, findings[0]
    return None
