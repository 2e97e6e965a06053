"""One-way analysis of variance by hand and by SciPy."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from audit_reference import spread_of
from surefoot.audit.accounts.bucket_statistics import Spread, spread
from surefoot.audit.alerts.account_rules import is_exploitation
from surefoot_tasks import audit_config


def spread_of_lists(groups: list[list[float]], min_count: int = 2) -> Spread:
    def column(power: int) -> torch.Tensor:
        return torch.tensor([math.fsum(value**power for value in group) for group in groups], dtype=torch.float64)

    return spread(column(0), column(1), column(2), min_count)


def test_three_equal_groups_by_hand() -> None:
    # Means 1, 4, 7, grand mean 4. Mean squares: within 2 (one degree of freedom a group), between 2 (9 + 0 + 9) / 2.
    found = spread_of_lists([[0, 2], [3, 5], [6, 8]])
    assert found.within == pytest.approx(2**0.5)
    assert found.between == pytest.approx(8**0.5)  # (18 - 2) / 2
    assert found.gap == pytest.approx(3)
    assert found.icc == pytest.approx(0.8)  # 8 / (8 + 2)
    assert found.certainty == pytest.approx(3)  # 3 over sqrt(2) / sqrt(2)
    assert found.median == pytest.approx(4)
    assert found.rms == pytest.approx((138 / 6) ** 0.5)
    assert found.groups == 3


def test_equal_groups_have_an_icc_below_zero_and_no_spread_between() -> None:
    found = spread_of_lists([[0, 2], [0, 2]])
    assert found.icc == pytest.approx(-1.0)  # F = 0, two values a group: -1 / (2 - 1)
    assert found.between == 0


def test_groups_without_spread_within_are_certain() -> None:
    found = spread_of_lists([[1, 1, 1], [2, 2, 2]])
    assert (found.icc, found.icc_low, found.icc_high) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("groups", [[], [[1, 2, 3]], [[1, 2], [3]], [[1, 2], []]])
def test_fewer_than_two_large_groups_give_nothing(groups: list[list[float]]) -> None:
    assert math.isnan(spread_of_lists(groups).icc_low)


@pytest.mark.parametrize(
    ("means", "gap"),
    [
        ([1, 1.6], 0.6),  # the point halfway between would say 0.3 of both
        ([1, 1, 1.6, 1.6], 0.6),
        ([1, 1, 1, 1.6], 0.6),
        ([0, 1, 1.2, 1.3], 1.2),  # from the upper median 1.2 down to 0; from the lower one up it is 0.3
        ([1, 1.2, 2], 0.8),  # an odd number has one median
    ],
)
def test_the_gap_is_from_the_farther_of_two_medians(means: list[float], gap: float) -> None:
    found = spread_of_lists([[mean - 0.01, mean + 0.01] for mean in means])
    assert found.gap == pytest.approx(gap)


values = st.lists(st.floats(-10, 10).map(lambda x: round(x, 3)), min_size=2, max_size=9)


@given(groups=st.lists(values, min_size=2, max_size=6))
def test_unequal_groups_as_by_the_textbook(groups: list[list[float]]) -> None:
    if all(max(group) - min(group) < 1e-2 for group in groups):
        return  # no variance within: the textbook divides by it
    found, expected = spread_of_lists(groups), spread_of(groups)
    assert found.icc == pytest.approx(expected["spread/return_icc"], abs=1e-7)
    assert found.icc_low == pytest.approx(expected["spread/return_icc_low"], abs=1e-6)
    assert found.icc_high == pytest.approx(expected["spread/return_icc_high"], abs=1e-6)
    assert found.certainty == pytest.approx(expected["spread/return_gap_z"], rel=1e-4, abs=1e-6)
    assert found.gap == pytest.approx(expected["spread/return_gap"], abs=1e-9)


@given(groups=st.lists(values, min_size=2, max_size=5), factor=st.floats(0.1, 100))
def test_the_icc_has_no_unit(groups: list[list[float]], factor: float) -> None:
    if all(max(group) - min(group) < 1e-2 for group in groups):
        return
    scaled = spread_of_lists([[factor * value for value in group] for group in groups])
    assert scaled.icc == pytest.approx(spread_of_lists(groups).icc, abs=1e-6)


def test_an_environment_effect_alone_leaves_the_interval_where_it_claims_to_be() -> None:
    """Environments differ, buckets do not: one mean for each environment, and the lower end is above 0 in 2.5 %."""
    random = torch.Generator().manual_seed(0)
    above = 0
    for _ in range(2000):
        means = torch.randn(12, 10, generator=random, dtype=torch.float64)
        count = torch.full((12,), 10.0, dtype=torch.float64)
        above += spread(count, means.sum(dim=1), means.square().sum(dim=1), 4).icc_low > 0
    assert 0.015 < above / 2000 < 0.04


@pytest.mark.parametrize("falls", [0.0, 0.05, 0.5])
def test_a_bucket_that_earns_twice_is_found_however_many_fall(falls: float) -> None:
    """64 buckets of 8 environments; a fall takes one of the 12 s of a window."""
    random, config = torch.Generator().manual_seed(1), audit_config().bucket
    alarms = {0.0: 0, 1.0: 0}
    for bonus in alarms:
        for _ in range(200):
            rate = 1 + 0.1 * torch.randn(64, 8, generator=random, dtype=torch.float64)
            rate[0] += bonus
            rate *= 1 - (torch.rand(64, 8, generator=random) < falls) / 12
            count = torch.full((64,), 8.0, dtype=torch.float64)
            found = spread(count, rate.sum(dim=1), rate.square().sum(dim=1), 4)
            alarms[bonus] += is_exploitation(found, config)
    assert alarms == {0.0: 0, 1.0: 200}
