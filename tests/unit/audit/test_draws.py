"""Draws that are what was declared raise nothing; each way of not being so is named."""

import math

import pytest
import torch
from torch import Tensor

from surefoot.audit.second_look.draws import UniformDraws

NAMES = ("x", "y")
LOW, HIGH = (-1.0, 2.0), (1.0, 4.0)


def uniform(n: int, seed: int = 0) -> Tensor:
    unit = torch.rand(n, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.tensor(LOW) + unit * (torch.tensor(HIGH) - torch.tensor(LOW))


def said(moments: list[Tensor], rows: Tensor | None = None) -> dict[str, str]:
    draws = UniformDraws(NAMES, LOW, HIGH, "cpu")
    for values in moments:
        draws.add(values, rows)
    return dict(draws.judge(draws.sums.flat))


@pytest.mark.parametrize("envs", [3, 64, 512])
def test_declared_draws_raise_nothing_in_two_hundred_runs(envs: int) -> None:
    assert all(said([uniform(envs, 1000 * run + moment) for moment in range(30)]) == {} for run in range(200))


def test_a_number_outside_of_its_range_is_told_with_the_range() -> None:
    values = uniform(10)
    values[3, 1] = 4.5
    assert said([values]) == {"y": "4.5 was seen, outside of the range (declared 2 to 4)"}


def test_a_range_that_is_not_filled_is_found() -> None:
    forward, narrow, point = uniform(200), uniform(500), uniform(100)
    forward[:, 0] = forward[:, 0].abs()
    narrow[:, 1] = 3 + 0.5 * (narrow[:, 1] - 3)
    point[:, 0] = 0.25
    assert "standard errors from the middle" in said([forward])["x"] and "y" not in said([forward])
    assert "standard deviation 0.5" in said([narrow])["y"]
    assert said([point])["x"].startswith("all 100 draws are 0.25")


def test_one_draw_for_all_is_found_though_each_column_fills_its_range() -> None:
    shared = [uniform(1, seed).expand(32, 2) for seed in range(60)]
    assert "environments share their draws" in said(shared)["x"]


def test_a_tenth_more_spread_takes_a_thousand_draws() -> None:
    """The power that docs/accounts.md states: 7 standard errors of the variance."""
    wide = [3 + 0.9 * (uniform(128, seed) - 3) for seed in range(40)]
    for values in wide:
        values[:, 0] = 0.0
    assert "standard deviation" in said(wide)["y"]


def test_only_the_rows_that_were_drawn_count() -> None:
    values = uniform(100)
    values[50:] = math.nan
    draws = UniformDraws(NAMES, LOW, HIGH, "cpu")
    draws.add(values, torch.arange(100) < 50)
    assert draws.judge(draws.sums.flat) == []
    assert draws.sums["count"].tolist() == [50, 50]


def test_a_range_of_one_point_asks_for_that_number() -> None:
    draws = UniformDraws(("v",), (0.0,), (0.0,), "cpu")
    draws.add(torch.zeros(5, 1))
    assert draws.judge(draws.sums.flat) == []
    draws.add(torch.full((5, 1), 0.1))
    assert draws.judge(draws.sums.flat) == [("v", "0.1 was seen, outside of the range (declared 0 to 0)")]
