"""Causes, lengths and classes of ends, by hand."""

from dataclasses import replace

import torch

from audit_steps import LAYOUT, step_of
from surefoot.audit.accounts.accounts import Accounts
from surefoot.audit.accounts.metrics import Flush
from surefoot.audit.accounts.step import AuditStep
from surefoot_tasks import audit_config

FOUR = replace(LAYOUT, num_envs=4)
NONE = [False] * 4


def flush_of(*steps: AuditStep) -> Flush:
    config = audit_config().model_copy(update={"length_bins": 3})  # 1-10, 11-20, 21-30 steps
    accounts = Accounts(FOUR, config, "cpu")
    for step in steps:
        accounts.step(step)
    return accounts.flush()


def ending(causes: list[list[bool]], terminated: list[bool], truncated: list[bool], age: int = 1) -> AuditStep:
    return step_of(
        FOUR,
        causes=torch.tensor(causes),
        terminated=torch.tensor(terminated),
        truncated=torch.tensor(truncated),
        episode_steps=torch.full((4,), age),
    )


def test_primary_is_the_first_failure_then_the_first_time_out() -> None:
    flush = flush_of(
        ending(
            # time_out, tilted, contact, out_of_bounds
            [
                [True, False, True, False],  # failure wins, though time_out stands first: contact
                [False, True, True, True],  # first of the failures: tilted
                [True, False, False, True],  # no failure: time_out
                [False, False, False, False],  # an end that no cause explains
            ],
            terminated=[True, True, False, True],
            truncated=[False, False, True, False],
        )
    )
    assert flush["termination/primary"].tolist() == [1, 1, 1, 0]
    assert float(flush["termination/unexplained"]) == 1
    assert flush["termination/together"].tolist() == [
        [2, 0, 1, 1],
        [0, 1, 1, 1],
        [1, 1, 2, 1],
        [1, 1, 1, 2],
    ]
    assert float(flush["termination/failure_rate"]) == 0.75
    assert float(flush["termination/time_outs"]) == 1


def test_both_flags_in_one_step_are_a_failure() -> None:
    one = [[True, True, False, False]] + [[False] * 4] * 3
    flush = flush_of(ending(one, [True, False, False, False], [True, False, False, False]))
    assert float(flush["termination/failures"]) == 1
    assert float(flush["termination/time_outs"]) == 0


def test_a_cause_that_holds_without_an_end_is_not_counted() -> None:
    flush = flush_of(ending([[True] * 4] * 4, NONE, NONE))
    assert flush["termination/together"].sum() == 0
    assert float(flush["termination/episodes"]) == 0
    assert flush["termination/failure_rate"].isnan()


def test_lengths_of_whole_episodes_only() -> None:
    fell = [[False, True, False, False]] * 4
    quiet = [ending([NONE] * 4, NONE, NONE, age) for age in range(1, 11)]
    steps = [*quiet, ending(fell, [True, True, False, False], NONE, age=11)]  # two of 11 steps: second bin
    steps += [ending(fell, [True, False, False, False], NONE, age=1)]  # one of one step: first bin
    steps += [ending(fell, [False, True, False, False], NONE, age=20)]  # age 20 after 2 seen steps: partial
    flush = flush_of(*steps)
    assert flush["termination/length_histogram"].tolist() == [1, 2, 0]
    assert flush["termination/length_by_cause"].tolist() == [[0, 0, 0], [1, 2, 0], [0, 0, 0], [0, 0, 0]]
    assert float(flush["termination/partial"]) == 1
    assert float(flush["termination/episodes"]) == 4
    assert abs(float(flush["termination/length_mean"]) - 0.02 * 23 / 3) < 1e-12


def test_a_fault_ends_an_episode_that_counts_nowhere() -> None:
    fault = torch.zeros(4, 2, dtype=torch.bool)
    fault[0, 1] = True
    broken = replace(ending([NONE] * 4, NONE, NONE, age=1), fault=fault)
    fell = ending([[False, True, False, False]] * 4, [True] * 4, NONE, age=1)  # a new episode for the first one only
    flush = flush_of(broken, fell)
    assert float(flush["termination/faults"]) == 1
    assert float(flush["termination/episodes"]) == 4
    assert float(flush["termination/partial"]) == 3  # the others say age 1 after two steps
    assert float(flush["episode/count"]) == 1


def invalid(envs: list[int], age: list[int]) -> AuditStep:
    fault = torch.zeros(4, 2, dtype=torch.bool)
    fault[envs, 1] = True
    return replace(ending([NONE] * 4, NONE, NONE), fault=fault, episode_steps=torch.tensor(age))


def test_two_invalid_steps_of_one_episode_are_one_episode() -> None:
    """An observation that is not finite spoils the step that led to it and the one that starts from it."""
    first = invalid([0, 1, 2], [7, 7, 7, 7])
    second = invalid([0, 1], [8, 1, 8, 8])  # 1 was reset and broke again; 2 goes on in its episode, valid ...
    third = invalid([2, 3], [1, 2, 9, 9])  # ... and breaks again
    flush = flush_of(first, second, third)
    assert float(flush["fault/invalid_steps"]) == 7
    assert float(flush["termination/faults"]) == 3 + 1 + 2


def test_an_episode_is_not_counted_again_in_the_next_iteration_nor_after_a_resume() -> None:
    accounts, resumed = (Accounts(FOUR, audit_config(), "cpu") for _ in range(2))
    accounts.step(invalid([0, 1], [7] * 4))
    assert float(accounts.flush()["termination/faults"]) == 2
    resumed.load_state_dict(accounts.state_dict())
    for each in (accounts, resumed):
        each.step(invalid([0, 1], [8, 1, 8, 8]))
        assert float(each.flush()["termination/faults"]) == 1
