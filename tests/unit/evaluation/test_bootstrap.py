"""Intervals: known values, repeatability, and how often a 95 % interval covers the truth.

Coverage is a count of successes itself: with 1500 trials it is known to +- 1.1 % (two standard errors).
"""

import math

import numpy as np
import pytest

from surefoot.evaluation.bootstrap import (
    aggregate_interval,
    interquartile_mean,
    mean_interval,
    mean_of_cells,
    stratified_resamples,
)
from surefoot.evaluation.statistics import wilson_interval

TRIALS = 1500


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_the_interquartile_mean_leaves_out_a_quarter_at_each_end():
    assert interquartile_mean(np.array([100.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, -50.0])) == pytest.approx(3.5)  # 2 3 4 5
    assert interquartile_mean(np.array([[1.0, math.nan], [3.0, 5.0]])) == pytest.approx(3.0)
    rliable = pytest.importorskip("rliable.metrics")
    for n in (4, 5, 6, 7, 40):
        scores = rng(n).normal(size=(n, 3))
        assert interquartile_mean(scores) == pytest.approx(rliable.aggregate_iqm(scores), rel=1e-12)


def test_every_cell_weighs_the_same_in_the_mean_of_cells():
    assert mean_of_cells(np.array([[1.0, 3.0], [math.nan, 5.0]])) == 2.5


def test_intervals_of_few_or_equal_numbers():
    assert mean_interval(np.array([math.nan, math.nan]), rng()) is None
    single = mean_interval(np.array([2.0, math.nan]), rng())
    assert single is not None and (single.value, single.low, single.high) == (2.0, -math.inf, math.inf)
    equal = mean_interval(np.array([8.0] * 5), rng())
    assert equal is not None and (equal.low, equal.high) == (8.0, 8.0)
    assert aggregate_interval(np.full((3, 2), math.nan), interquartile_mean, rng()) is None
    thin = aggregate_interval(np.array([[1.0, 2.0], [3.0, math.nan]]), mean_of_cells, rng())
    assert thin is not None and (thin.low, thin.high) == (-math.inf, math.inf)


def test_an_episode_without_a_number_changes_nothing():
    values = rng(1).normal(size=8)
    with_gap = np.concatenate((values[:3], [math.nan], values[3:]))
    assert mean_interval(values, rng()) == mean_interval(with_gap, rng())


def test_the_generator_is_the_only_source_of_randomness():
    scores = rng(1).normal(size=(8, 5))
    np.random.seed(1)
    first = aggregate_interval(scores, interquartile_mean, rng(), 200)
    np.random.seed(2)
    assert aggregate_interval(scores, interquartile_mean, rng(), 200) == first
    assert aggregate_interval(scores, interquartile_mean, rng(1), 200) != first


def test_a_resample_draws_each_cell_from_its_own_numbers():
    scores = np.array([[1.0, 10.0], [2.0, math.nan], [3.0, 30.0]])
    seen: list[set[float]] = [set(), set()]
    for drawn in stratified_resamples(scores, rng(), 50):
        for column in range(2):
            seen[column] |= set(drawn[~np.isnan(drawn[:, column]), column])
        assert np.isnan(drawn).sum(axis=0).tolist() == [0, 1]
    assert seen == [{1.0, 2.0, 3.0}, {10.0, 30.0}]


def test_the_interval_agrees_with_rliables():
    """Same data, many resamples; rliable's percentiles are widened for 40 replicates by 1 / sqrt(39 / 40)."""
    rliable = pytest.importorskip("rliable.library")
    scores = rng(3).normal(size=(40, 6))
    np.random.seed(0)
    _, theirs = rliable.get_interval_estimates({"a": scores}, lambda x: np.array([interquartile_mean(x)]), reps=3000)
    ours = aggregate_interval(scores, interquartile_mean, rng(), 3000)
    assert ours is not None
    width = theirs["a"][1, 0] - theirs["a"][0, 0]
    assert (ours.high - ours.low) / width == pytest.approx(math.sqrt(40 / 39), abs=0.06)


@pytest.mark.parametrize("n", [8, 16])
@pytest.mark.parametrize("shape", ["normal", "gamma", "uniform"])
def test_a_cells_interval_covers_its_mean(n: int, shape: str):
    """Errors of replicates are between bell-shaped and mildly skewed: a gamma of shape 4 has skewness 1."""
    draw = rng(7)
    samples = {"normal": draw.normal, "gamma": lambda size: draw.gamma(4.0, size=size) - 4.0,
               "uniform": lambda size: draw.random(size) - 0.5}[shape](size=(TRIALS, n))  # fmt: skip
    hits = sum(low_high.low <= 0.0 <= low_high.high for row in samples if (low_high := mean_interval(row, draw)))
    assert 0.93 <= hits / TRIALS <= 0.97


def test_a_percentile_interval_of_eight_would_not():
    draw = rng(7)
    samples = draw.normal(size=(TRIALS, 8))
    index = draw.integers(8, size=(400, 8))
    bounds = np.quantile(samples[:, index].mean(axis=2), (0.025, 0.975), axis=1)
    assert np.mean((bounds[0] <= 0) & (bounds[1] >= 0)) < 0.91


@pytest.mark.parametrize("n", [8, 16])
def test_an_aggregates_interval_covers(n: int):
    """12 cells with different levels; the truth is the interquartile mean of their mixture, by a large sample."""
    draw = rng(11)
    levels = np.linspace(0.0, 3.0, 12)
    truth = interquartile_mean(levels + draw.normal(size=(40_000, 12)))
    trials = 400
    hits = 0
    for _ in range(trials):
        interval = aggregate_interval(levels + draw.normal(size=(n, 12)), interquartile_mean, draw, 300)
        assert interval is not None
        hits += interval.low <= truth <= interval.high
    assert 0.93 - 0.011 <= hits / trials <= 0.97 + 0.011  # half a standard error of 400 trials


@pytest.mark.parametrize("n", [16, 192, 1024])
def test_wilson_covers_on_average_over_rates(n: int):
    """Exactly, by summing binomial probabilities: at one rate it swings, on average it holds."""
    from scipy.stats import binom

    rates = np.linspace(0.02, 0.98, 97)
    intervals = [wilson_interval(k, n) for k in range(n + 1)]
    covers = np.array([[i.low <= p <= i.high for i in intervals] for p in rates])
    coverage = (covers * binom.pmf(np.arange(n + 1), n, rates[:, None])).sum(axis=1)
    assert 0.93 <= coverage.mean() <= 0.97
    assert coverage.min() > 0.91


def test_wilson_of_cells_with_different_rates_is_wide_rather_than_narrow():
    """Episodes of a group come from cells with rates of their own, so that their number varies less than binomially."""
    draw = rng(13)
    rates = np.array([0.0, 0.05, 0.1, 0.3, 0.6, 1.0])
    falls = (draw.random((TRIALS, 16, 6)) < rates).sum(axis=(1, 2))
    hits = sum(i.low <= rates.mean() <= i.high for k in falls for i in [wilson_interval(int(k), 96)])
    assert hits / TRIALS >= 0.95
