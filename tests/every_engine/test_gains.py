"""Gains past the manifest: what a replay writes is the motors' law in force, joint by joint."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from surefoot.manifest import compose_manifest
from surefoot.replay.trace_run import replay_manifest
from surefoot_tasks import manifest_root

TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"


@pytest.mark.parametrize("motors", ["implicit_pd", "dc_motor"])
def test_gains_of_every_joint_and_environment_reach_the_motors(make_env: Callable[..., Any], motors: str) -> None:
    """No two gains are alike, and no two targets; torques stay below the limits."""
    task = compose_manifest(manifest_root(), TASK, [f"robot.motors={motors}"])
    env = make_env(replay_manifest(task), num_envs=2, evaluation=True, single_steps=True)
    env.reset()
    everyone = torch.arange(2)
    stiffness = 10.0 + torch.arange(24.0).reshape(2, 12)
    damping = 0.2 + 0.01 * torch.arange(24.0).reshape(2, 12)
    position, velocity = env.robot_state.read("joint_pos").clone(), env.robot_state.read("joint_vel").clone()
    target = position + 0.1 * torch.cos(torch.arange(24.0)).reshape(2, 12)
    env.write_gains(stiffness, damping)
    env.command_joints(target)
    env.refresh(everyone)
    env.robot_state.invalidate()
    law = stiffness * (target - position) - damping * velocity
    assert torch.allclose(env.robot_state.read("joint_torque"), law, atol=1e-4)
    env.physics_step()
    env.robot_state.invalidate()
    moved = env.robot_state.read("joint_vel") - velocity
    assert moved.isfinite().all() and moved.abs().max() > 0.01
