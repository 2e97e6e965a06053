"""Intervals against published or derivable numbers."""

import math

import pytest
import torch

from surefoot.evaluation.statistics import mean_over_cells, wilson_interval


@pytest.mark.parametrize(
    ("failures", "n", "low", "high"),
    [
        (0, 288, 0.0, 0.013163),  # z^2 / (n + z^2)
        (288, 288, 1 - 0.013163, 1.0),
        (5, 10, 0.2366, 0.7634),
        (1, 29, 0.006113, 0.171755),  # Newcombe 1998, table I, method 3: 0.0061, 0.1718
        (81, 263, 0.255275, 0.366217),  # Newcombe 1998: 0.2553, 0.3662
        (15, 148, 0.062386, 0.160478),  # Newcombe 1998: 0.0624, 0.1605
    ],
)
def test_wilson(failures: int, n: int, low: float, high: float):
    interval = wilson_interval(failures, n)
    assert interval.value == failures / n
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(("failures", "n"), [(0, 0), (3, 2), (-1, 4)])
def test_wilson_refuses_impossible_counts(failures: int, n: int):
    with pytest.raises(ValueError, match="failures"):
        wilson_interval(failures, n)


def test_every_cell_weighs_the_same():
    values = torch.tensor([[1.0, math.nan], [3.0, 5.0]])  # means 1 and 4
    assert mean_over_cells(values).value == 2.5


def test_interval_of_the_mean_over_cells():
    values = torch.tensor([[1.0, 3.0], [5.0, 5.0]])  # variances of the means: 2/2 = 1 and 0
    interval = mean_over_cells(values)
    assert interval.value == 3.5
    assert interval.high - interval.value == pytest.approx(1.959964 * 1.0 / 2)


def test_a_cell_without_any_number_is_left_out():
    assert mean_over_cells(torch.tensor([[math.nan], [2.0]])).value == 2.0
    assert mean_over_cells(torch.tensor([[math.nan]])) is None


def test_no_interval_from_one_episode_a_cell():
    assert mean_over_cells(torch.tensor([[1.0], [2.0]])).high == math.inf
