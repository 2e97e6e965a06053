"""The same seed gives the same bits, whatever the number of physics threads."""

import pytest
import torch

from cases import random_actions, roll, small_env

ACTIONS = random_actions(60, 16, scale=1.5)  # large: some robots fall and are reset


@pytest.mark.parametrize("delay", ["[0,0]", "[1,3]"])
def test_one_and_two_threads_give_the_same_bits(delay: str):
    overrides = [f"task.actions.delay_steps={delay}", "randomization.push.interval=[0.2,0.5]"]
    one, two = (roll(small_env(16, *overrides, num_threads=n), ACTIONS) for n in (1, 2))
    assert one.done.any(), "no episode ended: the resets were not compared"
    assert one.equals(two)


def test_repeated_seed_gives_the_same_bits_and_another_seed_does_not():
    first, again, other = (roll(small_env(16, f"seed={seed}"), ACTIONS) for seed in (7, 7, 8))
    assert first.equals(again)
    assert not torch.equal(first.qpos[0], other.qpos[0])


def test_torch_draws_elsewhere_do_not_shift_the_environment():
    quiet = roll(small_env(16), ACTIONS)
    env = small_env(16)
    torch.rand(1000)
    assert roll(env, ACTIONS).equals(quiet)
