"""Faults: found, attributed to one environment, reset, and nothing else changed."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from cases import random_actions, small_env
from surefoot.audit.accounts.fault_kinds import KINDS, kind_index
from surefoot.engines.mujoco import binder
from surefoot.engines.mujoco.env import MujocoEnv
from surefoot.engines.mujoco.fault_recorder import FaultRecorder, load_faults
from surefoot.errors import EngineError

STEPS, WHEN, WHO = 12, 5, 3


@pytest.fixture(autouse=True)
def _quiet(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # MuJoCo writes its warnings to a file in the working directory


def run(env: MujocoEnv, sabotage: Any = lambda step, env, action: None) -> list[Any]:
    results = []
    for step, action in enumerate(random_actions(STEPS, env.num_envs, scale=0.3)):
        action = action.clone()
        sabotage(step, env, action)
        result = env.step(action)
        results.append((result.faults.clone(), result.reward.clone(), result.observations["actor"].clone(), result))
    return results


def kinds_of(faults: Tensor) -> set[str]:
    return {name for name, hit in zip(KINDS, faults.any(dim=0).tolist(), strict=True) if hit}


def write_qvel(value: float):
    def sabotage(step: int, env: MujocoEnv, action: Tensor) -> None:
        if step == WHEN:
            env.sim.data.qvel[WHO, 7] = value

    return sabotage


@pytest.mark.parametrize(("value", "expected"), [(math.nan, "warning"), (math.inf, "warning"), (2.0e4, "bounds")])
def test_a_broken_state_is_a_fault_of_one_environment_only(value: float, expected: str) -> None:
    clean, broken = run(small_env(8)), run(small_env(8), write_qvel(value))
    assert not any(faults.any() for faults, *_ in clean)
    others = torch.arange(8) != WHO
    for step, ((_, reward, obs, _), (faults, reward_2, obs_2, result)) in enumerate(zip(clean, broken, strict=True)):
        assert torch.equal(reward[others], reward_2[others]) and torch.equal(obs[others], obs_2[others])
        if step == WHEN:
            assert faults.any(dim=1).tolist() == [row == WHO for row in range(8)]
            assert expected in kinds_of(faults)
            assert not result.terminated[WHO] and not result.truncated[WHO]
        else:
            assert not faults.any()
        assert torch.isfinite(obs_2).all()


def test_a_faulty_environment_starts_a_new_episode() -> None:
    env = small_env(8)
    episode = env.streams.episode.clone()
    lengths = []

    def sabotage(step: int, env: MujocoEnv, action: Tensor) -> None:
        write_qvel(math.nan)(step, env, action)
        lengths.append(env.episode_length_buf.clone())

    run(env, sabotage)
    assert (env.streams.episode - episode).tolist() == [int(row == WHO) for row in range(8)]
    assert lengths[WHEN + 1][WHO] == 0


def test_an_action_that_is_not_a_number() -> None:
    def sabotage(step: int, env: MujocoEnv, action: Tensor) -> None:
        if step == WHEN:
            action[WHO, 2] = math.nan

    results = run(small_env(8), sabotage)
    assert kinds_of(results[WHEN][0]) == {"action"}
    assert results[WHEN][0].any(dim=1).nonzero().flatten().tolist() == [WHO]
    assert not any(faults.any() for step, (faults, *_) in enumerate(results) if step != WHEN)


def _poison_term(term: Any, monkeypatch: pytest.MonkeyPatch, calls: tuple[int, ...]) -> None:
    """The term gives NaN in environment WHO at the given calls."""
    original, count = term.func, iter(range(10**6))

    def poisoned(env: Any, **params: Any) -> Tensor:
        value = original(env, **params)
        if next(count) in calls:
            value = value.clone()
            value[WHO] = math.nan
        return value

    monkeypatch.setattr(term, "func", poisoned)


def test_a_reward_that_is_not_a_number_stays_one_and_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    env = small_env(8)
    _poison_term(env.reward_manager.get_term_cfg("upright"), monkeypatch, (WHEN,))
    results = run(env)
    faults, reward, _, _ = results[WHEN]
    assert kinds_of(faults) == {"reward"} and faults.any(dim=1).nonzero().flatten().tolist() == [WHO]
    assert math.isnan(reward[WHO].item()) and torch.isfinite(reward[torch.arange(8) != WHO]).all()
    assert not results[WHEN + 1][0].any() and torch.isfinite(results[WHEN + 1][1]).all()


def test_an_observation_that_is_not_a_number_spoils_two_transitions(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that led to it and the one that started from it; then the environment is in a new episode."""
    env = small_env(8)
    group = env.observation_manager._group_obs_term_cfgs["actor"]
    _poison_term(group[0], monkeypatch, (WHEN,))
    results = run(env)
    assert [faults[WHO].any().item() for faults, *_ in results] == [step in (WHEN, WHEN + 1) for step in range(STEPS)]
    assert kinds_of(results[WHEN][0]) == kinds_of(results[WHEN + 1][0]) == {"observation"}
    assert torch.isfinite(results[WHEN + 1][2]).all()
    assert env.episode_length_buf[WHO] == STEPS - WHEN - 2


def test_an_exception_of_the_simulator_resets_all_and_three_in_a_row_end_the_run() -> None:
    env = small_env(4)
    physics = env.advance_physics

    def fail() -> None:
        raise RuntimeError("planted")

    actions = random_actions(8, 4)
    env.advance_physics = fail
    faults = env.step(actions[0]).faults
    assert kinds_of(faults) == {"exception"} and faults.any(dim=1).all()
    assert env.episode_length_buf.tolist() == [0] * 4
    env.advance_physics = physics
    assert not env.step(actions[1]).faults.any()
    env.advance_physics = fail
    env.step(actions[2])
    env.step(actions[3])
    with pytest.raises(EngineError, match=r"3 control steps in a row\. RuntimeError: planted"):
        env.step(actions[4])


@pytest.mark.parametrize(("rows", "expected"), [(20, ["overflow"]), (300, [])])
def test_contacts_that_do_not_fit_into_mujoco_warps_buffers(
    rows: int, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty constraint rows are enough for a robot on its feet, too few for one whose trunk is in the ground too."""
    original = binder.SimulationCfg
    monkeypatch.setattr(binder, "SimulationCfg", lambda **kwargs: original(**(kwargs | {"njmax": rows})))
    env = small_env(2, warp_on_cpu=True)
    env.sim.data.qpos[0, 2] = 0.03
    faults = env.step(torch.zeros(2, 12)).faults
    assert [name for name, hit in zip(KINDS, faults[0].tolist(), strict=True) if hit] == expected
    assert not faults[1].any()
    assert not env.step(torch.zeros(2, 12)).faults.any()  # a new episode


def test_recorded_faults_can_be_replayed() -> None:
    """The replay repeats the same kinds; a broken model is a different story, a broken state is this one."""
    env = small_env(8)
    env.fault_recorder = FaultRecorder(env, keep=4)

    def sabotage(step: int, env: MujocoEnv, action: Tensor) -> None:
        write_qvel(2.0e4)(step, env, action)
        if step == WHEN + 2:
            action[1, 0] = math.inf

    results = run(env, sabotage)
    saved = env.fault_recorder.saved()
    assert saved["env_id"].tolist() == [WHO, 1]
    again = small_env(2)
    load_faults(again, saved)
    result = again.step(saved["action"])
    assert torch.equal(result.faults, saved["found"])
    assert torch.equal(result.faults[0], results[WHEN][0][WHO])
    assert again.buckets.values["friction"].tolist() == env.buckets.values["friction"][[WHO, 1]].tolist()


def test_the_recorder_keeps_the_first_faults() -> None:
    env = small_env(8)
    env.fault_recorder = FaultRecorder(env, keep=3)

    def sabotage(step: int, env: MujocoEnv, action: Tensor) -> None:
        if step == 2:
            action[[6, 2]] = math.nan
        if step == 4:
            action[[0, 1, 5]] = math.nan

    run(env, sabotage)
    assert env.fault_recorder.saved()["env_id"].tolist() == [2, 6, 0]
    env.fault_recorder.clear()
    assert env.fault_recorder.saved() == {}


def test_bounds_leave_room_for_every_motion_of_the_robot() -> None:
    """Robots that are thrown about, 2 m/s pushes in every second and wild actions, fault nowhere."""
    env = small_env(64, "randomization.push={interval: [0.5, 1.0], lin_vel_xy: 2.0, ang_vel_z: 3.0}")
    for action in random_actions(100, 64, scale=3.0):
        assert not env.step(action).faults.any()


def test_mujoco_resets_a_broken_state_by_itself_and_only_the_warning_tells() -> None:
    """Why warnings are watched: after the step the state looks healthy again."""
    env = small_env(4)
    env.sim.data.qvel[WHO, 7] = math.nan
    env.faults.start(torch.zeros(4, 12))
    env.sim.step_and_forward(2)
    assert torch.isfinite(env.sim.data.qvel[:]).all()
    env.faults.after_physics(completed=True)
    assert env.faults.found[:, kind_index("warning")].tolist() == [False, False, False, True]
