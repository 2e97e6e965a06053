"""The accounts agree with plain Python, whatever the order of environments and however the run is cut."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from audit_reference import Reference, as_tensors
from audit_steps import LAYOUT, permuted, random_steps
from surefoot.audit.accounts.accounts import Accounts
from surefoot.audit.accounts.metrics import METRICS, Flush, check_flush
from surefoot.audit.accounts.step import AuditStep
from surefoot.manifest.audit import Audit
from surefoot_tasks import audit_config


def config() -> Audit:
    """The shipped thresholds with a short window, few bins, and small groups that count."""
    shipped = audit_config()
    bucket = shipped.bucket.model_copy(update={"min_episodes": 3})
    return shipped.model_copy(update={"window": 3, "length_bins": 5, "bucket": bucket})


def feed(accounts: Accounts, steps: Iterable[AuditStep]) -> Flush:
    for step in steps:
        accounts.step(step)
    return accounts.flush()


def assert_same(found: Flush, expected: dict[str, Tensor], rtol: float = 1e-9) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        same = torch.isclose(found[name], value, rtol=rtol, atol=1e-12, equal_nan=True).all()
        assert same, f"{name}: {found[name]} instead of {value}"


@pytest.mark.parametrize("compact", [True, False], ids=["as on a CPU", "as on a GPU"])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_metric_of_200_steps_equals_plain_python(seed: int, compact: bool) -> None:
    accounts, reference = Accounts(LAYOUT, config(), "cpu", compact=compact), Reference(LAYOUT, config())
    seen: dict[str, float] = {}
    for number, step in enumerate(random_steps(200, seed), start=1):
        accounts.step(step)
        reference.step(step)
        if number % 17 == 0:  # no multiple of a block
            flush = accounts.flush()
            check_flush(flush, accounts.axes)
            assert_same(flush, as_tensors(reference.flush()))
            for name in ("termination/failures", "termination/time_outs", "fault/invalid_steps", "termination/partial"):
                seen[name] = seen.get(name, 0.0) + float(flush[name])
    assert all(count > 5 for count in seen.values()), seen  # everything did happen
    assert flush.keys() <= METRICS.keys()


@settings(max_examples=15)
@given(order=st.permutations(range(LAYOUT.num_envs)))
def test_the_order_of_environments_does_not_matter(order: list[int]) -> None:
    straight, shuffled = Accounts(LAYOUT, config(), "cpu"), Accounts(LAYOUT, config(), "cpu")
    steps = list(random_steps(60, seed=3))
    found = feed(shuffled, (permuted(step, torch.tensor(order)) for step in steps))
    assert_same(found, feed(straight, steps), rtol=1e-10)


@settings(max_examples=10)
@given(cut=st.integers(1, 79))
def test_a_run_resumed_anywhere_goes_on_exactly(cut: int) -> None:
    steps = list(random_steps(80, seed=4))
    whole, first, second = (Accounts(LAYOUT, config(), "cpu") for _ in range(3))
    for accounts in (whole, first):
        feed(accounts, steps[: cut // 2])  # one iteration lies before
    for step in steps[cut // 2 : cut]:
        first.step(step)
    second.load_state_dict(first.state_dict())
    expected = feed(whole, steps[cut // 2 :])
    found = feed(second, steps[cut:])
    assert_same(found, expected, rtol=1e-12)


def test_a_state_is_a_copy() -> None:
    accounts = Accounts(LAYOUT, config(), "cpu")
    feed(accounts, random_steps(20))
    state = accounts.state_dict()
    before = {name: tensor.clone() for name, tensor in state["episodes"].items()}
    feed(accounts, random_steps(20, seed=1))
    for name, tensor in before.items():
        assert torch.equal(state["episodes"][name], tensor)


@pytest.mark.parametrize("faults", [True, False])
def test_shortcuts_change_nothing(faults: bool) -> None:
    """Buckets that are known to be fixed, ends that are looked up, blocks that are known to be clean."""
    random = torch.Generator().manual_seed(5)
    bucket = torch.randint(0, len(LAYOUT.bucket_labels), (LAYOUT.num_envs,), generator=random)
    steps = [replace(step, bucket=bucket) for step in random_steps(90, seed=6, faults=faults)]
    fixed = replace(LAYOUT, fixed_buckets=True)
    quick, slow = Accounts(fixed, config(), "cpu"), Accounts(LAYOUT, config(), "cpu", compact=False)
    for begin, end in ((0, 11), (11, 40), (40, 90)):
        expected = feed(slow, steps[begin:end])
        assert_same(feed(quick, steps[begin:end]), expected, rtol=1e-12)
        assert (float(expected["fault/invalid_steps"]) > 0) == faults


SYNCING = ("item", "tolist", "numpy", "cpu", "nonzero", "__bool__", "__float__", "__int__", "__index__", "__array__")


def test_a_step_reads_nothing_on_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU: on a CPU there is nothing to wait for, and the ends of episodes are looked up."""
    steps = list(random_steps(40))
    accounts = Accounts(LAYOUT, config(), "cpu", compact=False)

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a step waited for the device")

    with monkeypatch.context() as patch:
        for name in SYNCING:
            patch.setattr(torch.Tensor, name, refuse)
        patch.setattr(torch, "nonzero", refuse)
        with pytest.raises(AssertionError, match="waited"):
            bool(steps[0].fault.any())  # the patch does bite
        for step in steps:
            accounts.step(step)
    assert float(accounts.flush()["reward/steps"]) > 0


def test_a_flush_is_one_transfer(monkeypatch: pytest.MonkeyPatch) -> None:
    accounts = Accounts(LAYOUT, config(), "cpu")
    calls: list[torch.Size] = []
    original = torch.Tensor.cpu

    def counted(self: Tensor) -> Tensor:
        calls.append(self.shape)
        return original(self)

    for step in random_steps(20):
        accounts.step(step)
    monkeypatch.setattr(torch.Tensor, "cpu", counted)
    accounts.flush()
    assert len(calls) == 1


def test_a_step_is_copied() -> None:
    """The environment writes into its tensors again."""
    steps = list(random_steps(5))
    expected = feed(Accounts(LAYOUT, config(), "cpu"), steps)
    accounts = Accounts(LAYOUT, config(), "cpu")
    for step in steps:
        accounts.step(step)
        for name in step.__dataclass_fields__:
            getattr(step, name).zero_()
    assert_same(accounts.flush(), dict(expected))
