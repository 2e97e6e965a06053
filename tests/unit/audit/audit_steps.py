"""Random control steps with everything in them: failures, time-outs, faults with NaN, buckets that change at resets."""

from collections.abc import Iterator
from dataclasses import fields, replace

import torch
from torch import Tensor

from surefoot.audit.accounts.step import AuditLayout, AuditStep

LAYOUT = AuditLayout(
    reward_terms=("track", "torques", "bonus", "never"),
    causes=("time_out", "tilted", "contact", "out_of_bounds"),
    cause_is_time_out=(True, False, False, True),
    fault_kinds=("state", "reward"),
    bucket_labels=("soft", "medium", "hard"),
    num_envs=24,
    step_dt=0.02,
    max_episode_steps=30,
    num_actions=2,
    action_clip=None,
)


def step_of(layout: AuditLayout = LAYOUT, **given: Tensor) -> AuditStep:
    """A step in which nothing happens, except what is given."""
    n = layout.num_envs
    nothing = AuditStep(
        rates=torch.zeros(n, len(layout.reward_terms)),
        reward=torch.zeros(n),
        causes=torch.zeros(n, len(layout.causes), dtype=torch.bool),
        terminated=torch.zeros(n, dtype=torch.bool),
        truncated=torch.zeros(n, dtype=torch.bool),
        fault=torch.zeros(n, len(layout.fault_kinds), dtype=torch.bool),
        bucket=torch.zeros(n, dtype=torch.int64),
        episode_steps=torch.ones(n, dtype=torch.int64),
        lin_vel_error=torch.zeros(n),
        yaw_rate_error=torch.zeros(n),
        is_moving=torch.zeros(n, dtype=torch.bool),
        lin_speed=torch.zeros(n),
        action=torch.zeros(n, layout.num_actions),
    )
    if "rates" in given and "reward" not in given:
        given["reward"] = layout.step_dt * given["rates"].sum(dim=1)
    return replace(nothing, **given)


def random_steps(count: int, seed: int = 0, layout: AuditLayout = LAYOUT, faults: bool = True) -> Iterator[AuditStep]:
    """Episodes of up to `max_episode_steps`; the first ones begin at a scattered age that nobody saw."""
    random, late = torch.Generator().manual_seed(seed), torch.Generator().manual_seed(seed + 1000)
    n, buckets = layout.num_envs, len(layout.bucket_labels)

    def chance(probability: float, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=random) < probability

    age = torch.randint(0, layout.max_episode_steps // 2, (n,), generator=random)
    bucket = torch.randint(0, buckets, (n,), generator=random)
    skill = torch.rand(n, generator=random)
    spoiled = torch.zeros(n, dtype=torch.bool)  # a fault found after the resets: the next step is invalid too
    for _ in range(count):
        age = age + 1
        error = 0.6 * skill * torch.rand(n, generator=random)
        rates = torch.stack(
            (
                2 * torch.exp(-error.square() / 0.02).clamp(min=0.2),
                -torch.rand(n, generator=random).clamp(max=0.7),
                torch.full((n,), 0.5),
                torch.zeros(n),
            ),
            dim=1,
        )
        causes = chance(0.02, n, len(layout.causes))
        causes[:, 0] = age >= layout.max_episode_steps
        time_out = torch.tensor(layout.cause_is_time_out)
        terminated = (causes & ~time_out).any(dim=1)
        truncated = (causes & time_out).any(dim=1) & ~terminated
        terminated |= chance(0.003, n) & ~truncated  # for no reason that a cause gives
        fault = chance(0.01 if faults else 0.0, n, len(layout.fault_kinds))
        fault[:, 0] |= spoiled
        broken = fault.any(dim=1)
        rates[broken] = torch.nan
        step = step_of(
            layout,
            rates=rates,
            causes=causes,
            terminated=terminated,
            truncated=truncated,
            fault=fault,
            bucket=bucket,
            episode_steps=age,
            lin_vel_error=torch.where(broken, torch.nan, error),
            yaw_rate_error=torch.where(broken, torch.inf, skill),
        )
        yield step
        spoiled = broken & ~terminated & ~truncated & (torch.rand(n, generator=late) < 0.3)
        ended = terminated | truncated | (broken & ~spoiled)
        age = torch.where(ended, 0, age)
        bucket = torch.where(ended, torch.randint(0, buckets, (n,), generator=random), bucket)
        skill = torch.where(ended, torch.rand(n, generator=random), skill)


def permuted(step: AuditStep, order: Tensor) -> AuditStep:
    """The same step with the environments in another order."""
    return replace(step, **{field.name: getattr(step, field.name)[order] for field in fields(step)})
