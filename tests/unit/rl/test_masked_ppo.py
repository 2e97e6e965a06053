"""MaskedPPO: RSL-RL's update to the last bit where all is valid, and no trace of what is not."""

import math

import pytest
import torch
from rsl_rl.algorithms import PPO

from ppo_cases import NUM_ENVS, STEPS, fill, make_ppo, weights
from surefoot.rl.ppo import MaskedPPO

ENV, STEP = 5, 3


def _mark(step: int) -> dict[str, torch.Tensor]:
    """A fault in environment ENV at STEP."""
    invalid = torch.zeros(NUM_ENVS, dtype=torch.bool)
    invalid[ENV] = step == STEP
    return {"invalid": invalid}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("symmetry", ["equivariant", "augmentation", "mirror_loss", "none"])
def test_equals_rsl_rl_where_everything_is_valid(symmetry: str, threads: int) -> None:
    override = f"ppo.symmetry={symmetry}"
    theirs, ours = make_ppo(PPO, override), make_ppo(MaskedPPO, override, threads=threads)
    before = weights(ours)
    for seed in range(3):
        for algorithm in (theirs, ours):
            fill(algorithm, seed)
            algorithm.losses = algorithm.update()
    assert not torch.equal(before, weights(ours))
    # RSL-RL's normaliser takes mean and variance in another order: rounding, nothing else.
    torch.testing.assert_close(weights(ours), weights(theirs), rtol=0, atol=2e-5)
    assert ours.losses == pytest.approx(theirs.losses, rel=1e-3, abs=1e-5)


def test_two_threads_change_nothing() -> None:
    one, two = make_ppo(MaskedPPO), make_ppo(MaskedPPO, threads=2)
    for seed in range(2):
        for algorithm in (one, two):
            fill(algorithm, seed)
            algorithm.update()
    assert torch.equal(weights(one), weights(two))


def test_update_equals_that_of_the_batch_without_the_rows() -> None:
    """The row is removed by hand from the flat batch, and RSL-RL's own PPO takes what is left."""
    masked = make_ppo(MaskedPPO)
    fill(masked, seed=1, extras=_mark)
    kept = masked.valid.flatten()
    assert kept.sum() == NUM_ENVS * STEPS - 1
    rows = int(kept.sum())
    rest = make_ppo(PPO, num_envs=rows, steps=1)
    fill(rest, seed=2)  # makes the distribution's storage; every number is overwritten
    rest.actor.load_state_dict(masked.actor.state_dict())
    rest.critic.load_state_dict(masked.critic.state_dict())
    with torch.inference_mode():
        for name in ("observations", "actions", "values", "returns", "advantages", "actions_log_prob"):
            getattr(rest.storage, name)[0] = getattr(masked.storage, name).flatten(0, 1)[kept]
        for to, source in zip(rest.storage.distribution_params, masked.storage.distribution_params, strict=True):
            to[0] = source.flatten(0, 1)[kept]
    for algorithm in (masked, rest):
        torch.manual_seed(7)  # the shuffle
        algorithm.losses = algorithm.update()
    assert torch.equal(weights(masked), weights(rest))
    assert masked.losses == pytest.approx(rest.losses, rel=1e-6)


def test_garbage_in_an_invalid_row_leaves_no_trace() -> None:
    """NaN reward, NaN next observation and a wild one give the same networks as harmless numbers there."""

    def poison(value: float):
        def spoil(step: int, obs, reward: torch.Tensor) -> None:
            if step == STEP:
                reward[ENV] = value
                for key in obs.keys():
                    obs[key][ENV] = value

        return spoil

    def mark(step: int) -> dict[str, torch.Tensor]:
        row = torch.zeros(NUM_ENVS, dtype=torch.bool)
        row[ENV] = step == STEP
        return {"invalid": row, "invalid_obs": row}

    results = []
    for value in (0.0, math.nan, math.inf, 1e30):
        algorithm = make_ppo(MaskedPPO)
        fill(algorithm, seed=3, extras=mark, spoil=poison(value))
        # The step after starts from an invalid observation, so it does not count either.
        assert not algorithm.valid[STEP, ENV] and not algorithm.valid[STEP + 1, ENV]
        assert algorithm.valid.sum() == NUM_ENVS * STEPS - 2
        losses = algorithm.update()
        assert all(math.isfinite(loss) for loss in losses.values())
        assert all(math.isfinite(value) for value in algorithm.diagnostics.values())
        results.append(torch.cat((weights(algorithm), algorithm.actor.obs_normalizer._mean.flatten())))
    assert torch.isfinite(results[0]).all()
    for result in results[1:]:
        assert torch.equal(result, results[0])


def test_steps_before_a_fault_bootstrap_from_the_last_valid_value() -> None:
    algorithm = make_ppo(MaskedPPO, "ppo.normalize_advantage_per_mini_batch=true", num_envs=1, steps=4)
    st, gamma, lam = algorithm.storage, algorithm.gamma, algorithm.lam
    fill(algorithm, seed=4)
    st.values[:, 0, 0] = torch.tensor([1.0, 2.0, 3.0, 4.0])
    st.rewards[:, 0, 0] = torch.tensor([0.1, 0.2, math.nan, 0.4])
    st.dones[:, 0, 0] = torch.tensor([0, 0, 1, 0])
    algorithm.valid[:, 0] = torch.tensor([True, True, False, True])
    with torch.inference_mode():
        last_obs = st.observations[0].clone()
        algorithm.compute_returns(last_obs)
        last = algorithm.critic(last_obs).item()
    one = 0.2 + gamma * 3.0 - 2.0  # V of the state from which the faulty step started, and no further
    zero = 0.1 + gamma * 2.0 - 1.0 + gamma * lam * one
    three = 0.4 + gamma * last - 4.0
    got = st.advantages[:, 0, 0].tolist()
    assert [got[0], got[1], got[3]] == pytest.approx([zero, one, three], rel=1e-5)


def test_advantages_are_normalised_over_valid_rows_only() -> None:
    algorithm = make_ppo(MaskedPPO)
    fill(algorithm, seed=5, extras=_mark)
    kept = algorithm.storage.advantages[algorithm.valid]
    assert kept.mean().item() == pytest.approx(0.0, abs=1e-6)
    assert kept.std().item() == pytest.approx(1.0, abs=1e-5)


def test_actions_are_zero_where_the_observation_is_invalid() -> None:
    algorithm = make_ppo(MaskedPPO)

    def mark(step: int) -> dict[str, torch.Tensor]:
        row = torch.zeros(NUM_ENVS, dtype=torch.bool)
        row[ENV] = step == STEPS - 1
        return {"invalid": row, "invalid_obs": row}

    def spoil(step: int, obs, reward: torch.Tensor) -> None:
        if step == STEPS - 1:
            obs["actor"][ENV] = math.nan

    fill(algorithm, seed=6, extras=mark, spoil=spoil)
    obs = algorithm.storage.observations[0].clone()
    obs["actor"][ENV] = math.nan
    with torch.inference_mode():
        actions = algorithm.act(obs)
    assert torch.equal(actions[ENV], torch.zeros_like(actions[ENV]))
    assert torch.isfinite(actions).all() and actions[ENV - 1].abs().sum() > 0


def test_a_rollout_without_a_valid_row_changes_nothing() -> None:
    algorithm = make_ppo(MaskedPPO)
    before = weights(algorithm)
    fill(algorithm, seed=8, extras=lambda step: {"invalid": torch.ones(NUM_ENVS, dtype=torch.bool)})
    losses = algorithm.update()
    assert torch.equal(before, weights(algorithm))
    assert losses == {"value": 0.0, "surrogate": 0.0, "entropy": 0.0}
