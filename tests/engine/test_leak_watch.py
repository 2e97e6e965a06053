"""Leaks by value on the Go1 task: none in what ships, a planted one is found in five iterations."""

import pytest
import torch
from torch import Tensor

from cases import random_actions, small_env
from surefoot.audit.alerts.leak_watch import LeakWatch
from surefoot.engines.mujoco.env import MujocoEnv

NUM_ENVS = 64
PLANTED = 3


def watched(env: MujocoEnv, iterations: int, planted: str | None = None) -> list[tuple[int, str, str]]:
    """Iteration, observation and source of what is found; `planted` is a field whose x an actor column then shows."""
    watch = LeakWatch(env.manifest, "cpu")
    found: list[tuple[int, str, str]] = []
    for number, actions in enumerate(random_actions(4 * iterations, NUM_ENVS).split(4), start=1):
        for action in actions:
            observations = env.step(action).observations["actor"]
        seen: Tensor = observations.clone()
        if planted is not None:
            noise = torch.rand(NUM_ENVS, generator=torch.Generator().manual_seed(number)) - 0.5
            # joint_pos[0]: the manifest declares noise of +-0.01 rad.
            seen[:, 6] = 0.5 * env.robot_state.read(planted)[:, 0] + 0.02 * noise
        watch.observe(seen, env.robot_state)
        found += [(number, leak.observation, leak.privileged) for leak in watch.found()]
    return found


def test_the_shipped_observations_leak_nothing():
    assert watched(small_env(NUM_ENVS), 30) == []


@pytest.mark.parametrize("field", ["base_lin_vel_b", "base_pos_w"])
def test_a_privileged_field_in_an_actor_column_is_found_at_the_third_look(field: str):
    found = watched(small_env(NUM_ENVS), PLANTED, field)
    assert [(number, column) for number, column, _ in found] == [(PLANTED, "joint_pos[0]")]
    assert found[0][2] == f"{field}[0]"
