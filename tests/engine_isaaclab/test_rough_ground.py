"""Rough ground in the Isaac Lab that is here: meshes and rays against the lookups, contact, starts, levels, tiles."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from composed_tasks import composed
from engines_here import isaaclab_backend, make_isaaclab_env
from surefoot.engines.isaaclab import compat
from surefoot.engines.step import PhysicalState
from surefoot.randomization.conditions import Conditions, Kicks, Timetable
from surefoot.terrain.ground import HeightGrid
from surefoot.terrain.layout import TerrainLayout
from surefoot.terrain.tiles import TileGeometry

ROUGH, FLAT = "Surefoot-Velocity-Rough-Unitree-Go1-v0", "Surefoot-Velocity-Flat-Unitree-Go1-v0"
NUM = 24


@pytest.fixture(scope="module")
def env(isaaclab: str) -> Iterator[Any]:
    """On all classes and both levels, with Isaac Lab's own ray caster on the base."""
    from surefoot.engines.isaaclab import binder

    torch.set_num_threads(1)
    build = binder.build_env_cfg

    def with_ray_caster(*args: Any, **kwargs: Any) -> Any:
        from isaaclab.sensors import RayCasterCfg, patterns

        cfg = build(*args, **kwargs)
        cfg.scene.rays = RayCasterCfg(
            prim_path="{ENV_REGEX_NS}/Robot/trunk",
            offset=RayCasterCfg.OffsetCfg(pos=(0.0, 0.0, 20.0)),
            mesh_prim_paths=[binder.GROUND],
            ray_alignment="yaw",
            pattern_cfg=patterns.GridPatternCfg(resolution=0.1, size=(1.6, 1.0)),
        )
        return cfg

    binder.build_env_cfg = with_ray_caster
    try:
        built = make_isaaclab_env(composed(ROUGH, "randomization.bucket_by=[terrain_class]"), num_envs=NUM)
    finally:
        binder.build_env_cfg = build
    yield built
    built.close()


def stumble(env: Any, steps: int) -> Any:
    """Random actions; the last result."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        result = env.step(torch.randn(env.num_envs, 12, generator=generator))
    return result


def test_scan_agrees_with_isaac_labs_ray_caster(env: Any) -> None:
    """The bar is 1 cm for 99 % of the rays."""
    env.reset()
    stumble(env, 40)
    env.scene.sensors["rays"].update(0.0, force_recompute=True)
    hits = compat.as_tensor(env.scene.sensors["rays"].data.ray_hits_w)
    if (
        isaaclab_backend() == "ovphysx"
    ):  # 3.0.0's ray caster has the environments there in the order 0, 1, 10, 11, ..., 2
        order = sorted(range(NUM), key=str)
        hits = hits[[order.index(number) for number in range(NUM)]]
    scan = env.robot_state.read("height_scan")
    expected = env.robot_state.read("base_pos_w")[:, 2:] - hits[..., 2]
    error = (scan - expected).abs().flatten()
    sees_robot = isaaclab_backend() == "newton_mjwarp"  # whose caster in 3.0.0 also hits the robot below it
    assert error.quantile(0.9 if sees_robot else 0.99) < 0.01
    assert error.median() < 1e-5
    assert scan.std() > 0.02


def test_the_mesh_has_the_points_of_the_lookup_and_no_others(env: Any) -> None:
    points, _ = on_stage()
    layout = env.ground.layout
    nx, ny = layout.heights.shape
    x, y = (layout.origin[axis] + layout.resolution * np.arange(count) for axis, count in ((0, nx), (1, ny)))
    seen = {(round(float(a), 4), round(float(b), 4)): float(z) for a, b, z in points}
    assert len(seen) == nx * ny
    heights = [[seen[round(float(a), 4), round(float(b), 4)] for b in y] for a in x]
    assert np.abs(np.array(heights) - layout.heights).max() < 1e-6


def on_stage() -> tuple[np.ndarray, np.ndarray]:
    """Points (m, world) and triangles of the ground."""
    import isaaclab.sim as sim_utils
    from pxr import UsdGeom

    from surefoot.engines.isaaclab.binder import MESH

    stage = sim_utils.SimulationContext.instance().stage
    mesh = UsdGeom.Mesh(stage.GetPrimAtPath(MESH))
    return np.array(mesh.GetPointsAttr().Get()), np.array(mesh.GetFaceVertexIndicesAttr().Get()).reshape(-1, 3)


def test_episodes_start_on_the_platform_and_the_ground_carries_them(env: Any) -> None:
    env.reset()
    state = env.robot_state
    assert torch.allclose(state.read("base_height"), torch.full((NUM,), env.manifest.robot.base_height), atol=1e-5)
    assert (state.read("base_pos_w")[:, :2] - env.ground.origins[:, :2]).abs().max() <= 0.4
    assert torch.equal(env.scene.env_origins, env.ground.origins)
    force, stands = torch.zeros(NUM), torch.ones(NUM, dtype=torch.bool)
    for step in range(75):
        result = env.step(torch.zeros(NUM, 12))
        assert not result.faults.any()
        stands &= ~(result.terminated | result.truncated)
        if step >= 50:
            force += state.read("foot_force_w")[..., 2].sum(dim=1) / 25
    assert int(stands.sum()) > NUM / 3  # starts are random, and nobody balances
    assert torch.allclose(force[stands], 9.81 * env.total_mass()[stands], rtol=0.1)


def test_feet_in_contact_are_at_the_height_of_the_lookup(env: Any) -> None:
    env.reset()
    heights = []
    for _ in range(5):
        stumble(env, 8)
        state = env.robot_state
        heights.append(state.read("foot_height")[state.read("foot_in_contact")])
    height = torch.cat(heights)
    assert len(height) > 100
    # As deep as on a plane (the double's contacts give way at 20 ms), as high as a foot of 2.3 cm beside a riser.
    assert height.quantile(0.05) > -0.05 and height.quantile(0.95) < 0.05
    assert height.abs().median() < 0.02


def test_leaving_the_tile_truncates_the_episode(env: Any) -> None:
    env.reset()
    read, everyone = env.robot_state.read, torch.arange(NUM)
    position = read("base_pos_w").clone()
    position[0, 0] = env.ground.origins[0, 0] + env.ground.half_tile - 0.3  # the margin is 0.4 m
    position[0, 2] += 1.0
    zero = torch.zeros(NUM, 3)
    env.write_base(everyone, pos_w=position, quat_w=read("base_quat_w").clone(), lin_vel_w=zero, ang_vel_b=zero)
    env.refresh(everyone)
    assert float(read("distance_to_tile_edge")[0]) == pytest.approx(0.3, abs=1e-5)
    result = env.step(torch.zeros(NUM, 12))
    assert result.truncated[0] and not result.terminated[0]
    assert not result.truncated[1:].any()
    assert float(env.robot_state.read("distance_to_tile_edge")[0]) > 2.0  # the next episode is in the middle


def test_levels_move_the_origins_and_buckets_name_the_class(env: Any) -> None:
    env.reset()
    levels, ground = env.terrain_levels, env.ground
    assert env.buckets.labels == tuple(env.manifest.task.terrain.generator.classes)
    assert torch.equal(env.buckets.ids, ground.classes())
    levels.level[:] = 0
    levels.walked[:] = 100.0
    levels.time[:] = 1.0
    env.episode_length_buf[:] = env.max_episode_length
    env.step(torch.zeros(NUM, 12))
    assert levels.level.tolist() == [1] * NUM
    assert torch.equal(ground.tiles // 12, levels.level)
    assert (env.robot_state.read("base_pos_w")[:, :2] - ground.origins[:, :2]).abs().max() <= 0.41
    assert torch.equal(env.scene.env_origins, ground.origins)


@pytest.mark.parametrize("border", [0.0, 0.3])
def test_tiles_of_an_incomplete_last_row(isaaclab: str, border: float) -> None:
    """Meshes of Isaac Lab's generator against the lookups, between the points too."""
    import json

    from surefoot.engines.isaaclab import terrain

    geometry = TileGeometry(size=3.0, platform=1.0, resolution=0.1)
    tiles = [("stairs_up", 1.0, 0), ("waves", 0.7, 3), ("boxes", 0.5, 1)]
    layout = TerrainLayout.from_tiles(tiles, geometry, border)
    source = json.dumps({"tiles": tiles})
    original, terrain.layout_of = terrain.layout_of, lambda _: layout
    try:
        made = terrain.LayoutTerrain(terrain.terrain_cfg(source, "/World/ground").terrain_generator)
    finally:
        terrain.layout_of = original
    assert np.allclose(made.terrain_origins.reshape(-1, 3)[:3, :2], layout.centers)
    corners = made.terrain_mesh.vertices[made.terrain_mesh.faces]
    nx, ny = layout.heights.shape
    assert len(corners) == 2 * (nx - 1) * (ny - 1)  # every cell once
    assert (np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2] > 0).all()
    inside = torch.tensor(corners.mean(axis=1), dtype=torch.float32)
    found = HeightGrid(layout, "cpu").height(inside[:, 0], inside[:, 1])
    assert torch.allclose(found, inside[:, 2], atol=1e-5)


def test_imposed_tiles_are_those_of_their_environments(isaaclab: str, env: Any) -> None:
    """Tiles, payload and values left to the robot, as a panel's cells name them; after `env`, which makes room."""
    env.close()
    cells, none = torch.tensor([1, 0, 1, 2]), torch.full((4, 1), torch.inf)
    conditions = Conditions(
        keys=torch.arange(4),
        factors={"friction": torch.tensor([0.2, 0.3, torch.nan, 0.9]), "payload_mass": torch.arange(4.0)},
        tiles=cells,
        kicks=Kicks(none, none, torch.zeros(4, 1, 3)),
        timetable=Timetable(torch.zeros(4, 1), torch.zeros(4, 1, 3)),
        ground=(("flat", 0.0, 0), ("stairs_up", 1.0, 0), ("waves", 0.5, 7)),
    )
    built = make_isaaclab_env(composed(FLAT, "randomization.bucket_by=[]"), evaluation=True, conditions=conditions)
    try:
        state, ground = built.robot_state, built.ground
        assert [ground.layout.classes[i] for i in ground.classes()] == ["stairs_up", "flat", "stairs_up", "waves"]
        built.reset()
        height = built.manifest.robot.base_height
        assert torch.allclose(state.read("base_height"), torch.full((4,), height), atol=1e-5)
        assert state.read("distance_to_tile_edge").min() > 9
        moved = state.read("base_pos_w").clone()
        moved[0, 0] = ground.origins[0, 0] + 3.0  # 2.25 m beyond the platform: the eighth step of 0.2 m
        moved[0, 1] = ground.origins[0, 1]
        zero = torch.zeros(4, 3)
        everyone = torch.arange(4)
        built.write_base(
            everyone, pos_w=moved, quat_w=state.read("base_quat_w").clone(), lin_vel_w=zero, ang_vel_b=zero
        )
        built.refresh(everyone)
        assert float(state.read("base_height")[0]) == pytest.approx(height - 1.6, abs=1e-4)
        mass = built.total_mass()
        assert torch.allclose(mass - mass[0], torch.arange(4.0), atol=1e-4)
        nominal = built.manifest.robot.contact_models["lean"].foot_friction[0]
        found = [
            int(torch.isclose(row, torch.tensor(mu)).sum())
            for row, mu in zip(built.handle.friction(), (0.2, 0.3, nominal, 0.9), strict=True)
        ]
        assert found == [4] * 4
    finally:
        built.close()


def test_on_a_slope_the_imu_feels_the_slope(isaaclab: str, env: Any) -> None:
    """Facing uphill on 9.5 % (0.9 x 0.05 + 0.1 x 0.50): gravity is (-sin, 0, -cos); the gyro tells how it changes."""
    env.close()
    none = torch.full((2, 1), torch.inf)
    conditions = Conditions(
        keys=torch.arange(2),
        factors={"friction": torch.ones(2), "payload_mass": torch.zeros(2)},
        tiles=torch.tensor([0, 1]),
        kicks=Kicks(none, none, torch.zeros(2, 1, 3)),
        timetable=Timetable(torch.zeros(2, 1), torch.zeros(2, 1, 3)),
        ground=(("slope_up", 0.1, 0), ("slope_down", 0.1, 0)),
    )
    fine = ("simulation.timestep=0.002", "simulation.decimation=1")  # PhysX's legs bounce within a step of 20 ms
    manifest = composed(FLAT, "randomization.bucket_by=[]", *fine)
    built = make_isaaclab_env(manifest, evaluation=True, conditions=conditions)
    try:
        built.reset()
        state, everyone, angle = built.robot_state, torch.arange(2), math.atan(0.095)
        turn = torch.tensor([-0.5 * angle, 0.5 * angle])  # about y: nose up, nose down
        quat = torch.stack((turn.cos(), torch.zeros(2), turn.sin(), torch.zeros(2)), dim=1)
        moved = built.ground.origins + torch.tensor([3.0, 0.0, 0.0])  # 2.25 m beyond the platform
        height = built.manifest.robot.base_height / math.cos(angle)
        moved[:, 2] = torch.tensor([1.0, -1.0]) * 2.25 * 0.095 + height
        # PhysX lifts what is in the ground without a velocity that a gyro could feel.
        lifted = isaaclab_backend() == "ovphysx"
        moved[:, 2] += 0.02 if lifted else 0.0
        zero = torch.zeros(2, 3)
        default = state.read("default_joint_pos").expand(2, -1)
        built.write_state(
            everyone,
            PhysicalState(
                pos_w=moved, quat_w=quat, lin_vel_w=zero, ang_vel_b=zero, joint_pos=default, joint_vel=0 * default
            ),
        )
        built.refresh(everyone)
        up, down = (float(x) for x in state.read("projected_gravity_b")[:, 0])
        assert (up, down) == pytest.approx((-math.sin(angle), math.sin(angle)), abs=1e-5)
        feet = state.read("foot_height")
        assert float((feet - feet.mean(dim=1, keepdim=True)).abs().max()) < 0.01  # the body lies along the slope
        before = state.read("projected_gravity_b").clone()
        turned, rate = torch.zeros(2, 3), state.read("base_ang_vel_b").clone()
        gravity = before.clone()
        for _ in range(250):  # legs give way; what the gyro adds up to is how gravity moves in the base's frame
            built.step(torch.zeros(2, 12))
            mean = 0.5 * (rate + state.read("base_ang_vel_b"))
            turned -= torch.linalg.cross(mean, gravity) * built.step_dt
            rate, gravity = state.read("base_ang_vel_b").clone(), state.read("projected_gravity_b").clone()
        assert torch.allclose(gravity - before, turned, atol=0.02 if lifted else 0.01)
        assert (gravity - before).abs().max() > 0.03
        assert state.read("foot_in_contact").float().mean() > 0.7
    finally:
        built.close()
