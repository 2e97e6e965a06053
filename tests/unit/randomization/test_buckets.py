"""Buckets: ids and labels by hand, balanced counts, and values that depend on nothing but environment and episode."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.errors import EngineError, ManifestError
from surefoot.manifest.factors import FACTORS
from surefoot.manifest.randomization import Randomization
from surefoot.randomization.buckets import Buckets, bucket_labels, refuse_empty_buckets, refuse_unsupported
from surefoot.randomization.streams import Streams

PUSH = {"interval": (5.0, 10.0), "lin_vel_xy": 0.5, "ang_vel_z": 0.3}
FRICTION = {"edges": (0.4, 0.6, 0.8), "mode": "startup"}
PAYLOAD = {"edges": (-0.5, 0.0, 1.0, 2.0), "mode": "startup"}
DELAY = {"edges": (0.0, 2.0, 4.0), "mode": "reset"}
DAMPING = {"edges": (0.8, 1.0, 1.1, 1.2), "mode": "reset"}


def randomization(bucket_by: tuple[str, ...] = (), **factors: dict[str, Any]) -> Randomization:
    return Randomization.model_validate({"factors": factors, "bucket_by": bucket_by, "push": PUSH})


def buckets(num_envs: int, spec: Randomization, seed: int = 3, first_env: int = 0) -> tuple[Buckets, Streams]:
    streams = Streams(seed, num_envs, "cpu", first_env)
    return Buckets(spec, streams, first_env), streams


def begin(made: tuple[Buckets, Streams], env_ids: list[int]) -> None:
    """Start an episode in some environments, as an engine does."""
    ids = torch.tensor(env_ids, dtype=torch.long)
    made[1].begin_episode(ids)
    made[0].resample(ids)


def test_ids_are_mixed_radix_with_the_last_factor_fastest():
    spec = randomization(("friction", "payload_mass"), friction=FRICTION, payload_mass=PAYLOAD)
    made, _ = buckets(8, spec)
    assert made.labels == (
        "friction 0.4-0.6 | payload_mass -0.5 to 0 kg",
        "friction 0.4-0.6 | payload_mass 0 to 1 kg",
        "friction 0.4-0.6 | payload_mass 1 to 2 kg",
        "friction 0.6-0.8 | payload_mass -0.5 to 0 kg",
        "friction 0.6-0.8 | payload_mass 0 to 1 kg",
        "friction 0.6-0.8 | payload_mass 1 to 2 kg",
    )
    assert made.ids.tolist() == [0, 1, 2, 3, 4, 5, 0, 1]
    assert made.counts().tolist() == [2, 2, 1, 1, 1, 1]
    friction, payload = made.values["friction"], made.values["payload_mass"]
    assert ((friction >= 0.6) == torch.tensor([False] * 3 + [True] * 3 + [False] * 2)).all()
    assert torch.bucketize(payload, torch.tensor([0.0, 1.0]), right=True).tolist() == [0, 1, 2, 0, 1, 2, 0, 1]


def test_labels_of_whole_numbers_say_which_they_hold():
    assert bucket_labels(randomization(("control_delay",), control_delay=DELAY)) == (
        "control_delay 0-1 physics steps",
        "control_delay 2-4 physics steps",
    )


def test_without_bucket_by_there_is_one_bucket_and_factors_are_drawn_all_the_same():
    made, _ = buckets(400, randomization(damping=DAMPING))
    assert (made.labels, made.counts().tolist()) == (("all",), [400])
    shares = torch.histogram(made.values["damping"], torch.tensor(DAMPING["edges"])).hist / 400
    assert (shares - 1 / 3).abs().max() < 0.1  # intervals are equally likely, however wide: 4 sigma are 0.094


def test_whole_numbers_reach_both_ends_and_nothing_between_intervals():
    made, _ = buckets(400, randomization(("control_delay",), control_delay=DELAY))
    values = made.values["control_delay"]
    assert values.dtype == torch.int64
    assert values[made.ids == 0].unique().tolist() == [0, 1]
    assert values[made.ids == 1].unique().tolist() == [2, 3, 4]


def test_a_fixed_value():
    made, _ = buckets(5, randomization(("friction",), friction={"edges": (0.3, 0.3), "mode": "startup"}))
    assert made.labels == ("friction 0.3",)
    assert made.values["friction"].tolist() == pytest.approx([0.3] * 5)


def test_reset_factors_go_round_and_startup_factors_stay():
    spec = randomization(("damping", "friction"), damping=DAMPING, friction=FRICTION)  # ids: damping * 2 + friction
    made = buckets(6, spec)
    before = made[0].values["friction"].clone()
    seen = [made[0].ids.tolist()]
    for _ in range(3):
        begin(made, list(range(6)))
        seen.append(made[0].ids.tolist())
    assert seen == [[0, 1, 2, 3, 4, 5], [2, 3, 4, 5, 0, 1], [4, 5, 0, 1, 2, 3], [0, 1, 2, 3, 4, 5]]
    assert torch.equal(made[0].values["friction"], before)


def test_only_the_environments_that_begin_are_touched():
    made = buckets(6, randomization(("damping",), damping=DAMPING))
    ids, values = made[0].ids.clone(), made[0].values["damping"].clone()
    begin(made, [4])
    assert (made[0].ids != ids).nonzero().flatten().tolist() == [4]
    assert (made[0].values["damping"] != values).nonzero().flatten().tolist() == [4]


def test_a_new_factor_changes_no_values_of_the_others():
    one, _ = buckets(50, randomization(("friction",), friction=FRICTION))
    two, _ = buckets(50, randomization(("friction",), friction=FRICTION, payload_mass=PAYLOAD, damping=DAMPING))
    assert torch.equal(one.values["friction"], two.values["friction"])


factor_sets = st.dictionaries(
    st.sampled_from(["friction", "link_mass", "armature", "stiffness"]),
    st.tuples(st.integers(1, 4), st.sampled_from(["startup", "reset"])),
    min_size=1,
)


def spec_of(chosen: dict[str, tuple[int, str]]) -> Randomization:
    factors = {
        name: {"edges": tuple(0.5 + 0.1 * edge for edge in range(count + 1)), "mode": mode}
        for name, (count, mode) in chosen.items()
    }
    return randomization(tuple(chosen), **factors)


@settings(max_examples=40, deadline=None)
@given(chosen=factor_sets, num_envs=st.integers(1, 200), episodes=st.integers(0, 5))
def test_counts_differ_by_one_at_most_while_episodes_keep_step(
    chosen: dict[str, tuple[int, str]], num_envs: int, episodes: int
):
    spec = spec_of(chosen)
    num_envs = spec.num_combinations * max(1, num_envs // spec.num_combinations)
    made = buckets(num_envs, spec)
    for _ in range(episodes):
        begin(made, list(range(num_envs)))
    assert made[0].counts().unique().tolist() == [num_envs // spec.num_combinations]
    uneven = buckets(num_envs + spec.num_combinations // 2, spec)[0].counts()
    assert uneven.max() - uneven.min() <= 1


@settings(max_examples=40, deadline=None)
@given(chosen=factor_sets, env=st.integers(0, 30))
def test_an_environment_meets_every_reset_combination_once_in_a_round(chosen: dict[str, tuple[int, str]], env: int):
    spec = spec_of(chosen)
    rounds = 1
    for count, mode in chosen.values():
        rounds *= count if mode == "reset" else 1
    made = buckets(31, spec)
    met: list[int] = []
    for _ in range(rounds):
        begin(made, [env])
        met.append(int(made[0].ids[env]))
    assert len(set(met)) == rounds


@settings(max_examples=40, deadline=None)
@given(chosen=factor_sets, order=st.permutations(list(range(12))))
def test_more_environments_other_processes_and_another_order_change_nothing(
    chosen: dict[str, tuple[int, str]], order: list[int]
):
    spec = spec_of(chosen)
    one, double = buckets(12, spec), buckets(24, spec)
    halves = buckets(6, spec, first_env=0), buckets(6, spec, first_env=6)
    begin(one, list(range(12)))
    for env in order:
        begin(double, [env])
    for half in halves:
        begin(half, list(range(6)))
    joined = torch.cat([half[0].ids for half in halves])
    assert torch.equal(one[0].ids, double[0].ids[:12]) and torch.equal(one[0].ids, joined)
    for name, value in one[0].values.items():
        assert torch.equal(value, double[0].values[name][:12])
        assert torch.equal(value, torch.cat([half[0].values[name] for half in halves]))


@settings(max_examples=40, deadline=None)
@given(name=st.sampled_from(sorted(FACTORS)), low=st.integers(1, 25), width=st.integers(1, 25), seed=st.integers(0, 99))
def test_values_lie_within_their_interval(name: str, low: int, width: int, seed: int):
    unit = FACTORS[name].maximum / 100 if FACTORS[name].maximum < 100 else 1
    edges = tuple(float(unit * edge) for edge in (low, low + width, low + 3 * width))
    others = {"payload_mass": PAYLOAD} if name in ("payload_x", "payload_y", "payload_z") else {}
    spec = randomization((name,), **{name: {"edges": edges, "mode": "startup"}}, **others)
    made, _ = buckets(64, spec, seed)
    bounds = torch.tensor(edges)
    assert (made.values[name] >= bounds[made.ids]).all()
    assert (made.values[name] <= bounds[made.ids + 1]).all()


def test_more_buckets_than_environments_is_refused_with_the_key():
    spec = randomization(("friction", "damping"), friction=FRICTION, damping=DAMPING)
    refuse_empty_buckets(spec, 6)
    with pytest.raises(ManifestError, match=r"randomization\.bucket_by: 6 buckets \(friction 2 x damping 3\).*got 5"):
        refuse_empty_buckets(spec, 5)


def test_a_factor_that_the_engine_lacks_is_refused_with_the_key():
    spec = randomization(friction=FRICTION, control_delay=DELAY)
    refuse_unsupported(spec, {"friction", "control_delay"}, "other")
    with pytest.raises(EngineError, match=r"randomization\.factors\.control_delay: engine 'other' has no such factor"):
        refuse_unsupported(spec, {"friction"}, "other")


def test_the_log_holds_labels_counts_ids_and_values():
    made, _ = buckets(3, randomization(("friction",), friction=FRICTION))
    plain = made.to_plain()
    assert plain["labels"] == ["friction 0.4-0.6", "friction 0.6-0.8"]
    assert (plain["counts"], plain["ids"]) == ([2, 1], [0, 1, 0])
    assert plain["values"]["friction"] == made.values["friction"].tolist()
