"""Numbers of the reward account that a reader can derive."""

from dataclasses import replace

import torch

from audit_steps import step_of
from surefoot.audit.accounts.accounts import Accounts
from surefoot.audit.accounts.metrics import Flush
from surefoot.audit.accounts.step import AuditLayout, AuditStep
from surefoot_tasks import audit_config

PAIR = AuditLayout(
    reward_terms=("track", "torques"),
    causes=("time_out", "fell"),
    cause_is_time_out=(True, False),
    fault_kinds=("state",),
    bucket_labels=("soft", "hard"),
    num_envs=2,
    step_dt=0.5,
    max_episode_steps=10,
    num_actions=1,
    action_clip=None,
)


def flush_of(*steps: AuditStep, layout: AuditLayout = PAIR) -> Flush:
    accounts = Accounts(layout, audit_config(), "cpu")
    for step in steps:
        accounts.step(step)
    return accounts.flush()


def test_mean_std_and_shares_of_two_steps() -> None:
    steps = [
        step_of(PAIR, rates=torch.tensor(rates)) for rates in ([[2.0, -1.0], [4.0, 0.0]], [[2.0, -3.0], [0.0, 2.0]])
    ]
    flush = flush_of(*steps)
    assert flush["reward/mean_per_s"].tolist() == [2.0, -0.5]  # (2 + 4 + 2 + 0) / 4; (-1 + 0 - 3 + 2) / 4
    assert flush["reward/std_per_s"].tolist() == [2.0**0.5, (13 / 4) ** 0.5]  # (24 - 16) / 4; 14 / 4 - 1 / 4
    assert flush["reward/positive_share"].tolist() == [0.8, 0.2]  # 8 and 2 of 10
    assert flush["reward/negative_share"].tolist() == [0.0, 1.0]
    assert flush["reward/paying"].tolist() == [0.75, 0.25]
    assert flush["reward/costing"].tolist() == [0.0, 0.5]
    assert flush["reward/sign"].tolist() == [0.75, -0.25]
    assert float(flush["reward/total_per_s"]) == 1.5
    assert float(flush["reward/total_per_step"]) == 0.75  # 1.5/s for 0.5 s
    assert float(flush["reward/received"]) == 3.0
    assert float(flush["reward/accounted"]) == 3.0
    assert float(flush["reward/residual"]) == 0.0


def test_a_transition_belongs_to_the_bucket_in_force_at_its_step() -> None:
    rates = torch.tensor([[1.0, 0.0], [5.0, 0.0]])
    flush = flush_of(step_of(PAIR, rates=rates, bucket=torch.tensor([0, 1])), step_of(PAIR, rates=rates))
    assert flush["reward_by_bucket/mean_per_s"][:, 0].tolist() == [7 / 3, 5.0]  # 1, 1, 5 in bucket 0; 5 in bucket 1
    assert flush["reward_by_bucket/steps"].tolist() == [3, 1]


def test_an_invalid_row_counts_nowhere_but_in_the_fault_account() -> None:
    rates = torch.tensor([[1.0, -1.0], [torch.nan, torch.inf]])
    broken = step_of(
        PAIR,
        rates=rates,
        fault=torch.tensor([[False], [True]]),
        causes=torch.ones(2, 2, dtype=torch.bool),
        terminated=torch.tensor([False, True]),
        bucket=torch.tensor([0, 1]),
    )
    flush = flush_of(broken)
    assert flush["reward/mean_per_s"].tolist() == [1.0, -1.0]
    assert float(flush["reward/steps"]) == 1
    assert float(flush["reward/residual"]) == 0.0
    assert float(flush["termination/episodes"]) == 0
    assert float(flush["termination/faults"]) == 1
    assert flush["termination/together"].sum() == 0
    assert flush["fault/steps"].tolist() == [1]
    assert flush["fault_by_bucket/invalid_steps"].tolist() == [0, 1]
    assert float(flush["fault/invalid_share"]) == 0.5


def test_a_saturated_kernel_and_a_clipped_penalty_are_seen() -> None:
    # Largest |rate| so far: 2 and 1 after the first step, 2 and 3 after the second. Within 1 %: 2.0, 1.99; 1.0, 3.0.
    flush = flush_of(
        step_of(PAIR, rates=torch.tensor([[2.0, -1.0], [1.0, -0.5]])),
        step_of(PAIR, rates=torch.tensor([[1.99, -3.0], [0.01, -1.0]])),
    )
    assert flush["reward/largest_per_s"].tolist() == [2.0, 3.0]
    assert flush["reward/saturation"].tolist() == [0.5, 0.5]
    assert flush["reward/inactive"].tolist() == [0.25, 0.0]  # 0.01 is within 1 % of 2


def test_the_largest_rate_is_remembered_over_iterations() -> None:
    accounts = Accounts(PAIR, audit_config(), "cpu")
    accounts.step(step_of(PAIR, rates=torch.tensor([[2.0, 0.0], [2.0, 0.0]])))
    first = accounts.flush()
    accounts.step(step_of(PAIR, rates=torch.tensor([[1.0, 0.0], [1.0, 0.0]])))
    second = accounts.flush()
    assert first["reward/saturation"].tolist() == [1.0, 0.0]
    assert second["reward/saturation"].tolist() == [0.0, 0.0]
    assert second["reward/largest_per_s"].tolist() == [2.0, 0.0]
    assert second["reward/inactive"].tolist() == [0.0, 1.0]  # a term that was never anything but 0


def test_a_reward_that_is_not_the_sum_of_its_terms_is_a_residual() -> None:
    step = step_of(PAIR, rates=torch.tensor([[3.0, -1.0], [1.0, 1.0]]))
    reward = step.reward + torch.tensor([0.2, 0.0])
    flush = flush_of(replace(step, reward=reward))
    assert abs(float(flush["reward/residual"]) - 0.1) < 1e-6  # 0.2 of 0.5 s * (3 + 1)/s
    assert flush_of(replace(step, rates=torch.zeros(2, 2)))["reward/residual"].isinf()


def test_float32_rounding_of_many_terms_stays_below_the_threshold() -> None:
    terms = tuple(f"t{i}" for i in range(24))
    layout = replace(PAIR, reward_terms=terms, num_envs=4096)
    rates = torch.randn(4096, 24, generator=torch.Generator().manual_seed(0)) * torch.logspace(-4, 2, 24)
    residual = float(flush_of(step_of(layout, rates=rates), layout=layout)["reward/residual"])
    assert 0 < residual < 0.2 * audit_config().reward.max_residual


def episode(rates: list[list[float]], errors: float, ends: str, age: int) -> AuditStep:
    """One step of both environments at the same age; on the last one both end as `ends` says."""
    over = torch.ones(2, dtype=torch.bool)
    none = ~over
    return step_of(
        PAIR,
        rates=torch.tensor(rates),
        lin_vel_error=torch.full((2,), errors),
        terminated=over if ends == "fell" else none,
        truncated=over if ends == "time_out" else none,
        causes=torch.stack((over if ends == "time_out" else none, over if ends == "fell" else none), dim=1),
        episode_steps=torch.full((2,), age),
    )


def test_per_episode_scale_and_correlation_with_success() -> None:
    flush = flush_of(
        episode([[1.0, -4.0], [1.0, -4.0]], 0.1, "", 1),
        episode([[3.0, -4.0], [1.0, -4.0]], 0.1, "time_out", 2),  # successes: mean rates 2 and 1
        episode([[0.0, -4.0], [1.0, -4.0]], 0.9, "fell", 1),  # others: 0 and 1
    )
    # Episode sums: 4, 2, 0, 1 and 8, 8, 4, 4 per second, times 0.5 s, over 4 episodes.
    assert flush["reward/mean_per_episode"].tolist() == [0.875, -3.0]
    correlation = flush["reward/success_correlation"]
    assert abs(float(correlation[0]) - 0.5**0.5) < 1e-12  # x = 2, 1, 0, 1: covariance 1/4, deviations 1/sqrt(2) and 1/2
    assert correlation[1].isnan()  # constant
    assert float(flush["reward/pooled_successes"]) == 2
    assert float(flush["episode/success_rate"]) == 0.5


def test_a_slow_time_out_is_no_success() -> None:
    limit = audit_config().success_error
    flush = flush_of(episode([[1.0, 0.0], [1.0, 0.0]], limit * 1.01, "time_out", 1))
    assert float(flush["episode/success_rate"]) == 0.0
    assert float(flush["episode/count"]) == 2
