"""Reports on scripted results: groups, order, intervals, failures, and what is not valid; comparison of two of them."""

import json
import math
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from scripted_env import go1
from scripted_panel import DT, PanelMoment, panel_of, play, still, walking
from surefoot.errors import PanelError
from surefoot.evaluation.compare import compare, comparison_text, read_report
from surefoot.evaluation.held_out import memberships
from surefoot.evaluation.metrics import METRICS
from surefoot.evaluation.panel import Panel
from surefoot.evaluation.report import PanelReport, cell_interval, panel_report
from surefoot.evaluation.report_files import write_heatmap, write_parquet
from surefoot.evaluation.report_text import report_text
from surefoot.evaluation.statistics import Interval, wilson_interval
from surefoot.evaluation.taxonomy import circumstance

PROVENANCE = {
    "panel": "test_v1", "panel_sha256": "a" * 64, "metric_versions": {n: m.version for n, m in METRICS.items()},
    "units": {n: m.unit for n, m in METRICS.items()}, "checkpoint": "model_7.pt", "checkpoint_sha256": "b" * 64,
    "iteration": 7, "task": "T", "manifest_sha256": "c" * 64, "setting_sha256": "d" * 64, "engine": "scripted",
    "device": "cpu", "contact_model": "lean", "seed": 0, "replicates": 4, "duration": 0.2, "warm_up": 0.0,
    "success": {"lin_vel_error": 0.3, "yaw_rate_error": 0.3},
}  # fmt: skip
CELLS = {
    "nominal": {"control": True},
    "ice": {"friction": 0.2},
    "heavy": {"payload_mass": 4.0},
    "meant": {"friction": 0.5},
}


def panel() -> Panel:
    return panel_of(CELLS, steps=10, replicates=4)


def script() -> list[PanelMoment]:
    """Rows 0-3 nominal, 4-7 ice, 8-11 heavy, 12-15 meant. Two fall on ice; heavy is 0.4 m/s too fast in one episode."""
    moments = walking(panel(), [0.0] * 10)
    moments[4].fall(4, "tilted")
    moments[6].fall(6)
    for moment in moments:
        moment.lin_vel_yaw[9, 0] += 0.4
    return moments


def report_of(moments: list[PanelMoment] | None = None, chosen: Panel | None = None) -> PanelReport:
    chosen = chosen or panel()
    return panel_report(play(moments or script(), chosen), memberships(chosen, [go1()]), dict(PROVENANCE))


def test_both_groups_with_known_numbers():
    plain = report_of().plain
    assert (plain["valid"], plain["reasons"]) == (True, [])
    held, inside = plain["held_out"], plain["in_distribution"]
    wilson = wilson_interval(2, 8)  # 2 of 8 episodes in the cells ice and heavy
    assert [held["fall_rate"][key] for key in ("value", "low", "high")] == [wilson.value, wilson.low, wilson.high]
    assert held["success_rate"]["value"] == 5 / 8
    assert inside["fall_rate"]["value"] == 0.0 and inside["fall_rate"]["cells"] == 2
    assert {name: entry["version"] for name, entry in held.items()} == PROVENANCE["metric_versions"]
    assert plain["score"] == pytest.approx((2 / 4 + 3 / 4) / 2)
    # Errors of the 8 held-out episodes: seven of 0 and one of 0.4 m/s; the middle half is 0.
    assert held["lin_vel_error"]["value"] == pytest.approx(0.0, abs=1e-6)


def test_the_cell_that_was_meant_as_held_out_is_named_and_counted_as_a_control():
    plain = report_of().plain
    assert plain["refused_as_held_out"] == ["meant"]
    groups = {cell["name"]: cell["group"] for cell in plain["cells"]}
    assert groups == {"nominal": "in_distribution", "meant": "in_distribution", "ice": "held_out", "heavy": "held_out"}
    assert "refused as held out, inside the training distribution: meant" in report_text(report_of())


def test_the_worst_cells_come_first_with_how_they_failed():
    cells = report_of().plain["cells"]
    assert [cell["name"] for cell in cells] == ["ice", "heavy", "meant", "nominal"]
    ice = cells[0]
    assert ice["because"] == ["friction: 0.2; trained on 0.4 to 1.2"]
    kinds = [(kind["cause"], kind["after"], kind["count"], kind["first"]) for kind in ice["failures"]]
    assert kinds == [("tilted", "start", 1, pytest.approx(5 * DT)), ("base_contact", "start", 1, pytest.approx(7 * DT))]
    assert ice["metrics"]["success_rate"]["value"] == 0.5
    assert cells[1]["metrics"]["lin_vel_error"]["value"] == pytest.approx(0.1)


def test_the_same_twice_and_in_any_order():
    order = ["meant", "heavy", "nominal", "ice"]
    other = panel_of({name: CELLS[name] for name in order}, steps=10, replicates=4)
    rows = [12, 13, 14, 15, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5, 6, 7]
    moments = [PanelMoment(**{name: value[rows] for name, value in vars(moment).items()}) for moment in script()]
    assert report_of(moments, other).plain == report_of().plain == report_of().plain


def test_json_has_no_nan_and_reads_back(tmp_path: Path):
    path = tmp_path / "report.json"
    report_of().write(path)
    text = path.read_text()
    assert "NaN" not in text and "Infinity" not in text
    plain = read_report(path)
    assert plain["held_out"]["recovery_time"] == {
        "value": None, "low": None, "high": None, "version": 2, "cells": 2,
        "statistic": "interquartile mean, stratified bootstrap",
    }  # fmt: skip
    assert len(plain["cells"][0]["samples"]["lin_vel_error"]) == 4


def test_faults_make_a_result_invalid():
    moments = script()
    moments[0].broken[8:12] = True
    report = report_of(moments)
    assert not report.valid
    assert report.plain["reasons"] == [
        "4 of 16 episodes are faults: simulation or policy broke", "more than 25% of the episodes are faults in heavy",
    ]  # fmt: skip
    assert report.plain["cells"][0]["name"] == "heavy"  # nothing known is worse than anything known
    assert "NOT VALID" in report_text(report)


def test_intervals_end_where_values_do():
    """Eleven robots recover in a tenth of a second, one never does: 0.51 s, and nothing below 0 or beyond the end."""
    values = np.array([0.1] * 5 + [0.12] * 6 + [5.0])
    found = cell_interval("recovery_time", values, "x", 0, 8.0)
    assert found is not None and found.value == pytest.approx(6.22 / 12)
    assert (found.low, found.high) == (0.0, 8.0)
    assert cell_interval("recovery_time", values[:1], "x", 0, 8.0) == Interval(0.1, -math.inf, math.inf)
    survived = cell_interval("survival_time", np.full(12, 8.0), "x", 0, 8.0)
    assert survived is not None and survived.high == survived.value == 8.0
    assert survived.low == pytest.approx(8.0 * wilson_interval(12, 12).low)  # 6.06 s: one in four may fall at once


def test_without_a_held_out_cell_there_is_no_score():
    inside = panel_of({"nominal": {"control": True}}, steps=10, replicates=4)
    report = report_of(still(10, inside), inside)
    assert (report.score, report.valid) == (None, False)
    assert report.plain["reasons"] == ["no cell is held out: the training covers them all"]


def test_circumstance_is_the_last_thing_before_the_end():
    cell = panel_of({"a": {"commands": [[0, 0.5, 0, 0], [3.0, 0, 0, 0]]}}, steps=500).cells["a"]
    assert circumstance(cell, 1.0, math.nan) == "start"
    assert circumstance(cell, 2.5, math.nan) == "nothing"
    assert circumstance(cell, 3.5, math.nan) == "command"
    assert circumstance(cell, 4.5, 4.0) == "kick"
    assert circumstance(cell, 3.2, 2.9) == "command"
    assert circumstance(cell, 9.0, 4.0) == "nothing"
    assert circumstance(cell, 6.0, 4.0) == "kick"  # exactly 2 s


def test_parquet_has_one_row_an_episode(tmp_path: Path):
    path = tmp_path / "episodes.parquet"
    write_parquet(path, report_of())
    table = pq.read_table(path)
    assert table.num_rows == 16
    row = table.to_pylist()[4]
    assert (row["cell"], row["group"], row["replicate"], row["cause"]) == ("ice", "held_out", 0, "tilted")
    assert (row["fall_rate"], row["recovery_time"], row["kick_time"]) == (1.0, None, None)
    assert json.loads(table.schema.metadata[b"surefoot"])["panel_sha256"] == "a" * 64


def test_heatmap_is_a_picture(tmp_path: Path):
    path = tmp_path / "map.png"
    write_heatmap(path, report_of())
    assert path.read_bytes().startswith(b"\x89PNG")


def improved(by: float) -> dict:
    """The same panel, all robots nearer to their command by `by` m/s, on top of 0.2 m/s of error."""
    moments = walking(panel(), [0.2 - by] * 10)
    moments[4].fall(4, "tilted")
    return report_of(moments).plain


def test_a_policy_that_is_better_in_every_pair():
    rows = {(row.group, row.metric): row for row in compare(improved(0.0), improved(0.1))}
    error = rows["held_out", "lin_vel_error"]
    assert error.pairs == 8
    wilson = wilson_interval(8, 8)
    assert (error.improvement.value, error.improvement.low, error.improvement.high) == (1.0, wilson.low, 1.0)
    assert error.difference.value == pytest.approx(-0.1, abs=1e-6)
    falls = rows["held_out", "fall_rate"]
    assert (falls.difference.value, falls.improvement.value) == (0.0, 0.5)  # ties count half
    assert rows["held_out", "survival_time"].improvement.value == 0.5
    assert rows["held_out", "recovery_time"].difference is None
    assert "P(B better)" in comparison_text(improved(0.0), improved(0.1), list(rows.values()))


def test_the_other_way_round_is_the_opposite():
    there, back = (compare(improved(a), improved(b)) for a, b in ((0.0, 0.1), (0.1, 0.0)))
    for one, two in zip(there, back, strict=True):
        if one.difference is not None:
            assert one.difference.value == pytest.approx(-two.difference.value)
            assert one.improvement.value == pytest.approx(1 - two.improvement.value)


def test_pairs_are_of_one_cell_and_replicate():
    """Between replicates errors differ by 1 m/s, within pairs by 0.01: only pairing finds the better policy."""

    def noisy(better: float) -> dict:
        moments = walking(panel(), [0.0] * 10)
        for moment in moments:
            moment.lin_vel_yaw[:, 0] += torch.linspace(0.5, 4.5, 16) - better
        return report_of(moments).plain

    rows = {(row.group, row.metric): row for row in compare(noisy(0.0), noisy(0.01))}
    assert rows["held_out", "lin_vel_error"].improvement.value == 1.0
    assert rows["held_out", "lin_vel_error"].difference.high < 0.0


def test_cells_that_one_of_the_two_trained_on_are_no_evidence():
    one, two = improved(0.0), improved(0.1)
    for cell in two["cells"]:
        if cell["name"] == "ice":
            cell["group"] = "in_distribution"
    rows = {(row.group, row.metric): row for row in compare(one, two)}
    pairs = {group: row.pairs for (group, metric), row in rows.items() if metric == "success_rate"}
    assert pairs == {"held_out": 4, "in_distribution": 8, "mixed": 4}
    text = comparison_text(one, two, list(rows.values()))
    assert "held out for one of them" in text and "held out for one" not in comparison_text(one, one, compare(one, one))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("panel_sha256", "f" * 64, "different panels .*: aaaaaaaaaaaa and ffffffffffff"),
        ("metric_versions", {**PROVENANCE["metric_versions"], "foot_slip": 2}, "metric versions: foot_slip 1 and 2"),
        ("setting_sha256", "f" * 64, "different settings"),
        ("valid", False, "Result B is not valid"),
    ],
)
def test_what_was_not_measured_alike_is_not_compared(key: str, value: object, message: str):
    with pytest.raises(PanelError, match=message):
        compare(improved(0.0), improved(0.1) | {key: value})


def test_files_that_are_no_reports_are_refused(tmp_path: Path):
    path = tmp_path / "x.json"
    for text, message in (("{", "cannot be read"), ("[]", "not the report of a panel"), ("{}", "not the report")):
        path.write_text(text)
        with pytest.raises(PanelError, match=message):
            read_report(path)
    path.write_text(json.dumps(improved(0.0) | {"schema_version": 9}))
    with pytest.raises(PanelError, match="schema version 9, this version reads 1"):
        read_report(path)
    with pytest.raises(PanelError, match="cannot be read"):
        read_report(tmp_path / "absent.json")


def test_numbers_are_plain():
    assert np.isfinite(report_of().plain["score"]) and isinstance(report_of().plain["score"], float)
