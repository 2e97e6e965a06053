"""The drawn ground: a window of the layout that follows the robot, with the heights of the lookups."""

import numpy as np
import pytest
import torch

from surefoot.engines.drawing.ground import WINDOW
from surefoot.engines.drawing.stage import Stage, check_drawable
from surefoot.errors import EngineError
from surefoot.manifest import compose_manifest
from surefoot.terrain.ground import HeightGrid
from surefoot.terrain.layout import TerrainLayout
from surefoot_tasks import manifest_root

ROBOT = compose_manifest(manifest_root(), "Surefoot-Velocity-Flat-Unitree-Go1-v0").robot
LAYOUT = TerrainLayout.from_tiles([("stairs_up", 0.8, seed) for seed in range(36)])
UPRIGHT, JOINTS = [1.0, 0.0, 0.0, 0.0], ROBOT.default_joint_pos


def drawn_points(stage: Stage) -> np.ndarray:
    """Points of the height field in the model, m, world. Shape (n, 3)."""
    field, place = stage.model.hfield("ground"), stage.model.body("ground").pos
    half_x, half_y, height, _ = field.size
    ny, nx = field.data.shape
    x, y = np.meshgrid(np.linspace(-half_x, half_x, nx), np.linspace(-half_y, half_y, ny))
    return np.stack((x, y, field.data * height), axis=-1).reshape(-1, 3) + place


@pytest.mark.parametrize("at", [(0.0, 0.0), (7.3, -5.1), (-100.0, 100.0)])
def test_the_window_holds_the_heights_around_the_robot(at: tuple[float, float]):
    stage = Stage(ROBOT, LAYOUT)
    stage.place([*at, 1.0], UPRIGHT, JOINTS)
    points = drawn_points(stage)
    x, y = torch.tensor(points[:, :2], dtype=torch.float32).T
    heights = HeightGrid(LAYOUT, "cpu").height(x, y).numpy()
    np.testing.assert_allclose(points[:, 2], heights, rtol=0, atol=1e-3)
    assert np.ptp(points[:, 2]) > 0.5  # stairs
    inside = np.array(LAYOUT.origin) + WINDOW / 2
    middle = np.clip(at, inside, -inside)  # at the edge of the layout it stays inside
    assert np.abs(points[:, :2].mean(axis=0) - middle).max() < 0.6
    assert len(points) < LAYOUT.heights.size / 3


def test_the_window_moves_after_some_metres_only_and_by_whole_metres():
    stage = Stage(ROBOT, LAYOUT)
    assert stage.place([0.0, 0.0, 1.0], UPRIGHT, JOINTS)
    before = stage.model.body("ground").pos.copy()
    assert not stage.place([3.0, 0.0, 1.0], UPRIGHT, JOINTS)
    assert not stage.place([np.nan, 0.0, 1.0], UPRIGHT, JOINTS)
    assert stage.place([5.2, 0.0, 1.0], UPRIGHT, JOINTS)
    np.testing.assert_allclose(stage.model.body("ground").pos - before, [5.0, 0.0, 0.0], atol=1e-9)


def test_a_ground_smaller_than_the_window_is_drawn_whole():
    small = TerrainLayout.from_tiles([("slope_up", 0.5, 0)])
    stage = Stage(ROBOT, small)
    assert stage.place([0.0, 0.0, 1.0], UPRIGHT, JOINTS)
    assert not stage.place([6.0, 0.0, 1.0], UPRIGHT, JOINTS)
    assert stage.model.hfield("ground").data.size == small.heights.size


def test_a_robot_without_mjcf_cannot_be_drawn():
    anymal = compose_manifest(manifest_root(), "Surefoot-Velocity-Flat-Anymal-D-v0").robot
    with pytest.raises(EngineError, match=r"robot\.assets\.mujoco.*'anymal_d' has none"):
        check_drawable(anymal)
