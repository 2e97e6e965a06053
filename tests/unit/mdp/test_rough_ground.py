"""What RobotState says of the ground: heights over it, the scan, and how the scan mirrors."""

import math

import pytest
import torch

from surefoot.errors import EngineError, ManifestError
from surefoot.manifest import Manifest, validate
from surefoot.mdp.observation_layout import observation_layout, observation_mirror
from surefoot.terrain import TerrainLayout, TileGeometry
from surefoot.terrain.ground import Ground
from table_state import TableState

GEOMETRY = TileGeometry(size=4.0, platform=0.4, resolution=0.05)


@pytest.fixture
def scanned(go1_manifest: Manifest) -> Manifest:
    """5 points forward, 3 sideways; the critic sees them."""
    plain = go1_manifest.to_plain()
    plain["task"]["height_scan"] = {"size": [0.4, 0.2], "resolution": 0.1}
    plain["task"]["observations"]["critic"]["terms"]["scan"] = {"func": "height_scan", "params": {"offset": 0.25}}
    return validate(plain)


@pytest.fixture
def state(scanned: Manifest) -> TableState:
    """Both robots on a slope that rises by 0.5 for each metre away from a platform of 0.4 m."""
    layout = TerrainLayout.from_tiles([("slope_up", 1.0, 0), ("flat", 0.0, 0)], GEOMETRY)
    return TableState(scanned, 2, Ground(layout, torch.tensor([0, 1]), "cpu"))


def test_heights_are_over_the_ground_under_the_point(state: TableState) -> None:
    # The tiles are side by side along y; the first one's middle is at y = -2 m, and 1 m from it the ground is at 0.4 m.
    state.table["base_pos_w"][:] = torch.tensor([[1.0, -2.0, 0.7], [1.0, 2.0, 0.7]])
    state.table["foot_pos_w"][:, 0] = torch.tensor([[-1.2, -2.0, 0.6], [-1.2, 2.0, 0.6]])
    radius = state.manifest.robot.feet[0].radius
    assert state.read("base_height").tolist() == pytest.approx([0.3, 0.7], abs=1e-5)
    assert state.read("foot_height")[:, 0].tolist() == pytest.approx([0.1 - radius, 0.6 - radius], abs=1e-5)


def test_distance_to_the_tile_edge_is_that_of_the_nearer_axis(state: TableState) -> None:
    state.table["base_pos_w"][:] = torch.tensor([[1.5, -2.1, 0.7], [-0.2, 4.3, 0.3]])
    assert state.read("distance_to_tile_edge").tolist() == pytest.approx([0.5, -0.3], abs=1e-6)
    assert state.read("distance_from_origin").tolist() == pytest.approx([math.hypot(1.5, 0.1), math.hypot(0.2, 2.3)])


def test_scan_follows_heading_not_tilt(state: TableState) -> None:
    """Facing world y at the slope's middle; points forward are along y, points to the left along -x."""
    yaw, roll = math.radians(90), math.radians(20)
    cy, sy, cr, sr = math.cos(yaw / 2), math.sin(yaw / 2), math.cos(roll / 2), math.sin(roll / 2)
    state.table["base_quat_w"][:] = torch.tensor([cy * cr, cy * sr, sy * sr, sy * cr])
    state.table["base_pos_w"][:] = torch.tensor([[1.0, -2.0, 0.9], [1.0, 2.0, 0.9]])
    scan = state.read("height_scan")[0].unflatten(0, (3, 5))
    # The ground's height depends on x alone here: rows from right (x = 1.1 m) to left (x = 0.9 m).
    for row, height in zip(scan, (0.45, 0.40, 0.35), strict=True):
        assert row.tolist() == pytest.approx([0.9 - height] * 5, abs=1e-5)
    assert state.read("height_scan")[1].tolist() == pytest.approx([0.9] * 15)


def test_scan_without_ground_is_the_height_of_the_base(scanned: Manifest) -> None:
    state = TableState(scanned, 2)
    state.table["base_pos_w"][:, 2] = 0.3
    assert state.read("height_scan").tolist() == [pytest.approx([0.3] * 15)] * 2
    assert state.read("distance_to_tile_edge").tolist() == [math.inf, math.inf]


def test_scan_mirrors_as_the_world_does(scanned: Manifest) -> None:
    """A robot on mirrored ground, with its mirror image's pose, sees the mirrored scan."""
    layout = TerrainLayout.from_tiles([("random_rough", 1.0, 3)], GEOMETRY)
    flipped = TerrainLayout(
        layout.tiles, layout.classes, layout.geometry, 1, layout.heights[:, ::-1].copy(), layout.centers
    )
    scans = []
    for ground, sign in ((layout, 1.0), (flipped, -1.0)):
        state = TableState(scanned, 1, Ground(ground, torch.tensor([0]), "cpu"))
        state.table["base_pos_w"][0] = torch.tensor([0.63, sign * 0.91, 0.3])
        half = sign * 0.4
        state.table["base_quat_w"][0] = torch.tensor([math.cos(half), 0.0, 0.0, math.sin(half)])
        scans.append(state.read("height_scan")[0])
    block = observation_layout(scanned, "critic")[-1]
    mirror = observation_mirror(scanned, "critic")
    index = torch.tensor(mirror.index[block.start :]) - block.start
    assert mirror.sign[block.start :] == (1.0,) * 15
    # Cells are cut along another diagonal in the mirror: equal at the points of the grid, nearly so between them.
    assert (scans[0][index] - scans[1]).abs().max() < 0.02 < (scans[0] - scans[1]).abs().max()


def test_scan_that_the_manifest_does_not_have_is_refused(go1_manifest: Manifest) -> None:
    plain = go1_manifest.to_plain()
    plain["task"]["observations"]["critic"]["terms"]["scan"] = {"func": "height_scan", "params": {"offset": 0.25}}
    with pytest.raises(
        ManifestError, match=r"task\.observations\.critic\.terms\.scan: height_scan reads 'height_scan'"
    ):
        validate(plain)
    with pytest.raises(EngineError, match=r"task\.height_scan is null"):
        TableState(go1_manifest, 1).read("height_scan")


def test_actor_may_read_the_scan_only_by_name(scanned: Manifest) -> None:
    plain = scanned.to_plain()
    plain["task"]["observations"]["actor"]["terms"]["scan"] = {"func": "height_scan", "params": {"offset": 0.25}}
    with pytest.raises(ManifestError, match="observation leak: the actor would read 'height_scan'"):
        validate(plain)
    plain["task"]["observations"]["actor"]["allow_privileged"] = ["height_scan"]
    assert observation_layout(validate(plain), "actor")[-1].size == 15
