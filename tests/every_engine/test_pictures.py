"""What is drawn is the pose that the engine simulates: feet of the drawn robot are where the engine has them."""

import numpy as np
import pytest
import torch

import engines_here
from surefoot.engines.drawing.stage import Stage
from surefoot.engines.step import PhysicalState
from surefoot.errors import EngineError
from surefoot.manifest import compose_manifest
from surefoot_tasks import manifest_root

TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
MANIFEST = compose_manifest(manifest_root(), TASK)


def drawn_feet(stage: Stage) -> np.ndarray:
    """Feet of the drawn robot, m, world. Shape (num_feet, 3)."""
    bodies = [stage.data.body(f"robot/{foot.body}") for foot in MANIFEST.robot.feet]
    offsets = [np.array(foot.offset) for foot in MANIFEST.robot.feet]
    pairs = zip(bodies, offsets, strict=True)
    return np.array([body.xpos + body.xmat.reshape(3, 3) @ offset for body, offset in pairs])


def test_drawn_feet_are_those_of_the_engine_and_legs_in_the_wrong_order_are_seen(make_env: engines_here.Builder):
    env = make_env(MANIFEST, num_envs=3, num_threads=1, evaluation=True)
    stage = Stage(MANIFEST.robot, None)
    generator = torch.Generator().manual_seed(0)
    for _ in range(10):
        env.step(torch.randn(3, 12, generator=generator))
    pos, quat, joints = (value[0] for value in env.drawn_poses())
    stage.place(pos, quat, joints)
    simulated = env.robot_state.read("foot_pos_w")[0].cpu().numpy()
    np.testing.assert_allclose(drawn_feet(stage), simulated, rtol=0, atol=2e-4)
    stage.place(pos, quat, np.roll(joints, 3))
    assert np.abs(drawn_feet(stage) - simulated).max() > 0.01
    stage.place(pos, quat[[1, 2, 3, 0]], joints)
    assert np.abs(drawn_feet(stage) - simulated).max() > 0.1


def test_a_state_that_was_just_written_is_what_is_drawn(make_env: engines_here.Builder):
    env = make_env(MANIFEST, num_envs=1, num_threads=1, evaluation=True)
    pose = {"pos_w": [[1.0, 2.0, 0.5]], "quat_w": [[0.6, 0.0, 0.0, 0.8]], "joint_pos": [[i / 20 for i in range(12)]]}
    rest = {name: torch.zeros(1, size) for name, size in (("lin_vel_w", 3), ("ang_vel_b", 3), ("joint_vel", 12))}
    robot = torch.zeros(1, dtype=torch.int64)
    env.write_state(robot, PhysicalState(**{name: torch.tensor(value) for name, value in pose.items()}, **rest))
    env.refresh(robot)
    for got, (name, value) in zip(env.drawn_poses(), pose.items(), strict=True):
        np.testing.assert_allclose(got, value, rtol=0, atol=1e-6, err_msg=name)


def test_an_environment_that_was_not_built_to_draw_says_so(make_env: engines_here.Builder):
    env = make_env(MANIFEST, num_envs=1, num_threads=1)
    with pytest.raises(EngineError, match=r"expected render=\(width, height\)"):
        env.render()
