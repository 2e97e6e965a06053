"""Clocks with planted defects: each is found where it was put, in one batch or in many, and a good clock has none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from surefoot.traces.clock import ClockLog, gaps
from surefoot.traces.header import TraceFinding

STEP = 2_000_000


def watched(
    stamp: NDArray[np.int64], check: NDArray[np.int64] | None = None, size: int = 700
) -> tuple[ClockLog, NDArray[np.bool_]]:
    """A log that saw the stamps in batches."""
    log = ClockLog("topic", "stamp")
    keep = [
        log.add(start, stamp[start : start + size], None if check is None else check[start : start + size])
        for start in range(0, len(stamp), size)
    ]
    return log, np.concatenate(keep)


def found(log: ClockLog) -> dict[str, TraceFinding]:
    """Findings by kind."""
    return {finding.kind: finding for finding in log.findings()}


def regular(count: int = 3000) -> NDArray[np.int64]:
    return STEP * np.arange(count, dtype=np.int64)


def test_a_good_clock_with_jitter_has_no_findings():
    rng = np.random.default_rng(0)
    stamp = regular() + rng.integers(-400_000, 400_000, 3000)
    log, keep = watched(stamp, regular())
    assert keep.all() and log.findings() == []
    assert log.rate == pytest.approx(500, rel=0.01)


@pytest.mark.parametrize("size", [50, 333, 3000])
def test_each_defect_is_found_at_its_row(size: int):
    stamp = regular()
    stamp[1000:] += 100_000_000  # gap before row 1001
    stamp[2000] = stamp[1999]  # duplicate at row 2001
    burst = np.arange(1500, 1506)
    stamp[burst] = stamp[1506] - 10_000 * np.arange(6, 0, -1)  # rows 1501 to 1506 wait for row 1507
    log, keep = watched(stamp, size=size)
    assert found(log)["duplicate"].row == 2001 and not keep[2000] and keep.sum() == 2999
    assert found(log)["gap"].row == 1001 and found(log)["gap"].count == 2  # the second one waits for the burst
    assert found(log)["burst"].row == 1502 and found(log)["burst"].count == 1


def test_a_clock_that_is_set_back():
    stamp = regular(1000)
    stamp[600:] -= 200 * STEP
    log, keep = watched(stamp, size=100)
    finding = found(log)["backward"]
    assert (finding.severity, finding.row, finding.count) == ("refusal", 601, 1)
    assert "up to 0.398 s" in finding.message and "199 samples" in finding.message  # the 200th is a duplicate
    assert np.all(np.diff(stamp[keep]) > 0)


@pytest.mark.parametrize("jump", [-0.3, 0.05, 3600.0])
def test_a_jump_shows_against_a_second_clock(jump: float):
    stamp = regular()
    check = stamp.copy()
    stamp[1700:] += round(jump * 1e9)
    if jump < 0:  # a step back is seen without a second clock; here only what remains rises
        check = np.concatenate([check[:1700], check[1700:] + 400_000_000])
        stamp = np.concatenate([stamp[:1700], stamp[1700:] + 400_000_000])
    log, _ = watched(stamp, check)
    finding = found(log)["jump"]
    assert finding.row is not None and abs(finding.row - 1701) <= 2 * 32
    assert f"{jump:+.4g}" in finding.message
    assert "drift" not in found(log)


@pytest.mark.parametrize("drift", [-2e-3, 1e-3, 5e-3])
def test_drift_is_measured(drift: float):
    rng = np.random.default_rng(1)
    check = regular(20_000)
    stamp = (check * (1 + drift)).astype(np.int64) + rng.exponential(200_000, 20_000).astype(np.int64)
    log, _ = watched(np.maximum.accumulate(stamp) + np.arange(20_000), check)
    text = found(log)["drift"].message
    assert float(text.split(" by ")[1].split(" us/s")[0]) == pytest.approx(drift * 1e6, rel=0.05)


def test_a_crystal_within_its_tolerance_is_no_drift():
    check = regular(200_000)
    log, _ = watched((check * (1 + 50e-6)).astype(np.int64), check)
    assert log.findings() == []


@given(st.lists(st.integers(-5, 50), min_size=1, max_size=60), st.integers(1, 20))
def test_what_is_kept_rises_and_batches_do_not_matter(steps: list[int], size: int):
    stamp = np.cumsum(np.array(steps, dtype=np.int64)) * 1_000_000
    log, keep = watched(stamp, size=size)
    assert np.all(np.diff(stamp[keep]) > 0)
    whole = stamp == np.maximum.accumulate(stamp)
    first = np.concatenate([[True], stamp[1:] > np.maximum.accumulate(stamp)[:-1]])
    assert np.array_equal(keep, first & whole)
    assert keep.sum() + sum(f.count for f in log.findings() if f.kind == "duplicate") <= len(stamp)


def test_gaps_of_a_trace():
    stamp = np.array([0, 2, 4, 30, 32, 34], dtype=np.int64)
    assert gaps(stamp) == [(2, 3)]
    assert gaps(stamp[:1]) == []
