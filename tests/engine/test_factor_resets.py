"""Factors that are drawn anew for each episode: no drift, nothing that is not felt, exact resume."""

from typing import Any

import pytest
import torch
from mjlab.sim.sim_data import TorchArray

from cases import random_actions, roll, small_env
from randomized import MODEL, OUTSIDE, env_with, only
from surefoot.engines.mujoco.env import MujocoEnv
from surefoot.engines.mujoco.probe import check_effect
from surefoot.errors import EngineError, ManifestError
from surefoot.rl.train import train

EVERYTHING = MODEL | OUTSIDE


def model_fields(env: MujocoEnv) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(view.copy()) for name, view in env.sim.expanded_views.items()}


def test_a_thousand_resets_leave_what_one_leaves():
    env = env_with(2, EVERYTHING, mode="reset")
    everyone = torch.arange(2)
    for _ in range(999):
        env._reset_idx(everyone)
    assert env.streams.episode.tolist() == [1000, 1000]  # one of them in the constructor
    fresh = env_with(2, EVERYTHING, mode="reset")
    fresh.streams.episode[:] = 999
    fresh._reset_idx(everyone)
    for name, value in fresh.buckets.values.items():
        assert torch.equal(env.buckets.values[name], value), name
    for name, value in model_fields(fresh).items():
        assert torch.equal(model_fields(env)[name], value), name


@pytest.mark.parametrize("mode", ["startup", "reset"])
def test_the_model_holds_the_values_in_force_while_episodes_end(mode: str):
    env = env_with(16, EVERYTHING, "task.episode_length=0.2", mode=mode)
    before = {name: value.clone() for name, value in env.buckets.values.items()}
    for action in random_actions(25, 16):
        env.step(action)
    assert env.streams.episode.min() >= 3
    for write in env.factors.writes(env.factors.values(torch.arange(16))):
        assert torch.equal(getattr(env.sim.model, write.field)[:, write.ids], write.value), write.field
    subtree = env.sim.model.body_subtreemass[:, env.body_id("trunk")]
    assert torch.allclose(subtree, env.total_mass(), rtol=1e-5)  # what follows from masses was recomputed
    for name, value in env.buckets.values.items():
        assert torch.equal(value, before[name]) is (mode == "startup"), name


def test_resume_is_exact_in_the_middle_of_episodes():
    overrides = [*only(EVERYTHING, "reset", ("friction", "control_delay")), "task.episode_length=0.4"]
    actions = random_actions(60, 8)
    env = small_env(8, *overrides)
    roll(env, actions[:30])
    state = env.state_dict()
    expected = roll(env, actions[30:])
    other = small_env(8, *overrides)
    other.load_state_dict(state)
    assert roll(other, actions[30:]).equals(expected)
    assert torch.equal(other.buckets.ids, env.buckets.ids)


def test_reading_back_catches_a_write_that_is_lost():
    env = env_with(2, {"friction": (0.4, 1.2)}, mode="reset")
    field = env.sim.model.geom_friction

    class Deaf:
        def __setitem__(self, index: Any, value: Any) -> None: ...

        def __getitem__(self, index: Any) -> torch.Tensor:
            return field[index]

    env.sim.model._wrapped_cache["geom_friction"] = Deaf()
    with pytest.raises(EngineError, match=r"geom_friction holds values that differ.*randomization\.factors\.friction"):
        env.reset()


@pytest.mark.parametrize("name", sorted(MODEL.keys() - {"payload_x", "payload_y", "payload_z"}))
def test_the_probe_catches_a_model_that_is_not_the_simulated_one(name: str):
    env = env_with(4, {name: MODEL[name]})
    check_effect(env, env.factors)
    kept = {field: view.copy() for field, view in env.sim.expanded_views.items()}
    for field, view in env.sim.expanded_views.items():
        view[:] = getattr(env.sim.mj_model, field)  # the physics goes on with the nominal model
        copied = torch.from_numpy(kept[field])
        env.sim.model._wrapped_cache[field] = TorchArray(_warp(copied, getattr(env.sim.wp_model, field)))
    env.sim.batch.set_const()
    with pytest.raises(EngineError, match=rf"randomization\.factors\.{name}: .*does not reach the physics"):
        check_effect(env, env.factors)


def _warp(values: torch.Tensor, like: Any) -> Any:
    import warp as wp

    return wp.array(ptr=values.data_ptr(), dtype=like.dtype, shape=like.shape, device="cpu", copy=False)


def test_a_factor_for_which_the_robot_has_no_use_is_refused():
    bare = [f"robot.joints.{index}.armature=0" for index in range(12)]
    with pytest.raises(EngineError, match=r"factors\.armature: MuJoCo moves this robot the same with"):
        env_with(4, {"armature": (0.5, 1.5)}, *bare)


def test_training_with_more_buckets_than_environments_starts_nothing(tmp_path: Any):
    manifest = small_env(1).manifest
    few = manifest.model_copy(update={"training": manifest.training.model_copy(update={"num_envs": 11})})
    with pytest.raises(ManifestError, match=r"randomization\.bucket_by: 12 buckets .*got 11"):
        train(few, runs=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_evaluation_may_have_fewer_environments_than_buckets():
    env = small_env(5, evaluation=True)
    assert len(env.buckets.labels) == 12
    ids = env.buckets.ids
    assert ids.shape == (5,) and ((ids >= 0) & (ids < 12)).all()


@pytest.mark.parametrize("mode", ["startup", "reset"])
def test_every_factor_on_mujoco_warp(mode: str):
    """The first run compiles MuJoCo-Warp's kernels, about a minute."""
    env = small_env(4, *only(EVERYTHING, mode), "task.episode_length=0.1", warp_on_cpu=True)
    for action in random_actions(8, 4):
        env.step(action)
    for write in env.factors.writes(env.factors.values(torch.arange(4))):
        assert torch.equal(getattr(env.sim.model, write.field)[:, write.ids], write.value), write.field
