"""Keyed draws: which number comes out depends on seed, stream, environment, episode and tick, and on nothing else."""

import hashlib

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from surefoot.errors import SurefootError
from surefoot.randomization.streams import Streams, stream_key


def draw(
    streams: Streams, stream: str = "x", env_ids: torch.Tensor | None = None, count: int = 6, **key
) -> torch.Tensor:
    return streams.uniform(stream, env_ids, count, **key)


def test_a_streams_key_is_the_head_of_a_sha256() -> None:
    digest = hashlib.sha256(b"1/resets").digest()
    low, high = stream_key(1, "resets")
    assert low + 2**32 * high == int.from_bytes(digest[:8], "little")


@given(st.integers(0, 2**31 - 1), st.text(max_size=20))
def test_keys_are_two_words(seed: int, name: str) -> None:
    assert all(0 <= word < 2**32 for word in stream_key(seed, name))


def test_equal_keys_repeat_and_any_other_key_differs() -> None:
    streams = Streams(1, 4, "cpu")
    first = draw(streams, tick=3)
    assert torch.equal(draw(streams, tick=3), first)
    assert torch.equal(draw(Streams(1, 4, "cpu"), tick=3), first)
    later = Streams(1, 4, "cpu")
    later.begin_episode(torch.arange(4))
    others = {
        "seed": draw(Streams(2, 4, "cpu"), tick=3),
        "stream": draw(streams, "y", tick=3),
        "environment": draw(Streams(1, 4, "cpu", first_env=4), tick=3),
        "episode": draw(later, tick=3),
        "tick": draw(streams, tick=4),
    }
    for what, drawn in others.items():
        assert not torch.isin(drawn, first).any(), what  # 24 bits, 24 numbers: a chance match has odds of 1 : 29,000


def test_environments_and_numbers_of_a_draw_differ() -> None:
    drawn = draw(Streams(1, 50, "cpu"), count=10)
    assert len(drawn.unique()) == 500


def test_more_numbers_do_not_change_the_first_ones() -> None:
    streams = Streams(1, 3, "cpu")
    long = draw(streams, count=13)
    for count in range(1, 13):
        assert torch.equal(draw(streams, count=count), long[:, :count])


def test_a_draw_outside_episodes_is_that_of_episode_zero_whenever_it_is_made() -> None:
    streams = Streams(1, 3, "cpu")
    before = draw(streams)
    streams.begin_episode(torch.arange(3))
    assert torch.equal(draw(streams, per_episode=False), before)
    assert not torch.equal(draw(streams), before)


def test_ticks_may_differ_between_environments() -> None:
    streams = Streams(1, 3, "cpu")
    mixed = draw(streams, tick=torch.tensor([5, 0, 7]))
    for env, tick in enumerate((5, 0, 7)):
        assert torch.equal(mixed[env], draw(streams, tick=tick)[env])


@given(st.permutations(range(8)), st.integers(1, 7), st.integers(0, 2**31 - 1))
def test_the_order_of_resets_changes_nothing(order: list[int], cut: int, seed: int) -> None:
    together, apart = Streams(seed, 8, "cpu"), Streams(seed, 8, "cpu")
    for _ in range(2):
        together.begin_episode(torch.arange(8))
        expected = draw(together, env_ids=torch.arange(8))
        got = torch.empty_like(expected)
        for part in (order[:cut], order[cut:]):  # in another order and in two goes
            env_ids = torch.tensor(part)
            apart.begin_episode(env_ids)
            got[env_ids] = draw(apart, env_ids=env_ids)
        assert torch.equal(got, expected)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 100))
def test_more_environments_leave_the_first_ones_unchanged(few: int, more: int, tick: int) -> None:
    small, large = Streams(3, few, "cpu"), Streams(3, few + more, "cpu")
    assert torch.equal(draw(large, tick=tick)[:few], draw(small, tick=tick))


@given(st.integers(2, 40), st.data())
def test_parts_with_an_offset_are_the_whole(num_envs: int, data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, num_envs - 1))
    parts = (Streams(3, cut, "cpu"), Streams(3, num_envs - cut, "cpu", first_env=cut))
    assert torch.equal(torch.cat([draw(part) for part in parts]), draw(Streams(3, num_envs, "cpu")))


def test_torchs_own_generator_is_left_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    draw(Streams(1, 10, "cpu"))
    assert torch.equal(torch.rand(3), expected)


def test_draws_fill_their_range() -> None:
    drawn = Streams(1, 10_000, "cpu").uniform("x", None, 10, -3.0, 5.0)
    assert -3.0 <= drawn.min() < -2.99
    assert 4.99 < drawn.max() <= 5.0
    assert drawn.mean().item() == pytest.approx(1.0, abs=0.03)  # standard deviation of the mean: 0.0073


def test_bounds_may_differ_between_numbers() -> None:
    low, high = torch.tensor([0.0, 10.0, -2.0]), torch.tensor([1.0, 10.0, -1.0])
    streams = Streams(1, 100, "cpu")
    drawn, unit = streams.uniform("x", None, 3, low, high), draw(streams, count=3)
    assert torch.equal(drawn[:, 0], unit[:, 0])
    assert (drawn[:, 1] == 10.0).all()
    assert torch.allclose(drawn[:, 2], unit[:, 2] - 2.0)


@pytest.mark.parametrize("over", ["environments", "episodes", "ticks", "numbers"])
def test_each_counter_word_alone_gives_uniform_and_uncorrelated_numbers(over: str) -> None:
    n = 20_000
    if over == "environments":
        drawn = draw(Streams(1, n, "cpu"), count=1)
    elif over == "episodes":
        streams = Streams(1, n, "cpu")
        streams.episode[:] = torch.arange(n)
        streams._env.zero_()  # one environment, n episodes
        drawn = draw(streams, count=1)
    elif over == "ticks":
        drawn = draw(Streams(1, 1, "cpu"), env_ids=torch.zeros(n, dtype=torch.long), count=1, tick=torch.arange(n))
    else:
        drawn = draw(Streams(1, 1, "cpu"), count=n)
    values = drawn.flatten().double().numpy()
    counts = torch.histc(drawn, bins=100, min=0.0, max=1.0).numpy()
    # 100 bins of 200: chi-square with 99 degrees of freedom; the seed is fixed, so 1e-4 is no flaky bound.
    assert stats.chisquare(counts).pvalue > 1e-4
    # Neighbours: standard deviation of a correlation of 0 is 1 / sqrt(20000) = 0.007.
    assert abs(stats.pearsonr(values[:-1], values[1:]).statistic) < 0.03


def test_a_saved_state_continues_where_it_was_taken() -> None:
    streams, other = Streams(1, 3, "cpu"), Streams(1, 3, "cpu")
    streams.begin_episode(torch.tensor([0, 2]))
    state = streams.state_dict()
    streams.begin_episode(torch.tensor([1]))
    assert {name: value.tolist() for name, value in state.items()} == {"episode": [1, 0, 1]}
    other.begin_episode(torch.arange(3))
    other.load_state_dict(state)
    other.begin_episode(torch.tensor([1]))
    assert torch.equal(draw(other), draw(streams))


@settings(max_examples=20)
@given(st.sets(st.integers(0, 9)))
def test_only_the_named_environments_begin_an_episode(chosen: set[int]) -> None:
    streams = Streams(1, 10, "cpu")
    streams.begin_episode(torch.tensor(sorted(chosen), dtype=torch.long))
    assert streams.episode.tolist() == [int(env in chosen) for env in range(10)]


@pytest.mark.parametrize("first_env", [-1, 2**32 - 3])
def test_numbers_that_do_not_fit_a_counter_word_are_refused(first_env: int) -> None:
    with pytest.raises(SurefootError, match="cannot be numbered"):
        Streams(1, 4, "cpu", first_env=first_env)
