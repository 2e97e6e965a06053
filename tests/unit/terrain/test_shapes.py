"""Terrain classes: heights that follow from the numbers of a class."""

import numpy as np
import pytest

from surefoot.errors import SurefootError, UnknownName
from surefoot.manifest.terrain_classes import TERRAIN_CLASSES
from surefoot.terrain import Tile, TileGeometry, tile_heights
from surefoot.terrain.shapes import SEEDED, SHAPES

GEOMETRY = TileGeometry(size=8.0, platform=1.5, resolution=0.05)
HARD = 1.0


def heights(terrain_class: str, difficulty: float = HARD, seed: int = 0, **params: tuple[float, float]) -> np.ndarray:
    return tile_heights(Tile(terrain_class, difficulty, seed, params=params), GEOMETRY)


def along_x(
    terrain_class: str, difficulty: float = HARD, **params: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Distance from the middle and height, along the line y = 0.025 m."""
    return GEOMETRY.offsets, heights(terrain_class, difficulty, **params)[:, GEOMETRY.points // 2]


def at(terrain_class: str, x: float, difficulty: float = HARD, **params: tuple[float, float]) -> float:
    places, line = along_x(terrain_class, difficulty, **params)
    return float(line[np.abs(places - x).argmin()])


def test_every_class_of_the_vocabulary_has_a_shape_and_nothing_else_has() -> None:
    assert set(SHAPES) == set(TERRAIN_CLASSES)


def test_tile_is_160_points_of_5_cm_none_of_them_in_the_middle_or_on_the_edge() -> None:
    assert heights("flat").shape == (160, 160)
    assert GEOMETRY.offsets[[0, 79, 80, -1]] == pytest.approx([-3.975, -0.025, 0.025, 3.975])


@pytest.mark.parametrize("terrain_class", TERRAIN_CLASSES)
@pytest.mark.parametrize("difficulty", [0.0, 0.37, 1.0])
def test_platform_is_level_at_height_0(terrain_class: str, difficulty: float) -> None:
    inside = np.abs(GEOMETRY.offsets) < 0.75
    assert not heights(terrain_class, difficulty)[np.ix_(inside, inside)].any()


@pytest.mark.parametrize("terrain_class", TERRAIN_CLASSES)
def test_heights_are_the_same_each_time_and_follow_the_seed_where_they_are_random(terrain_class: str) -> None:
    assert np.array_equal(heights(terrain_class, seed=5), heights(terrain_class, seed=5))
    assert np.array_equal(heights(terrain_class, seed=5), heights(terrain_class, seed=6)) == (
        terrain_class not in SEEDED
    )


def test_index_tells_tiles_of_one_seed_apart() -> None:
    first, second = (tile_heights(Tile("boxes", 1.0, 3, index), GEOMETRY) for index in (0, 1))
    assert not np.array_equal(first, second)


def test_stairs_climb_one_step_each_tread() -> None:
    # Step height at difficulty 0.5 between 0.03 and 0.20 m; treads of 0.3 m from the platform's edge at 0.75 m.
    step = 0.115
    for x, count in ((0.775, 1), (1.025, 1), (1.075, 2), (1.325, 2), (1.375, 3), (3.975, 11)):
        assert at("stairs_up", x, 0.5) == pytest.approx(count * step), x
        assert at("stairs_down", x, 0.5) == pytest.approx(-count * step), x


def test_stairs_are_square_rings() -> None:
    square = heights("stairs_up")
    assert np.array_equal(square, square.T) and np.array_equal(square, square[::-1])
    assert square[0, 40] == square[0, 0] == square[80, 0]


def test_slope_rises_by_its_number() -> None:
    assert at("slope_up", 2.775, 0.0) == pytest.approx(0.05 * 2.025)
    assert at("slope_down", -2.775, 1.0) == pytest.approx(-0.5 * 2.025)


def test_gaps_and_rails_are_where_their_widths_say() -> None:
    # Difficulty 1: ground 1 m, gap 0.3 m, from 0.75 m on: gaps at 1.75 to 2.05 and 3.05 to 3.35 m.
    assert [at("gaps", x) for x in (1.725, 1.775, 2.025, 2.075, 3.025, 3.075, 3.325, 3.375)] == [
        0, -0.5, -0.5, 0, 0, -0.5, -0.5, 0,
    ]  # fmt: skip
    # Rails 0.15 m wide after 0.8 m: 1.55 to 1.70 m.
    assert [round(at("rails", x), 6) for x in (1.525, 1.575, 1.675, 1.725)] == [0, 0.15, 0.15, 0]


def test_stepping_stones_leave_the_share_of_ground_that_their_sides_say() -> None:
    # Stones 0.3 m, gaps 0.2 m: (0.3 / 0.5)^2 of the ground, outside the platform.
    square = heights("stepping_stones")
    x = GEOMETRY.offsets
    outside = np.maximum(np.abs(x[:, None]), np.abs(x[None, :])) > 0.75
    assert set(np.unique(square)) == {0.0, -0.5}
    assert (square[outside] == 0).mean() == pytest.approx(0.36, abs=0.02)


def test_random_classes_stay_within_their_heights_and_use_them() -> None:
    for terrain_class, largest in (("random_rough", 0.08), ("boxes", 0.15), ("waves", 0.20)):
        square = heights(terrain_class)
        assert 0.8 * largest < np.abs(square).max() <= largest, terrain_class
    blocks = heights("discrete_obstacles")
    assert blocks.min() == 0 and 0.19 < blocks.max() <= 0.20
    high = blocks[blocks > 0]
    far = np.maximum(np.abs(GEOMETRY.offsets[:, None]), np.abs(GEOMETRY.offsets[None, :])) > 1.25  # beyond the blend
    assert blocks[far & (blocks > 0)].min() >= 0.10 and len(high) > 100


def test_random_rough_is_bilinear_between_its_points() -> None:
    # Points 0.2 m apart, 4 cells: second differences inside a cell are 0.
    square = heights("random_rough")[:20, :20].astype(float)
    second = np.abs(np.diff(square, n=2, axis=0))
    assert (second.max(axis=1) < 1e-6).sum() >= 9  # 18 triples, at least every second one within a cell


def test_difficulty_is_linear_between_the_ends() -> None:
    tile = Tile("stairs_up", 0.25, params={"step_height": (0.02, 0.10)})
    assert tile.shape_values == pytest.approx({"step_height": 0.04, "step_depth": 0.30})


def test_bad_tiles_are_refused_with_a_reason() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'stairs_up'"):
        Tile("stair_up", 0.5)
    with pytest.raises(SurefootError, match=r"difficulty from 0 to 1, got 1\.5"):
        Tile("flat", 1.5)
    with pytest.raises(SurefootError, match=r"params\.height: stairs_up has no such parameter"):
        Tile("stairs_up", 0.5, params={"height": (0.1, 0.2)})
    with pytest.raises(SurefootError, match=r"expected values > 0 m, got \[0\.0, 0\.1\]"):
        Tile("gaps", 0.5, params={"gap": (0.0, 0.1)})
    with pytest.raises(SurefootError, match="whole cells"):
        TileGeometry(size=8.0, platform=1.5, resolution=0.03)
    with pytest.raises(SurefootError, match="platform"):
        TileGeometry(size=2.0, platform=2.0, resolution=0.05)
