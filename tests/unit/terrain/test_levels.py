"""The terrain curriculum: when an environment goes up and down, and where it then stands."""

import pytest
import torch

from surefoot.manifest.terrain import TerrainClass, TerrainCurriculum, TerrainGenerator
from surefoot.randomization.streams import Streams
from surefoot.terrain.ground import Ground
from surefoot.terrain.layout import TerrainLayout
from surefoot.terrain.levels import TerrainLevels

EPISODE, DT = 10.0, 0.5
CURRICULUM = TerrainCurriculum(start_level=2, promote=1.0, demote=0.5)
GENERATOR = TerrainGenerator(
    seed=4,
    classes={"boxes": TerrainClass(proportion=2.0), "stairs_up": TerrainClass(proportion=1.0)},
    difficulty=(0.0, 1.0),
    levels=5,
    columns=3,
    tile_size=4.0,
    platform=0.5,
    resolution=0.1,
    border=0.5,
    curriculum=CURRICULUM,
)


def made(num_envs: int, frozen: bool = False) -> tuple[TerrainLevels, Streams, Ground]:
    streams = Streams(3, num_envs, "cpu")
    ground = Ground(TerrainLayout.from_generator(GENERATOR), torch.arange(num_envs) % 3, "cpu")
    return TerrainLevels(GENERATOR, ground, streams, EPISODE, frozen), streams, ground


def walk(levels: TerrainLevels, command: list[float], velocity: list[float], seconds: float) -> None:
    num_envs = len(levels.level)
    for _ in range(round(seconds / DT)):
        levels.step(torch.tensor([command] * num_envs), torch.tensor([velocity] * num_envs), DT)


def begin(levels: TerrainLevels, streams: Streams, failed: bool = False, valid: bool = True) -> None:
    num_envs = len(levels.level)
    everyone = torch.arange(num_envs)
    streams.begin_episode(everyone)
    levels.begin(everyone, torch.full((num_envs,), failed), torch.full((num_envs,), valid))


def change(
    command: list[float], velocity: list[float], seconds: float, failed: bool = False, valid: bool = True
) -> int:
    """By how much the level of an environment on level 1 changes."""
    levels, streams, _ = made(1)
    levels.level[:] = 1
    walk(levels, command, velocity, seconds)
    begin(levels, streams, failed, valid)
    return levels.level.item() - 1


def test_levels_at_the_start_are_spread_over_those_allowed() -> None:
    levels, _, ground = made(600)
    assert set(levels.level.tolist()) == {0, 1, 2}
    assert levels.level.bincount().min() > 150
    assert ground.tiles.tolist() == (levels.level * 3 + torch.arange(600) % 3).tolist()


@pytest.mark.parametrize(
    ("command", "velocity", "seconds", "failed", "expected"),
    [
        # Half a tile is 2 m.
        ([1.0, 0.0, 0.0], [0.9, 0.0, 0.0], 2.5, False, 1),  # 2.25 m walked
        ([1.0, 0.0, 0.0], [0.6, 0.0, 0.0], 3.0, False, 0),  # 1.8 m of 3 m
        ([1.0, 0.0, 0.0], [0.4, 0.0, 0.0], 4.0, False, -1),  # 1.6 m of 4 m
        ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], 10.0, False, -1),  # 10 m, but across the command
        ([1.0, 0.0, 0.0], [0.9, 0.0, 0.0], 1.0, True, -1),  # 0.9 m of the 10 m that were to come
        ([1.0, 0.0, 0.0], [0.9, 0.0, 0.0], 2.5, True, -1),  # far enough to go up, but fell
        ([1.0, 0.0, 0.0], [0.9, 0.0, 0.0], 6.0, True, 0),  # fell after more than half of the 10 m
        ([0.0, 0.0, 0.5], [0.0, 0.0, 0.0], 10.0, False, 0),  # nothing commanded, nothing owed
        ([0.6, -0.8, 0.0], [0.6, -0.8, 0.0], 2.5, False, 1),  # any direction
    ],
)
def test_level_follows_the_distance_along_the_command(
    command: list[float], velocity: list[float], seconds: float, failed: bool, expected: int
) -> None:
    assert change(command, velocity, seconds, failed) == expected


def test_faults_and_broken_off_episodes_change_nothing() -> None:
    assert change([1.0, 0.0, 0.0], [1.0, 0.0, 0.0], 5.0, valid=False) == 0
    levels, streams, _ = made(4)
    before = levels.level.clone()
    walk(levels, [1.0, 0.0, 0.0], [1.0, 0.0, 0.0], 5.0)
    levels.forget()
    begin(levels, streams)
    assert torch.equal(levels.level, before)


def test_distances_begin_anew_with_each_episode() -> None:
    levels, streams, _ = made(1)
    walk(levels, [1.0, 0.0, 0.0], [1.0, 0.0, 0.0], 1.5)
    begin(levels, streams)
    assert levels.walked.item() == levels.commanded.item() == levels.time.item() == 0


def test_lowest_level_stays_and_whoever_passes_the_last_goes_anywhere() -> None:
    levels, streams, ground = made(1000)
    levels.level[:] = 0
    walk(levels, [1.0, 0.0, 0.0], [0.0, 0.0, 0.0], 5.0)
    begin(levels, streams)
    assert not levels.level.any()
    levels.level[:] = 4
    walk(levels, [1.0, 0.0, 0.0], [1.0, 0.0, 0.0], 5.0)
    begin(levels, streams)
    assert levels.level.bincount().min() > 150 and len(levels.level.bincount()) == 5
    assert torch.equal(ground.tiles, levels.level * 3 + torch.arange(1000) % 3)


def test_without_curriculum_each_episode_draws_its_level_by_environment_and_number() -> None:
    levels, streams, _ = made(400, frozen=True)
    begin(levels, streams)
    first = levels.level.clone()
    walk(levels, [1.0, 0.0, 0.0], [1.0, 0.0, 0.0], 5.0)
    begin(levels, streams)
    assert first.bincount().min() > 50 and not torch.equal(first, levels.level)
    few, few_streams, _ = made(7, frozen=True)
    begin(few, few_streams)
    assert torch.equal(few.level, first[:7])
