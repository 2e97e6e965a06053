"""Reports from a stranger: what was left out, replaced or measured elsewhere is not compared."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest

from surefoot.errors import PanelError
from surefoot.evaluation.bootstrap import share_difference_interval, share_interval
from surefoot.evaluation.compare import compare, read_report
from surefoot.evaluation.statistics import wilson_interval
from test_panel_report import improved


def changed(change) -> dict:
    report = copy.deepcopy(improved(0.1))
    change(report)
    return report


def test_a_report_without_its_bad_cells_is_not_compared():
    with pytest.raises(PanelError, match="different cells, although the panel's hash is the same"):
        compare(improved(0.0), changed(lambda report: report["cells"].pop()))


def test_two_engines_are_compared_for_one_policy_only():
    other = changed(lambda report: report.update(engine="other"))
    assert compare(improved(0.0), other)  # one checkpoint: what differs is the engine
    with pytest.raises(PanelError, match="different engines: scripted and other"):
        compare(improved(0.0), other | {"checkpoint_sha256": "e" * 64})


def test_policies_that_met_different_noise_are_not_compared():
    one, two = improved(0.0) | {"sensor_noise": {"a": 0.1, "b": 1.0}}, improved(0.1) | {"sensor_noise": {"a": 0.2}}
    with pytest.raises(PanelError, match=r"different sensor noise: a 0\.1 and 0\.2"):
        compare(one, two)
    assert compare(one, improved(0.1) | {"sensor_noise": {"a": 0.1, "c": 3.0}})  # other sensors, same noise


OLD = {"success_rate": 1, "lin_vel_error": 1, "yaw_rate_error": 1, "cost_of_transport": 1}
"""Versions under which the command grid and the panels had two formulas each."""


def old_report(by: float) -> dict:
    report = copy.deepcopy(improved(by))
    report["metric_versions"] |= OLD
    return report


def test_a_report_of_older_formulas_is_compared_with_its_like_only():
    with pytest.raises(PanelError) as refused:
        compare(old_report(0.0), improved(0.1))
    assert str(refused.value) == (
        "These results cannot be compared: different metric versions: cost_of_transport 1 and 2, "
        "lin_vel_error 1 and 2, success_rate 1 and 2, yaw_rate_error 1 and 2. A was measured by older formulas; "
        "evaluate it again: surefoot evaluate --checkpoint model_7.pt --panel test_v1"
    )
    rows = {(row.group, row.metric): row for row in compare(old_report(0.0), old_report(0.1))}
    assert rows["held_out", "lin_vel_error"].difference.value == pytest.approx(-0.1, abs=1e-6)


def test_a_report_of_the_grid_before_it_was_a_panel_says_the_way_out(tmp_path: Path):
    path = tmp_path / "eval_7_lean.json"
    metrics = {name: {"version": 1, "unit": "-"} for name in ("lin_vel_error", "fall_rate", "survival_time")}
    plain = {"schema_version": 1, "grid_version": 2, "metrics": metrics, "checkpoint": "model_7.pt", "commands": []}
    path.write_text(json.dumps(plain))
    with pytest.raises(PanelError) as refused:
        read_report(path)
    assert "\n" not in str(refused.value)
    assert "lin_vel_error 1 (now 2), survival_time 1 (now 2). Evaluate again" in str(refused.value)
    assert str(refused.value).endswith("--checkpoint model_7.pt")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda report: report.pop("valid"), "it lacks valid"),
        (lambda report: report.pop("setting_sha256"), "it lacks setting_sha256"),
        (lambda report: report.update(cells={}), "are of another kind"),
        (lambda report: report["cells"][0].pop("sha256"), "a cell has no name, group, hash or samples"),
        (lambda report: report["cells"].append(3), "a cell has no name, group, hash or samples"),
        (lambda report: report["cells"][0]["samples"]["fall_rate"].pop(), "has not 4 samples of every metric"),
        (lambda report: report["cells"][0]["samples"].pop("fall_rate"), "has not 4 samples of every metric"),
    ],
)
def test_a_report_that_is_not_whole_is_one_line(damage, message: str, tmp_path: Path):
    path = tmp_path / "x.json"
    path.write_text(json.dumps(changed(damage)))
    with pytest.raises(PanelError, match=message):
        read_report(path)


def test_shares_of_one_cell_have_wilsons_interval():
    won = np.array([[1.0], [1.0], [0.0], [1.0], [np.nan]])
    assert share_interval(won) == wilson_interval(3, 4)
    assert share_interval(np.full((3, 2), np.nan)) is None
    assert share_difference_interval(np.full((3, 2), np.nan)) is None


def test_without_ties_the_share_of_pairs_won_has_wilsons_interval():
    """9 of 12 pairs won and 3 lost: a lead of a half, and 75 % won."""
    found, wilson = share_difference_interval(np.array([[1.0]] * 9 + [[-1.0]] * 3)), wilson_interval(9, 12)
    assert found is not None and (1 + found.value) / 2 == 0.75
    assert ((1 + found.low) / 2, (1 + found.high) / 2) == pytest.approx((wilson.low, wilson.high))


def test_a_policy_against_itself_is_even():
    one = improved(0.0)
    for row in compare(one, one):
        if row.improvement is not None:
            assert row.improvement.value == 0.5 and row.difference.value == 0.0
            assert 0.5 - row.improvement.low == pytest.approx(row.improvement.high - 0.5)


def test_no_difference_in_every_pair_is_not_known_for_certain():
    found = share_difference_interval(np.zeros((12, 3)))
    assert found is not None and found.value == 0.0
    assert found.high == pytest.approx(wilson_interval(0, 36).high) and found.low == -found.high


@pytest.mark.parametrize("cells", [1, 3, 12])
@pytest.mark.parametrize("rates", [(0.995, 0.995), (0.98, 0.95), (1.0, 0.97), (0.5, 0.7)])
def test_differences_of_rates_are_covered_near_the_bounds_too(cells: int, rates: tuple[float, float]):
    """A bootstrap interval of 12 pairs covers 27 % where B wins 97 % of them: it has no width in the other trials."""
    draw, trials = np.random.default_rng(5), 1000
    a, b = rates
    shape = (trials, 12, cells)
    changes = (draw.random(shape) < b).astype(float) - (draw.random(shape) < a)
    found = [share_difference_interval(change) for change in changes]
    assert sum(one.low - 1e-12 <= b - a <= one.high + 1e-12 for one in found) / trials >= 0.93


@pytest.mark.parametrize("n", [12, 16])
@pytest.mark.parametrize("falls", [0.02, 0.1, 0.3])
def test_survival_times_that_are_mostly_the_duration_are_covered(n: int, falls: float):
    draw, trials = np.random.default_rng(6), 2000
    shares = np.where(draw.random((trials, n)) < falls, draw.random((trials, n)), 1.0)
    truth = 1.0 - falls / 2
    found = [share_interval(row[:, None]) for row in shares]
    assert sum(one.low <= truth <= one.high for one in found) / trials >= 0.93
