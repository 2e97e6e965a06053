"""A state taken from one environment and put into another continues bit for bit."""

import hashlib
import io
import json

import pytest
import torch

from cases import random_actions, roll, small_env
from surefoot.errors import CheckpointError

BEFORE, AFTER = random_actions(30, 16, scale=1.5), random_actions(20, 16, scale=1.5, seed=1)
PUSHES = "randomization.push.interval=[0.1,0.3]"
CASES = {
    "plain": (),
    "full contact model": ("simulation=full",),
    "actuator delay": ("task.actions.delay_steps=[1,3]",),
    "history": (
        "+task.observations.actor.terms.joint_pos.history=3",
        "+task.observations.actor.terms.base_ang_vel.delay_steps=[1,3]",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_continues_bit_for_bit_in_another_environment(case: str):
    overrides = (*CASES[case], PUSHES, "task.commands.resampling_time=[0.1,0.3]")
    first = small_env(16, *overrides)
    roll(first, BEFORE)
    state, generator = first.state_dict(), torch.get_rng_state()
    assert state is not None
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    expected = roll(first, AFTER)
    assert expected.done.any(), "no episode ended: resets were not compared"

    second = small_env(16, *overrides)
    roll(second, BEFORE[:7])  # anywhere else
    second.load_state_dict(torch.load(file, weights_only=True))
    torch.set_rng_state(generator)
    assert roll(second, AFTER).equals(expected)


def test_observations_right_after_loading():
    first = small_env(8)
    roll(first, BEFORE[:5, :8])
    second = small_env(8)
    second.load_state_dict(first.state_dict())
    for group in ("actor", "critic"):
        assert torch.equal(second.get_observations()[group], first.get_observations()[group])


def test_taking_a_state_changes_nothing():
    watched, undisturbed = small_env(16), small_env(16)
    for action in BEFORE:
        watched.state_dict()
        assert torch.equal(watched.step(action).reward, undisturbed.step(action).reward)


def test_masses_of_the_saved_environment_come_back():
    first, second = small_env(8), small_env(8)
    second.sim.model.body_mass[:] = 1.0
    second.load_state_dict(first.state_dict())
    assert torch.equal(first.total_mass(), second.total_mass())


def test_another_number_of_environments_is_refused_and_nothing_changes():
    state = small_env(8).state_dict()
    env, untouched = small_env(16), small_env(16)
    with pytest.raises(CheckpointError, match=r"does not fit: physics: \(8, .* saved, \(16, .* here"):
        env.load_state_dict(state)
    assert roll(env, AFTER).equals(roll(untouched, AFTER))


@pytest.mark.parametrize(
    "change", ["seed=2", "task.rewards.upright.weight=-1", "randomization.factors.payload_mass.edges=[0,1]"]
)
def test_another_experiment_is_refused(change: str):
    state = small_env(8).state_dict()
    with pytest.raises(CheckpointError, match="another manifest"):
        small_env(8, change).load_state_dict(state)


def test_more_iterations_or_another_learning_rate_are_not_another_experiment():
    env = small_env(8, "training.max_iterations=9999", "ppo.learning_rate=0.0001")
    other = small_env(8)
    other.step(torch.zeros(8, 12))
    assert not torch.equal(env.episode_length_buf, other.episode_length_buf)
    env.load_state_dict(other.state_dict())
    assert torch.equal(env.episode_length_buf, other.episode_length_buf)


@pytest.mark.parametrize("key", ["experiment", "physics", "model", "streams", "tensors", "numbers"])
@pytest.mark.parametrize("value", ["absent", None, {"a": None}])
def test_a_damaged_state_is_refused(key: str, value: object):
    env = small_env(8)
    state = env.state_dict()
    assert state is not None
    if value == "absent":
        del state[key]
    else:
        state[key] = value
    with pytest.raises(CheckpointError, match=rf"damaged: .*{key}"):
        env.load_state_dict(state)


def test_something_else_than_a_state_is_refused():
    with pytest.raises(CheckpointError, match="expected a dict, got NoneType"):
        small_env(8).load_state_dict(None)


@pytest.mark.parametrize("extension", ["absent", "spelled out"])
def test_states_of_before_there_were_kinds_of_motors_and_extensions_hold(extension: str):
    env = small_env(8)
    parts = {name: part for name, part in env.manifest.to_plain().items() if name not in ("audit", "ppo", "training")}
    if extension == "absent":
        del parts["extension"]
    del parts["robot"]["motors"]
    for joint in parts["robot"]["joints"]:
        del joint["saturation_effort"]
    before = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    env.load_state_dict(env.state_dict() | {"experiment": before})
    with pytest.raises(CheckpointError, match="another manifest"):
        small_env(8, "robot.motors=dc_motor").load_state_dict(env.state_dict())
