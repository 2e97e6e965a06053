"""Named random streams."""

import hashlib

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from surefoot.randomization.streams import Streams, stream_seed


def test_a_streams_seed_is_the_head_of_a_sha256() -> None:
    digest = hashlib.sha256(b"1/resets").hexdigest()
    assert stream_seed(1, "resets") == int(digest[:16], 16) // 2


@given(st.integers(0, 2**31 - 1), st.text(max_size=20))
def test_seeds_fit_a_signed_64_bit_number(seed: int, name: str) -> None:
    assert 0 <= stream_seed(seed, name) < 2**63


def test_equal_seeds_repeat_and_others_differ() -> None:
    draws = [Streams(seed, "cpu").uniform("noise", (4,), 0, 1) for seed in (1, 1, 2)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_streams_of_one_seed_differ() -> None:
    streams = Streams(1, "cpu")
    assert not torch.equal(streams.uniform("a", (4,), 0, 1), streams.uniform("b", (4,), 0, 1))


def test_drawing_from_one_stream_does_not_shift_another() -> None:
    alone, beside = Streams(1, "cpu"), Streams(1, "cpu")
    beside.uniform("noise", (1000,), 0, 1)
    assert torch.equal(alone.uniform("resets", (4,), 0, 1), beside.uniform("resets", (4,), 0, 1))


def test_torchs_own_generator_is_left_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    Streams(1, "cpu").uniform("noise", (10,), 0, 1)
    assert torch.equal(torch.rand(3), expected)


def test_draws_stay_in_their_range() -> None:
    draws = Streams(1, "cpu").uniform("x", (100_000,), -3.0, 5.0)
    assert -3.0 <= draws.min() < -2.99
    assert 4.99 < draws.max() <= 5.0
    assert draws.mean().item() == pytest.approx(1.0, abs=0.03)  # standard deviation of the mean: 0.0073


def test_a_saved_state_continues_where_it_was_taken() -> None:
    streams = Streams(1, "cpu")
    streams.uniform("a", (3,), 0, 1)
    state = streams.state_dict()
    expected = [streams.uniform(name, (5,), 0, 1) for name in ("a", "b", "a")]
    other = Streams(1, "cpu")
    other.uniform("a", (100,), 0, 1)
    other.uniform("b", (100,), 0, 1)  # not in use when the state was taken
    other.load_state_dict(state)
    assert all(torch.equal(other.uniform(name, (5,), 0, 1), want) for name, want in zip("aba", expected, strict=True))
