"""Tiles in one grid, and heights between its points."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.errors import SurefootError
from surefoot.manifest.terrain import TerrainClass, TerrainCurriculum, TerrainGenerator
from surefoot.terrain import TerrainLayout, Tile, TileGeometry, tile_heights
from surefoot.terrain.ground import Ground, HeightGrid
from surefoot.terrain.layout import generated_layout

SMALL = TileGeometry(size=2.0, platform=0.5, resolution=0.1)
TILES = [("boxes", 0.3, 1), ("stairs_up", 1.0, 0), ("boxes", 0.3, 2), ("random_rough", 0.5, 1), ("flat", 0.0, 0)]


def generator(**changes: object) -> TerrainGenerator:
    values: dict[str, object] = {
        "seed": 4,
        "classes": {"boxes": TerrainClass(proportion=2.0), "stairs_up": TerrainClass(proportion=1.0)},
        "difficulty": (0.2, 0.8),
        "levels": 4,
        "columns": 3,
        "tile_size": 2.0,
        "platform": 0.5,
        "resolution": 0.1,
        "border": 0.5,
        "curriculum": TerrainCurriculum(start_level=2, promote=1.0, demote=0.5),
    }
    return TerrainGenerator(**(values | changes))  # pyright: ignore[reportArgumentType]


def test_rows_are_levels_and_columns_are_classes() -> None:
    layout = TerrainLayout.from_generator(generator())
    assert [tile.terrain_class for tile in layout.tiles[:3]] == ["boxes", "boxes", "stairs_up"]
    assert [tile.difficulty for tile in layout.tiles[::3]] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    # 4 x 3 tiles of 20 points and a border of 5 points on each side.
    assert layout.heights.shape == (90, 70)
    assert layout.origin == pytest.approx((-4.45, -3.45))
    assert layout.centers[0] == pytest.approx([-3, -2]) and layout.centers[-1] == pytest.approx([3, 2])
    assert not layout.heights[:5].any() and not layout.heights[:, -5:].any()
    assert layout.class_ids[:3].tolist() == [0, 0, 1]


def test_columns_by_largest_remainder_with_one_for_each_class() -> None:
    classes = {name: TerrainClass(proportion=share) for name, share in (("flat", 0.01), ("boxes", 6.0), ("waves", 3.0))}
    # 10 - 3 spare columns: 0.008, 4.66, 2.33 of them.
    assert generator(classes=classes, columns=10).class_columns == {"flat": 1, "boxes": 6, "waves": 3}


@settings(max_examples=20)
@given(st.permutations(TILES))
def test_a_tile_depends_on_nothing_but_itself(order: list[tuple[str, float, int]]) -> None:
    layout = TerrainLayout.from_tiles(order, SMALL, border=0.0)
    for index, given_tile in enumerate(order):
        x, y = (layout.centers[index] - np.array(layout.origin)) / layout.resolution - 9.5
        square = layout.heights[round(x) : round(x) + 20, round(y) : round(y) + 20]
        assert np.array_equal(square, tile_heights(Tile(*given_tile), SMALL)), given_tile


def test_tiles_of_a_generator_stay_when_classes_or_levels_are_added() -> None:
    few = TerrainLayout.from_generator(generator())
    more_classes = {**generator().classes, "flat": TerrainClass(proportion=1.0)}
    more = TerrainLayout.from_generator(generator(classes=more_classes, columns=4))
    where_few, where_more = (
        {(tile.terrain_class, tile.index): tile for tile in layout.tiles if tile.difficulty == pytest.approx(0.4)}
        for layout in (few, more)
    )
    assert where_few.items() <= where_more.items()


def test_heights_at_points_are_the_grid_and_in_cells_two_triangles() -> None:
    layout = TerrainLayout.from_tiles(TILES, SMALL)
    grid = HeightGrid(layout, "cpu")
    x0, y0 = layout.origin
    i, j = 34, 12
    corners = layout.heights[i : i + 2, j : j + 2].astype(float)
    x, y = x0 + 0.1 * (i + torch.tensor([0.0, 0.5, 0.75, 0.25])), y0 + 0.1 * (j + torch.tensor([0.0, 0.5, 0.25, 0.75]))
    (low, left), (right, far) = corners
    expected = [low, (low + far) / 2, low + 0.75 * (right - low) + 0.25 * (far - right)]
    expected.append(low + 0.75 * (left - low) + 0.25 * (far - left))
    assert len(set(corners.flatten())) == 4
    assert grid.height(x, y).tolist() == pytest.approx(expected, abs=1e-5)


def test_beyond_the_grid_the_height_of_its_edge_is_taken() -> None:
    layout = TerrainLayout.from_tiles([("slope_up", 1.0, 0)], SMALL, border=0.0)
    grid = HeightGrid(layout, "cpu")
    edge = float(layout.heights[-1, 10])
    assert grid.height(torch.tensor([50.0]), torch.tensor([0.05])).item() == pytest.approx(edge, abs=1e-3)
    assert torch.isfinite(grid.height(torch.tensor([1e9, -1e9]), torch.tensor([-1e9, 1e9]))).all()


def test_ground_places_environments_on_tiles() -> None:
    layout = TerrainLayout.from_tiles(TILES, SMALL)
    ground = Ground(layout, torch.tensor([1, 4, 1]), "cpu")
    assert ground.classes().tolist() == [1, 3, 1]  # boxes, stairs_up, random_rough, flat
    ground.place(torch.tensor([2]), torch.tensor([3]))
    assert ground.origins[2, :2].tolist() == pytest.approx(layout.centers[3].tolist())
    assert ground.tiles.tolist() == [1, 4, 3] and ground.origins[:, 2].tolist() == [0, 0, 0]


def test_equal_sections_share_one_layout_that_nobody_can_write_to() -> None:
    assert generated_layout(generator()) is generated_layout(generator())
    with pytest.raises(ValueError, match="read-only"):
        generated_layout(generator()).heights[0, 0] = 1


def test_no_tiles_and_too_many_points_are_refused() -> None:
    with pytest.raises(SurefootError, match="at least one tile"):
        TerrainLayout.from_tiles([])
    with pytest.raises(SurefootError, match="coarser resolution"):
        TerrainLayout.from_tiles([("flat", 0, 0)] * 16, TileGeometry(200.0, 1.0, 0.05))
