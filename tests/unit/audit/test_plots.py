"""Pictures of a made-up run: binned correctly, few series, one page without a network."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from made_up_run import AXES, TERMS, write_run
from surefoot.audit.plots.buckets import MOST_BUCKETS, buckets_figure
from surefoot.audit.plots.faults import faults_figure
from surefoot.audit.plots.page import draw
from surefoot.audit.plots.reward import reward_figure
from surefoot.audit.plots.series import binned_mean, binned_sum, edges, merge_small
from surefoot.audit.plots.style import MOST_SERIES, colours
from surefoot.audit.plots.terminations import terminations_figure
from surefoot.audit.record.record import RunRecord, read_alerts
from surefoot.audit.record.record_file import RecordTable, read_record
from surefoot.audit.record.record_header import RecordHeader
from surefoot.errors import RecordError

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    write_run(folder, 60)
    return folder


def table_of(iterations: list[int]) -> RecordTable:
    return RecordTable(RecordHeader(AXES, {}, {}, ()), np.array(iterations), {})


def test_bins_hold_whole_iterations():
    table = table_of([1, 2, 3, 4, 5])
    assert edges(table).tolist() == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]
    bins = edges(table, most=3)
    assert bins.tolist() == [0.5, 2.5, 4.5, 6.5]
    values = np.array([1.0, 3.0, np.nan, 5.0, np.nan])
    np.testing.assert_equal(binned_mean(table, values, bins), [2.0, 5.0, np.nan])
    assert binned_sum(table, values, bins).tolist() == [4.0, 5.0, 0.0]


def test_one_iteration_has_one_bin():
    assert edges(table_of([7])).tolist() == [6.5, 7.5]


def test_small_series_are_merged_and_nothing_is_lost():
    values = np.array([[1.0, -5.0, 0.0, 2.0, 0.5]])
    merged, names = merge_small(values, "abcde", most=3)
    assert names == ["b", "d", "2 others"]
    assert merged.tolist() == [[-5.0, 2.0, 1.5]]
    assert merge_small(values, "abcde", most=4)[1] == ["b", "d", "a", "e"]  # c is 0 throughout


def test_as_many_terms_as_there_are_colours_are_all_told_apart():
    names = [str(number) for number in range(MOST_SERIES)]
    assert len(set(colours(names))) == MOST_SERIES


def labels(axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_the_reward_picture_has_few_series_and_the_total(run: Path):
    table = read_record(run)
    axes = reward_figure(table).axes[0]
    assert labels(axes)[0] == "track_lin_vel_xy_exp"
    assert labels(axes)[-2:] == [f"{len(TERMS) - 1 - (MOST_SERIES - 1)} others", "total"]  # one term is 0 throughout
    assert len(labels(axes)) == MOST_SERIES + 1
    total = axes.get_lines()[0].get_ydata()
    np.testing.assert_allclose(total[:-1], table.values["reward/total_per_s"], rtol=1e-5)


def test_shares_of_causes_fill_the_picture(run: Path):
    axes = terminations_figure(read_record(run)).axes[0]
    assert set(labels(axes)) == set(AXES["cause"])
    top = max(path.vertices[:, 1].max() for stack in axes.collections for path in stack.get_paths())
    assert top == pytest.approx(100)


def test_every_bucket_has_a_labelled_row(run: Path):
    panels = buckets_figure(read_record(run)).axes
    assert [text.get_text() for text in panels[0].get_yticklabels()] == list(AXES["bucket"])
    assert "m/s" in panels[2].get_title(loc="left")


def test_of_many_buckets_the_extreme_ones_are_drawn(tmp_path: Path):
    axes = AXES | {"bucket": tuple(f"b{i}" for i in range(200))}
    record = RunRecord(tmp_path, axes, "a")
    record.add(1, {"bucket/return_mean": torch.arange(200.0)})
    record.save()
    figure = buckets_figure(read_record(tmp_path))
    shown = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    half = MOST_BUCKETS // 2
    assert shown == [f"b{i}" for i in (*range(half), *range(200 - half, 200))]
    assert "64 buckets with extreme return of 200" in figure.get_suptitle()


def test_faults_and_alerts_stand_at_their_iterations(tmp_path: Path):
    record = RunRecord(tmp_path, AXES, "a")
    for iteration in (1, 2, 3):
        steps = torch.tensor([0.0, 4.0, 0.0, 0.0, 0.0]) if iteration == 2 else torch.zeros(5)
        record.add(iteration, {"fault/steps": steps})
    record.save()
    upper, lower = faults_figure(read_record(tmp_path), [{"kind": "fault", "iteration": 2}]).axes[:2]
    assert upper.collections[0].get_offsets().tolist() == [[2.0, 1.0]]  # iteration 2, second kind
    assert lower.collections[0].get_offsets().tolist() == [[2.0, 0.0]]


def test_a_run_without_anything_says_so(tmp_path: Path):
    record = RunRecord(tmp_path, AXES, "a")
    record.add(1, {})
    record.save()
    table = read_record(tmp_path)
    for figure in (reward_figure(table), terminations_figure(table), buckets_figure(table)):
        assert "holds no" in figure.axes[0].texts[0].get_text()
    assert "No fault in 1 iterations" in faults_figure(table).axes[0].texts[0].get_text()


def test_a_record_without_a_row_is_refused(tmp_path: Path):
    with pytest.raises(RecordError, match="no iteration"):
        draw(table_of([]), [], tmp_path)


def test_the_script_writes_pictures_and_a_page_without_a_network(run: Path, tmp_path: Path):
    command = [sys.executable, ROOT / "scripts" / "accounts.py", run, "--out", tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert len(read_alerts(run)) == 2 and "60 iterations, 2 alerts" in done.stdout
    assert "20  reward_against_success (foot_slip)" in done.stdout
    page = (tmp_path / "out" / "accounts.html").read_text()
    assert page.count("<img") == 4 and "correlation with success -0.62" in page
    assert not re.search(r"https?://|src='(?!data:)", page)
    assert all((tmp_path / "out" / f"{name}.png").read_bytes()[:4] == b"\x89PNG" for name in ("reward", "buckets"))


def test_the_script_names_what_is_missing(tmp_path: Path):
    command = [sys.executable, ROOT / "scripts" / "accounts.py", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    assert "accounts.parquet: no such file" in done.stderr and "Traceback" not in done.stderr
