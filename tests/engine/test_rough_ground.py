"""Rough ground in MuJoCo: lookups against rays and contacts, resets, tiles, levels, snapshots."""

from typing import Any

import mujoco
import numpy as np
import pytest
import torch

from cases import largest, random_actions, roll
from surefoot.engines.mujoco import make_env
from surefoot.engines.mujoco.env import MujocoEnv
from surefoot.manifest import Manifest, compose_manifest
from surefoot.randomization.conditions import Conditions, Kicks, Timetable
from surefoot_tasks import manifest_root

FLAT = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
ROUGH = "Surefoot-Velocity-Rough-Unitree-Go1-v0"
SMALL = ["task.terrain.generator.levels=3", "task.terrain.generator.curriculum.start_level=2"]
DOWN = np.array([0.0, 0.0, -1.0])


def rough(*overrides: str) -> Manifest:
    return compose_manifest(manifest_root(), ROUGH, [*SMALL, *overrides])


def rough_env(num_envs: int, *overrides: str, **kwargs: Any) -> MujocoEnv:
    return make_env(rough(*overrides), device="cpu", num_envs=num_envs, **kwargs)


@pytest.fixture(scope="module")
def walked() -> MujocoEnv:
    """24 robots that have stumbled about for a second, on all classes and levels."""
    env = rough_env(24)
    roll(env, random_actions(50, 24))
    return env


def ray_height(model: mujoco.MjModel, data: mujoco.MjData, x: float, y: float) -> float:
    """Height of the ground by MuJoCo's ray casting; rays meet the static body alone."""
    hit = np.zeros(1, dtype=np.int32)
    distance = mujoco.mj_ray(model, data, np.array([x, y, 20.0]), DOWN, None, 1, -1, hit)
    assert model.geom(int(hit[0])).name == "terrain"
    return 20.0 - distance


def test_scan_agrees_with_ray_casting(walked: MujocoEnv) -> None:
    """The bar is 1 cm for 99 % of the rays; robots are moved aside so that no ray meets one."""
    env = walked
    assert env.ground is not None
    model = env.sim.mj_model
    data = mujoco.MjData(model)
    data.qpos[2] = 50.0
    mujoco.mj_forward(model, data)
    state = env.robot_state
    pos, quat, scan = (state.read(name).clone() for name in ("base_pos_w", "base_quat_w", "height_scan"))
    forward = torch.linspace(-0.8, 0.8, 17).repeat(11)
    left = torch.linspace(-0.5, 0.5, 11).repeat_interleave(17)
    errors: list[float] = []
    for index in range(env.num_envs):
        w, x, y, z = quat[index].double().tolist()
        yaw = np.arctan2(2 * (x * y + w * z), 1 - 2 * (y * y + z * z))
        for ray in range(187):
            f, side = float(forward[ray]), float(left[ray])
            at_x = float(pos[index, 0]) + np.cos(yaw) * f - np.sin(yaw) * side
            at_y = float(pos[index, 1]) + np.sin(yaw) * f + np.cos(yaw) * side
            expected = float(pos[index, 2]) - ray_height(model, data, at_x, at_y)
            errors.append(abs(expected - float(scan[index, ray])))
    assert np.quantile(errors, 0.99) < 0.01
    assert np.median(errors) < 1e-5
    assert scan.std() > 0.02


def test_feet_in_contact_are_at_the_height_of_the_lookup(walked: MujocoEnv) -> None:
    state = walked.robot_state
    height = state.read("foot_height")[state.read("foot_in_contact")]
    assert len(height) > 30
    # As deep as on a plane (soft contacts at 10 ms), as high as a foot of 2.3 cm beside a riser.
    assert height.quantile(0.05) > -0.03 and height.quantile(0.95) < 0.05


def height_after_a_second(native: bool) -> float:
    """A ball of a foot's size that starts with its centre 1 cm below a level height field of 5 cm cells, m."""
    spec = mujoco.MjSpec()
    spec.add_hfield(name="ground", size=(1, 1, 0.1, 1), nrow=41, ncol=41, userdata=np.zeros(41 * 41))
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_HFIELD, hfieldname="ground")
    ball = spec.worldbody.add_body(pos=(0.012, 0.007, -0.01))
    ball.add_freejoint()
    ball.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=(0.023, 0, 0), mass=1.0)
    model = spec.compile()
    if not native:
        model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_NATIVECCD
    data = mujoco.MjData(model)
    mujoco.mj_step(model, data, 500)
    return float(data.qpos[2])


def test_a_foot_that_was_pressed_into_the_ground_comes_out(walked: MujocoEnv) -> None:
    """MuJoCo's own convex collisions let it sink; the engine's do not."""
    assert walked.sim.mj_model.opt.disableflags & mujoco.mjtDisableBit.mjDSBL_NATIVECCD
    assert height_after_a_second(native=True) < -0.01
    assert height_after_a_second(native=False) == pytest.approx(0.023, abs=0.002)


def test_ground_is_what_the_contact_sensors_watch(walked: MujocoEnv) -> None:
    model = walked.sim.mj_model
    geom = model.geom("terrain")
    assert geom.type == mujoco.mjtGeom.mjGEOM_HFIELD and model.body(int(geom.bodyid[0])).name == "terrain"
    assert walked.robot_state.read("foot_in_contact").any()


def test_episodes_start_on_the_platform_with_their_feet_on_the_ground() -> None:
    env = rough_env(48)
    env.reset()
    state = env.robot_state
    assert env.ground is not None
    assert largest(state.read("base_height"), torch.full((48,), env.manifest.robot.base_height)) < 1e-5
    offset = state.read("base_pos_w")[:, :2] - env.ground.origins[:, :2]
    assert offset.abs().max() <= 0.4
    assert largest(env.scene.env_origins, env.ground.origins) == 0
    assert len(env.ground.tiles.unique()) > 12
    for _ in range(50):
        result = env.step(torch.zeros(48, 12))
    assert not result.faults.any()
    assert (state.read("foot_in_contact").sum(dim=1) >= 3).float().mean() > 0.9


def test_leaving_the_tile_truncates_the_episode_and_is_not_a_failure() -> None:
    env = rough_env(12)
    env.reset()
    away = env.sim.data.qpos
    away[0, 0:1] = away[0, 0:1] + 3.7  # the edge is at 4 m, the margin 0.4 m
    env.robot_state.invalidate()
    env.sim.forward()
    result = env.step(torch.zeros(12, 12))
    assert result.truncated[0] and not result.terminated[0]
    assert not result.truncated[1:].any()


def test_levels_move_the_origins_and_buckets_name_the_class() -> None:
    env = rough_env(36, "randomization.bucket_by=[terrain_class]")
    assert env.ground is not None and env.terrain_levels is not None
    env.reset()
    levels, ground = env.terrain_levels, env.ground
    assert env.buckets.labels == tuple(env.manifest.task.terrain.generator.classes)  # pyright: ignore
    assert torch.equal(env.buckets.ids, ground.classes())
    levels.level[:] = 0
    levels.walked[:] = 100.0
    levels.time[:] = 1.0
    env.episode_length_buf[:] = env.max_episode_length
    env.step(torch.zeros(36, 12))
    assert levels.level.tolist() == [1] * 36
    assert torch.equal(ground.tiles // 12, levels.level)
    height = env.robot_state.read("base_pos_w")[:, :2] - ground.origins[:, :2]
    assert height.abs().max() <= 0.41
    assert torch.equal(env.buckets.ids, ground.classes())


def test_a_restored_environment_goes_on_exactly() -> None:
    env, again = rough_env(12), rough_env(12)
    actions = random_actions(60, 12, scale=1.0)
    roll(env, actions[:30])
    assert env.terrain_levels is not None and again.terrain_levels is not None
    again.load_state_dict(env.state_dict())  # pyright: ignore
    assert torch.equal(again.terrain_levels.walked, env.terrain_levels.walked)
    assert roll(env, actions[30:]).equals(roll(again, actions[30:]))
    assert torch.equal(again.terrain_levels.level, env.terrain_levels.level)
    saved = env.state_dict()["tensors"]  # pyright: ignore
    assert max(tensor.numel() for tensor in saved.values()) < 100_000  # the heights are not among them


def test_evaluation_draws_levels_and_keeps_columns_balanced_for_each_command() -> None:
    env = rough_env(48, evaluation=True, replicates=24)
    env.reset()
    assert env.ground is not None
    columns = env.ground.tiles % 12
    assert all(part.bincount(minlength=12).tolist() == [2] * 12 for part in columns.split(24))


def test_imposed_tiles_are_those_of_their_environments() -> None:
    """An evaluation's conditions name tiles; a flat task meets them all the same."""
    num_envs, cells = 4, torch.tensor([1, 0, 1, 2])
    none = torch.full((num_envs, 1), torch.inf)
    conditions = Conditions(
        keys=torch.arange(num_envs),
        factors={},
        tiles=cells,
        kicks=Kicks(none, none, torch.zeros(num_envs, 1, 3)),
        timetable=Timetable(torch.zeros(num_envs, 1), torch.zeros(num_envs, 1, 3)),
        ground=(("flat", 0.0, 0), ("stairs_up", 1.0, 0), ("waves", 0.5, 7)),
    )
    flat = compose_manifest(
        manifest_root(),
        FLAT,
        ["~randomization.factors.friction", "~randomization.factors.payload_mass", "randomization.bucket_by=[]"],
    )
    env = make_env(flat, device="cpu", evaluation=True, conditions=conditions)
    assert env.ground is not None and env.terrain_levels is None
    assert [env.ground.layout.classes[i] for i in env.ground.classes()] == ["stairs_up", "flat", "stairs_up", "waves"]
    env.reset()
    assert largest(env.robot_state.read("base_height"), torch.full((4,), flat.robot.base_height)) < 1e-5
    assert env.robot_state.read("distance_to_tile_edge").min() > 9
    qpos = env.sim.data.qpos
    qpos[0, 0:3] = qpos[0, 0:3] + torch.tensor([3.0, 0.0, 0.0])  # 2.25 m beyond the platform: the eighth step of 0.2 m
    env.robot_state.invalidate()
    assert env.robot_state.read("base_height")[0] == pytest.approx(flat.robot.base_height - 1.6, abs=1e-4)
