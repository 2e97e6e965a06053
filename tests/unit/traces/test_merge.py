"""Merging in one pass gives what a merge with everything in memory gives."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from surefoot.traces.merge import Cursor

FloatArray = NDArray[np.float64]


def cursor(stamp: NDArray[np.int64], values: FloatArray, rule: str, tolerance: int, size: int) -> Cursor:
    def parts() -> Iterator[tuple[NDArray[np.int64], dict[str, FloatArray]]]:
        for start in range(0, len(stamp), size):
            yield stamp[start : start + size], {"gyro": values[start : start + size]}

    return Cursor(parts(), {"gyro": rule}, {"gyro": values.shape[1]}, tolerance)  # pyright: ignore


def by_hand(at: int, stamp: NDArray[np.int64], values: FloatArray, rule: str, tolerance: int) -> FloatArray:
    """One sample, the slow way."""
    none = np.full(values.shape[1], np.nan)
    before = [k for k in range(len(stamp)) if stamp[k] <= at]
    after = [k for k in range(len(stamp)) if stamp[k] >= at]
    left = before[-1] if before and at - stamp[before[-1]] <= tolerance else None
    right = after[0] if after and stamp[after[0]] - at <= tolerance else None
    if rule == "hold":
        return none if left is None else values[left]
    if rule == "nearest":
        if left is None and right is None:
            return none
        if left is None or (right is not None and stamp[right] - at < at - stamp[left]):
            return values[right]
        return values[left]
    if left is None or right is None:
        return none
    share = 0.0 if left == right else (at - stamp[left]) / (stamp[right] - stamp[left])
    return values[left] * (1 - share) + values[right] * share


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=40), st.lists(st.integers(1, 9), min_size=1, max_size=40),
    st.sampled_from(["hold", "nearest", "interp"]), st.integers(1, 12), st.integers(1, 7), st.integers(1, 7),
    st.integers(-30, 30),
)  # fmt: skip
def test_streamed_and_by_hand_agree(
    steps: list[int], others: list[int], rule: str, tolerance: int, size: int, other_size: int, shift: int
):
    base = np.cumsum(np.array(steps, np.int64))
    stamp = np.cumsum(np.array(others, np.int64)) + shift
    values = np.random.default_rng(0).normal(size=(len(stamp), 3))
    moving = cursor(stamp, values, rule, tolerance, other_size)
    got = np.concatenate([moving.sample(base[k : k + size])["gyro"] for k in range(0, len(base), size)])
    wanted = np.array([by_hand(int(at), stamp, values, rule, tolerance) for at in base])
    assert got == pytest.approx(wanted, abs=1e-12, nan_ok=True)


def test_a_quaternion_is_mixed_on_the_short_way():
    stamp = np.array([0, 10], np.int64)
    half = np.deg2rad(10)
    values = np.array([[1.0, 0, 0, 0], [-np.cos(half), 0, 0, -np.sin(half)]])  # 20 deg about z, written as -q
    moving = Cursor(iter([(stamp, {"base_quat_w": values})]), {"base_quat_w": "interp"}, {"base_quat_w": 4}, 100)
    mixed = moving.sample(np.array([5], np.int64))["base_quat_w"][0]
    assert mixed == pytest.approx([np.cos(half / 2), 0, 0, np.sin(half / 2)])


def test_a_topic_long_before_the_base_is_not_kept():
    held: list[int] = []

    def parts() -> Iterator[tuple[NDArray[np.int64], dict[str, FloatArray]]]:
        for start in range(0, 1_000_000, 1000):
            yield np.arange(start, start + 1000), {"gyro": np.zeros((1000, 3))}
            held.append(len(moving._stamp))

    moving = Cursor(parts(), {"gyro": "hold"}, {"gyro": 3}, 5)
    for at in range(900_000, 990_000, 1000):
        moving.sample(np.array([at], np.int64))
        held.append(len(moving._stamp))
    assert max(held) <= 2000
    assert moving.matched == 90
