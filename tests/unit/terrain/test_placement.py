"""Columns of environments: exact counts, independence from numbers and processes, and the buckets they form."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.manifest.randomization import Randomization
from surefoot.manifest.terrain import TerrainClass, TerrainGenerator
from surefoot.randomization.buckets import Buckets, TerrainClasses
from surefoot.randomization.streams import Streams
from surefoot.terrain.placement import stratified_columns

PUSH = {"interval": (5.0, 10.0), "lin_vel_xy": 0.5, "ang_vel_z": 0.3}


def generator(columns: int, *proportions: float) -> TerrainGenerator:
    names = ("boxes", "flat", "gaps", "rails", "waves")
    return TerrainGenerator(
        seed=1,
        classes={name: TerrainClass(proportion=share) for name, share in zip(names, proportions, strict=False)},
        difficulty=(0.0, 1.0),
        levels=2,
        columns=columns,
        tile_size=2.0,
        platform=0.5,
        resolution=0.1,
        border=0.0,
    )


def randomization(bucket_by: tuple[str, ...], mode: str = "startup") -> Randomization:
    factors = {
        "friction": {"edges": (0.4, 0.6, 0.8), "mode": "startup"},
        "damping": {"edges": (0.8, 1.0, 1.1, 1.2), "mode": mode},
    }
    return Randomization.model_validate({"factors": factors, "bucket_by": bucket_by, "push": PUSH})


CASES = st.tuples(st.integers(1, 5), st.integers(0, 7), st.integers(1, 9), st.integers(0, 99))


@settings(max_examples=60)
@given(CASES, st.integers(1, 5))
def test_blocks_of_combinations_times_columns_hold_each_pair_once(case: tuple[int, int, int, int], blocks: int) -> None:
    classes, more, combinations, seed = case
    columns = classes + more
    num_envs = blocks * combinations * columns
    placed = stratified_columns(generator(columns, *[1.0] * classes), combinations, Streams(seed, num_envs, "cpu"))
    pairs = (torch.arange(num_envs) % combinations) * columns + placed
    assert pairs.bincount(minlength=combinations * columns).unique().tolist() == [blocks]


@settings(max_examples=60)
@given(CASES, st.integers(1, 7))
def test_columns_are_equally_frequent_up_to_one_after_every_round(case: tuple[int, int, int, int], rounds: int) -> None:
    classes, more, combinations, seed = case
    columns = classes + more
    streams = Streams(seed, rounds * combinations, "cpu")
    placed = stratified_columns(generator(columns, *[1.0] * classes), combinations, streams)
    counts = placed.bincount(minlength=columns)
    assert counts.max() - counts.min() <= 1


@settings(max_examples=30)
@given(CASES, st.integers(1, 300), st.integers(1, 299))
def test_neither_number_of_environments_nor_of_processes_changes_a_column(
    case: tuple[int, int, int, int], num_envs: int, split: int
) -> None:
    classes, more, combinations, seed = case
    ground, split = generator(classes + more, *[1.0] * classes), min(split, num_envs)
    whole = stratified_columns(ground, combinations, Streams(seed, num_envs, "cpu"))
    first = stratified_columns(ground, combinations, Streams(seed, split, "cpu"))
    rest = Streams(seed, num_envs - split, "cpu", first_env=split)
    second = stratified_columns(ground, combinations, rest, first_env=split)
    assert torch.equal(whole, torch.cat((first, second)))


def test_few_environments_still_meet_every_class() -> None:
    """12 combinations and 12 columns of 5 classes: 60 environments are 5 rounds, each column 5 times."""
    ground = generator(12, 1.0, 1.0, 1.0, 1.0, 1.0)
    placed = stratified_columns(ground, 12, Streams(0, 60, "cpu"))
    assert placed.bincount(minlength=12).tolist() == [5] * 12


@settings(max_examples=40)
@given(group=st.integers(1, 17), groups=st.integers(1, 12), columns=st.integers(2, 8), seed=st.integers(0, 99))
def test_groups_of_an_evaluation_have_equal_columns_up_to_one(group: int, groups: int, columns: int, seed: int) -> None:
    streams = Streams(seed, group * groups, "cpu", purpose="evaluation/")
    placed = stratified_columns(generator(columns, 1.0, 1.0), 3, streams, group=group)
    for part in placed.split(group):
        counts = part.bincount(minlength=columns)
        assert counts.max() - counts.min() <= 1


def buckets(num_envs: int, bucket_by: tuple[str, ...], mode: str = "startup") -> tuple[Buckets, torch.Tensor, Streams]:
    ground, spec = generator(4, 9.0, 1.0), randomization(bucket_by, mode)
    streams = Streams(5, num_envs, "cpu")
    columns = stratified_columns(ground, spec.num_combinations, streams)
    assert ground.class_columns == {"boxes": 3, "flat": 1}
    classes = torch.tensor([0, 0, 0, 1])[columns]
    made = Buckets(spec, streams, terrain=TerrainClasses(tuple(ground.classes), classes))
    return made, classes, streams


def test_class_is_a_digit_of_the_bucket_in_its_place() -> None:
    made, classes, _ = buckets(48, ("friction", "terrain_class", "damping"))
    assert made.labels[:4] == (
        "friction 0.4-0.6 | boxes | damping 0.8-1",
        "friction 0.4-0.6 | boxes | damping 1-1.1",
        "friction 0.4-0.6 | boxes | damping 1.1-1.2",
        "friction 0.4-0.6 | flat | damping 0.8-1",
    )
    assert len(made.labels) == 12
    assert torch.equal(made.ids // 3 % 2, classes)
    number = torch.arange(48) % 6
    assert torch.equal(made.ids // 6, number // 3) and torch.equal(made.ids % 3, number % 3)


def test_naming_the_class_changes_nothing_that_is_simulated() -> None:
    named, classes, _ = buckets(100, ("terrain_class", "friction", "damping"))
    unnamed, same_classes, _ = buckets(100, ("friction", "damping"))
    assert torch.equal(classes, same_classes)
    assert torch.equal(named.ids % 6, unnamed.ids)
    for name, values in named.values.items():
        assert torch.equal(values, unnamed.values[name])


def test_reset_factors_go_round_and_the_class_stays() -> None:
    made, classes, streams = buckets(24, ("terrain_class", "damping"), mode="reset")
    seen = []
    for _ in range(3):
        everyone = torch.arange(24)
        streams.begin_episode(everyone)
        made.resample(everyone)
        assert torch.equal(made.ids // 3, classes)
        seen.append(made.ids % 3)
    assert all(sorted(turns) == [0, 1, 2] for turns in torch.stack(seen, dim=1).tolist())
