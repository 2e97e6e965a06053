"""p-values by flipping signs, and Holm's correction, against numbers by hand and against chance."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from surefoot.evaluation.sign_flips import flip_tests, holm


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_ten_wins_of_ten_have_the_binomial_p_value():
    test = flip_tests({"x": np.ones((10, 1))}, rng(), flips=200_000)["x"]
    assert test.higher == pytest.approx(0.5**10, rel=0.25)
    assert test.lower == 1.0
    assert test.mean == 1.0 and test.scale == pytest.approx(1 / math.sqrt(10))


def test_wins_and_losses_are_a_sign_test_and_ties_count_nothing():
    change = np.array([1.0] * 7 + [-1.0] * 2 + [0.0] * 11).reshape(-1, 2)
    test = flip_tests({"x": change}, rng(), flips=100_000)["x"]
    assert test.higher == pytest.approx(stats.binomtest(7, 9, alternative="greater").pvalue, rel=0.05)
    assert test.two_sided == pytest.approx(stats.binomtest(7, 9).pvalue, rel=0.05)


def test_cells_weigh_the_same_and_pairs_without_a_number_are_left_out():
    change = np.array([[1.0, 0.0], [math.nan, 0.0], [math.nan, 3.0]])
    assert flip_tests({"x": change}, rng())["x"].mean == pytest.approx((1 + 1) / 2)
    assert flip_tests({"x": np.full((3, 2), math.nan)}, rng()) == {}
    assert flip_tests({"x": np.zeros((3, 2))}, rng())["x"].two_sided == 1.0


@pytest.mark.parametrize(("kind", "least"), [("skewed numbers", 0.03), ("zeros and ones", 0.0)])
def test_equal_policies_are_told_apart_in_at_most_five_percent_of_the_cases(kind: str, least: float):
    draw, found = np.random.default_rng(1), 0
    shares = np.array([0.02, 0.5, 0.9, 1.0, 0.98, 0.7, 1.0, 1.0])
    for _ in range(1000):
        if kind == "zeros and ones":  # ties make the test safe
            a, b = ((draw.random((8, 8)) < shares).astype(float) for _ in range(2))
        else:
            a, b = (draw.exponential(shares + 0.1, (8, 8)) for _ in range(2))
        found += flip_tests({"x": b - a}, draw, flips=499)["x"].two_sided <= 0.05
    assert least <= found / 1000 <= 0.071  # 5 % and three standard deviations


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_is_between_the_p_value_and_bonferroni_and_keeps_the_order(p_values: list[float]):
    adjusted = holm(p_values)
    for p, q in zip(p_values, adjusted, strict=True):
        assert p <= q <= min(1.0, len(p_values) * p) + 1e-12
    assert all(
        adjusted[i] <= adjusted[j]
        for i in range(len(p_values))
        for j in range(len(p_values))
        if p_values[i] < p_values[j]
    )
