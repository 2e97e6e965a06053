"""A planted clock offset is found; motion that repeats itself, or does not agree, gives none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from surefoot.traces.estimate import estimate_offset

FloatArray = NDArray[np.float64]


def motion(time: FloatArray, seed: int = 0) -> FloatArray:
    """Sums of incommensurate sines: nothing repeats within 20 s. Shape (num_samples, 3)."""
    rng = np.random.default_rng(seed)
    frequency, phase = rng.uniform(0.1, 2.5, (9, 3)), rng.uniform(0, 2 * np.pi, (9, 3))
    return np.sin(2 * np.pi * frequency * time[:, None, None] + phase).sum(axis=1)


def stamps(rate: float, seconds: float = 15.0) -> NDArray[np.int64]:
    return np.round(np.arange(round(rate * seconds)) * 1e9 / rate).astype(np.int64)


@given(st.floats(-0.4, 0.4), st.sampled_from([50.0, 200.0, 300.0]), st.integers(0, 1000))
@settings(max_examples=30)
def test_a_planted_offset_is_found(offset: float, rate: float, seed: int):
    a, b = stamps(200.0), stamps(rate)
    # The second clock is behind: what happens at time t has the stamp t - offset.
    values = 3.0 * motion(b * 1e-9 + offset, seed) + 0.7
    found = estimate_offset(a, motion(a * 1e-9, seed), b, values)
    assert found.offset.identified, found.offset.reason
    assert found.offset.value == pytest.approx(offset, abs=0.5 / min(rate, 200.0))
    assert found.correlation > 0.95


def test_repeating_motion_is_ambiguous():
    at = stamps(200.0)
    wave = np.sin(2 * np.pi * 3 * at * 1e-9)[:, None]
    found = estimate_offset(at, wave, at, wave, max_offset=1.0)
    assert "repeats itself" in found.offset.reason


def test_what_does_not_agree_or_move_has_no_offset():
    at = stamps(200.0)
    noise = np.random.default_rng(0).normal(size=(len(at), 3))
    assert "correlate" in estimate_offset(at, motion(at * 1e-9), at, noise).offset.reason
    assert "does not move" in estimate_offset(at, motion(at * 1e-9), at, np.zeros((len(at), 3))).offset.reason
    late = at + 10**12
    assert "the topics share" in estimate_offset(at, motion(at * 1e-9), late, motion(at * 1e-9)).offset.reason


def test_an_offset_beyond_the_search_is_not_claimed():
    at = stamps(200.0)
    found = estimate_offset(at, motion(at * 1e-9), at, motion(at * 1e-9 + 3.0), max_offset=0.5)
    assert not found.offset.identified
