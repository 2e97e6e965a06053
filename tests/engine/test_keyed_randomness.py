"""What an environment draws depends on its number and episode, not on its neighbours or their resets."""

import pytest
import torch

from cases import Rollout, random_actions, roll, small_env
from surefoot.engines.mujoco.env import MujocoEnv

FEW, MANY = 8, 16
OVERRIDES = (
    "randomization.push.interval=[0.1,0.4]",
    "task.commands.resampling_time=[0.1,0.4]",
    "task.terrain.env_spacing=1e-12",  # all origins at 0, so that positions round alike
    "task.curriculum.penalty_ramp_samples=0",  # the ramp follows the samples of all environments together
)
ACTIONS = random_actions(60, MANY, scale=1.5)  # large: robots fall and are reset


def first(rollout: Rollout, n: int = FEW) -> Rollout:
    return Rollout(*(value[:, :n] for value in vars(rollout).values()))


@pytest.fixture(scope="module")
def many() -> tuple[MujocoEnv, Rollout]:
    env = small_env(MANY, *OVERRIDES)
    return env, roll(env, ACTIONS)


def test_doubling_the_environments_leaves_the_first_half_unchanged(many: tuple[MujocoEnv, Rollout]):
    env, of_many = many
    small = small_env(FEW, *OVERRIDES)
    of_few = roll(small, ACTIONS[:, :FEW])
    assert of_few.done.any(), "no episode ended: resets were not compared"
    assert of_many.done[:, FEW:].any(), "no neighbour was reset: there was nothing to be disturbed by"
    assert of_few.equals(first(of_many))
    for field in small.sim.expanded_fields:
        assert torch.equal(getattr(small.sim.model, field)[:], getattr(env.sim.model, field)[:FEW]), field
    assert torch.equal(small.commands.buffer, env.commands.buffer[:FEW])
    assert torch.equal(small.episode_length_buf, env.episode_length_buf[:FEW])


def test_environments_differ_from_each_other(many: tuple[MujocoEnv, Rollout]):
    _, rollout = many
    assert len(rollout.actor[0].unique(dim=0)) == MANY


def test_each_reset_begins_one_episode(many: tuple[MujocoEnv, Rollout]):
    env, rollout = many
    assert torch.equal(env.streams.episode, 1 + rollout.done.sum(dim=0))


def test_an_observation_asked_for_again_has_the_same_noise(many: tuple[MujocoEnv, Rollout]):
    env, rollout = many
    assert torch.equal(env.get_observations()["actor"], rollout.actor[-1])
    env.robot_state.invalidate()  # nothing is left of the first draw
    again = env.observation_manager.compute_group("actor")
    assert torch.equal(torch.as_tensor(again), rollout.actor[-1])


def test_noise_is_within_its_amplitude_of_the_state(many: tuple[MujocoEnv, Rollout]):
    env, rollout = many
    terms = env.manifest.task.observations.actor.terms
    measured = rollout.actor[-1][:, :3] - env.robot_state.read("base_ang_vel_b") * terms["base_ang_vel"].scale
    assert 0 < measured.abs().min()
    assert measured.abs().max() <= terms["base_ang_vel"].noise * terms["base_ang_vel"].scale * (1 + 1e-5)
