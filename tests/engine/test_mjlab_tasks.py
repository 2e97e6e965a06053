"""mjlab's own Go1 tasks run unchanged, and give what mjlab's own CPU path gives.

Flat: contact sensors, IMU sensors, foot height scan, pushes, friction, centre of mass and encoder bias drawn per
environment. Rough: generated terrain, ray-cast height scan, self collision, curriculum.
The first run compiles MuJoCo-Warp's kernels, about a minute.
"""

from typing import Any

import pytest
import torch
from mjlab.envs import ManagerBasedRlEnv, ManagerBasedRlEnvCfg
from mjlab.sensor import CameraSensorCfg, RayCastSensor

from cases import largest, mjlab_cfg, random_actions
from surefoot.engines.mujoco import make_mjlab_env


def steps(env: ManagerBasedRlEnv, count: int) -> list[dict[str, Any]]:
    env.reset()
    rows: list[dict[str, Any]] = []
    for action in random_actions(count, env.num_envs):
        observations, reward, terminated, truncated, _ = env.step(action)
        rays = [s.data.distances.clone() for s in env.scene.sensors.values() if isinstance(s, RayCastSensor)]
        rows.append(
            {
                "qpos": env.sim.data.qpos[:].clone(),
                "actor": observations["actor"].clone(),
                "critic": observations["critic"].clone(),
                "reward": reward.clone(),
                "done": (terminated | truncated).clone(),
                "rays": rays,
            }
        )
    return rows


def converged(rough: bool) -> ManagerBasedRlEnvCfg:
    cfg = mjlab_cfg(rough)
    cfg.sim.mujoco.iterations, cfg.sim.mujoco.ls_iterations = 100, 50
    return cfg


@pytest.mark.parametrize("rough", [False, True], ids=["flat", "rough"])
def test_same_as_mjlabs_own_cpu_path(rough: bool):
    # Landing on a height field, MuJoCo C makes several contacts and MuJoCo-Warp one: those robots part a little.
    count, worst = (5, 5e-3) if rough else (10, 1e-5)
    ours = steps(make_mjlab_env(converged(rough), device="cpu"), count)
    reference = steps(ManagerBasedRlEnv(converged(rough), device="cpu"), count)
    for mine, theirs in zip(ours, reference, strict=True):
        assert mine["done"].equal(theirs["done"])
        difference = (mine["qpos"] - theirs["qpos"]).abs().amax(dim=1)
        assert difference.median() < 1e-5 and difference.max() < worst
        assert largest(mine["reward"], theirs["reward"]) < worst
        assert (mine["actor"] - theirs["actor"]).abs().median() < 1e-4
        assert (mine["critic"] - theirs["critic"]).abs().median() < 1e-4
        for scan, other in zip(mine["rays"], theirs["rays"], strict=True):
            assert scan.shape[0] == 8 and (scan > 0).any()
            # A ray may graze an edge and hit on one side only.
            assert ((scan - other).abs() < worst).float().mean() > 0.99
    assert largest(ours[0]["qpos"], ours[-1]["qpos"]) > 0.05


def test_height_scan_follows_each_robot():
    env = make_mjlab_env(mjlab_cfg(), device="cpu")
    env.reset()
    sensor = env.scene.sensors["foot_height_scan"]
    before = sensor.data.distances.clone()
    env.sim.data.qpos[3, 2] += 0.2
    env.sim.forward()
    env.sim.sense()
    for other in env.scene.sensors.values():
        other.update(0.0)
    change = (sensor.data.distances - before).flatten(1).mean(dim=1)
    assert change[3].item() == pytest.approx(0.2, abs=1e-3)
    assert change[[0, 1, 2, 4, 5, 6, 7]].abs().max() < 1e-5


def test_camera_sees_its_own_environment():
    def with_camera() -> Any:
        cfg = mjlab_cfg(num_envs=2)
        camera = CameraSensorCfg(
            name="front", pos=(0.0, 0.0, 1.0), quat=(1.0, 0.0, 0.0, 0.0), width=8, height=8, data_types=("depth",)
        )
        cfg.scene.sensors = (*(cfg.scene.sensors or ()), camera)
        return cfg

    frames = []
    for env in (make_mjlab_env(with_camera(), device="cpu"), ManagerBasedRlEnv(with_camera(), device="cpu")):
        env.reset()
        env.step(torch.zeros(2, 12))
        frames.append(env.scene.sensors["front"].data.depth.clone())
    assert largest(*frames) < 1e-3


def test_a_broken_state_stays_visible_as_in_warp():
    env = make_mjlab_env(mjlab_cfg(num_envs=2), device="cpu")
    env.reset()
    env.sim.data.qpos[1, 7] = float("nan")
    env.step(torch.zeros(2, 12))
    assert torch.isnan(env.sim.data.qpos[1]).any()
    assert torch.isfinite(env.sim.data.qpos[0]).all()
