"""A state that does not fit is refused before anything is changed."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from audit_steps import LAYOUT, random_steps
from surefoot.audit.accounts.accounts import Accounts
from surefoot.audit.accounts.state import check_state
from surefoot.audit.accounts.sums import Window
from surefoot_tasks import audit_config

OWN = {"table": torch.zeros(2, 3), "count": 1, "ends": [1.0], "rules": [{"a": 1}, {}]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"table": torch.zeros(1, 3)}, r"x\.table: expected \(2, 3\).*got \(1, 3\)"),  # copy_ would broadcast it
        ({"table": torch.zeros(2, 3, dtype=torch.float64)}, r"x\.table: expected .*float32, got .*float64"),
        ({"table": [0.0]}, r"x\.table: expected Tensor, got list"),
        ({"count": "1"}, r"x\.count: expected int, got str"),
        ({"ends": 1.0}, r"x\.ends: expected list, got float"),
        ({"rules": [{"a": 1}]}, r"x\.rules: expected 2 members, got 1"),
        ({"rules": [{}, {}]}, r"x\.rules\[0\] lacks 'a'"),
    ],
)
def test_what_differs_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_state(OWN | change, OWN, "x")


def test_lists_may_be_of_any_length_and_other_keys_are_ignored() -> None:
    check_state(OWN | {"ends": [], "more": 1}, OWN, "x")


def test_a_window_of_another_length_is_refused_and_changes_nothing() -> None:
    """Before, one iteration's sums were copied into all three places of the window."""
    one, three = Window(1, 2), Window(3, 2)
    one.push(torch.tensor([5.0, 7.0]))
    with pytest.raises(ValueError, match=r"ring: expected \(3, 2\)"):
        three.load_state_dict(one.state_dict())
    assert three.push(torch.tensor([1.0, 1.0])).tolist() == [1, 1]


def accounts_of(window: int, first_term: str = "track") -> Accounts:
    layout = replace(LAYOUT, reward_terms=(first_term, *LAYOUT.reward_terms[1:]))
    return Accounts(layout, audit_config().model_copy(update={"window": window}), "cpu")


@pytest.mark.parametrize("saved", [accounts_of(1), accounts_of(3, "other")], ids=["other window", "other term"])
def test_accounts_that_refuse_a_state_are_as_new(saved: Accounts) -> None:
    refused, new = accounts_of(3), accounts_of(3)
    steps = list(random_steps(60))
    for step in steps:
        saved.step(step)
    saved.flush()
    with pytest.raises(ValueError, match="accounts"):
        refused.load_state_dict(saved.state_dict())
    for step in steps:
        refused.step(step)
        new.step(step)
    found, expected = refused.flush(), new.flush()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name].nan_to_num(9), value.nan_to_num(9)) for name, value in expected.items())


def test_a_part_that_is_missing_leaves_the_others_alone() -> None:
    saved, refused = accounts_of(3), accounts_of(3)
    for step in random_steps(20):
        saved.step(step)
    state = saved.state_dict()
    del state["accounts"]["FaultAccount"]
    with pytest.raises(ValueError, match=r"accounts\.accounts lacks 'FaultAccount'"):
        refused.load_state_dict(state)
    assert float(refused.flush()["reward/steps"]) == 0
