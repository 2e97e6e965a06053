"""The accounts on mjlab's own Go1 and G1 velocity tasks, unchanged: what they add up is what the environment gave."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from mjlab.envs import ManagerBasedRlEnv, ManagerBasedRlEnvCfg
from mjlab.rl import RslRlVecEnvWrapper
from mjlab.tasks.velocity.config.g1.env_cfgs import unitree_g1_flat_env_cfg
from mjlab.tasks.velocity.config.go1.env_cfgs import unitree_go1_flat_env_cfg
from torch import Tensor

from surefoot.audit.accounts.step import AuditStep
from surefoot.audit.record.record_file import FILE_NAME
from surefoot.engines.mujoco import make_mjlab_env
from surefoot.engines.mujoco.attach import attach_accounts
from surefoot.errors import EngineError, RunFolderError
from surefoot.mdp.frames import to_yaw_frame
from surefoot_tasks import audit_config

STEPS = 120
NUM_ENVS = 8
ROBOTS = {"go1": unitree_go1_flat_env_cfg, "g1": unitree_g1_flat_env_cfg}


def make(task: Callable[[], ManagerBasedRlEnvCfg] = unitree_go1_flat_env_cfg) -> ManagerBasedRlEnv:
    """Episodes of one second, so that there are time-outs beside falls."""
    cfg = task()
    cfg.scene.num_envs = NUM_ENVS
    cfg.seed = 3
    cfg.episode_length_s = 1.0
    env = make_mjlab_env(cfg, device="cpu")
    env.reset()
    return env


def actions(env: ManagerBasedRlEnv, count: int) -> Tensor:
    size = env.action_manager.total_action_dim
    return 2.0 * torch.randn(count, env.num_envs, size, generator=torch.Generator().manual_seed(0))


class Recount:
    """What the environment returned, added up in Python."""

    def __init__(self, env: ManagerBasedRlEnv) -> None:
        self._env = env
        self._age = [0] * env.num_envs
        self.received = 0.0
        self.terms = torch.zeros(len(env.reward_manager.active_terms), dtype=torch.float64)
        self.failures = self.time_outs = 0
        self.lengths: list[int] = []

    def add(self, reward: Tensor, terminated: Tensor, truncated: Tensor) -> None:
        self.received += reward.double().sum().item()
        self.terms += self._env.reward_manager._step_reward.double().sum(dim=0)
        for index, (fell, late) in enumerate(zip(terminated.tolist(), truncated.tolist(), strict=True)):
            self._age[index] += 1
            if fell or late:
                self.failures += fell
                self.time_outs += late and not fell
                self.lengths.append(self._age[index])
                self._age[index] = 0


@pytest.mark.parametrize("robot", ROBOTS)
def test_accounts_of_mjlabs_own_tasks_add_up_to_what_the_environment_gave(robot: str):
    env = make(ROBOTS[robot])
    attached = attach_accounts(env, audit_config())
    recount = Recount(env)
    for action in actions(env, STEPS):
        _, reward, terminated, truncated, _ = env.step(action)
        recount.add(reward, terminated, truncated)
    flush, _ = attached.end_iteration()
    assert attached.layout.reward_terms == tuple(env.reward_manager.active_terms)
    assert attached.layout.causes == ("time_out", "fell_over")
    assert flush["reward/steps"].item() == STEPS * NUM_ENVS
    assert flush["reward/received"].item() == pytest.approx(recount.received, rel=1e-9)
    assert flush["reward/accounted"].item() == pytest.approx(recount.received, rel=1e-5)
    assert flush["reward/residual"].item() < 1e-5
    torch.testing.assert_close(flush["reward/mean_per_s"], recount.terms / (STEPS * NUM_ENVS))
    assert recount.failures > 0 and recount.time_outs > 0
    assert flush["termination/failures"].item() == recount.failures
    assert flush["termination/time_outs"].item() == recount.time_outs
    assert flush["termination/primary"].tolist() == [recount.time_outs, recount.failures]
    assert flush["termination/partial"].item() == flush["termination/unexplained"].item() == 0
    mean_length = sum(recount.lengths) / len(recount.lengths) * env.step_dt
    assert flush["termination/length_mean"].item() == pytest.approx(mean_length)
    assert flush["fault/invalid_share"].item() == 0


def rollout(env: ManagerBasedRlEnv, count: int) -> list[Tensor]:
    out: list[Tensor] = []
    for action in actions(env, count):
        observations, reward, terminated, truncated, _ = env.step(action)
        out += [observations["actor"].clone(), reward.clone(), terminated.clone(), truncated.clone()]
    return out


def test_the_environment_gives_the_same_with_and_without_accounts():
    plain = make()  # mjlab draws from torch's generator, which it seeds here: one environment after the other
    expected = rollout(plain, 60)
    followed = make()
    attached = attach_accounts(followed, audit_config())
    got = rollout(followed, 60)
    assert all(a.equal(b) for a, b in zip(expected, got, strict=True))
    attached.detach()
    assert "compute" not in vars(followed.reward_manager)
    for name in followed.reward_manager.active_terms:
        func = plain.reward_manager.get_term_cfg(name).func
        mine = followed.reward_manager.get_term_cfg(name).func
        assert mine is func or type(mine) is type(func)


def test_errors_are_those_in_the_yaw_frame_at_the_moment_of_the_reward(monkeypatch: pytest.MonkeyPatch):
    env = make()
    attached = attach_accounts(env, audit_config())
    seen: list[tuple[AuditStep, Tensor, Tensor]] = []

    def look(step: AuditStep) -> None:
        data = env.scene["robot"].data
        velocity = to_yaw_frame(data.root_link_quat_w, data.root_link_lin_vel_w)
        copies = AuditStep(**{field.name: getattr(step, field.name).clone() for field in fields(AuditStep)})
        seen.append((copies, velocity, env.command_manager.get_command("twist").clone()))

    monkeypatch.setattr(attached.accounts, "step", look)
    for action in actions(env, 20):
        env.step(action)
    for step, velocity, command in seen:
        expected = (command[:, :2] - velocity[:, :2]).norm(dim=1)
        torch.testing.assert_close(step.lin_vel_error, expected, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(step.lin_speed, velocity[:, :2].norm(dim=1), atol=1e-5, rtol=1e-4)
        assert step.is_moving.equal(command.norm(dim=1) > 0.1)
    assert seen[-1][0].episode_steps.tolist() == [20] * NUM_ENVS
    assert torch.stack([step.lin_vel_error.mean() for step, _, _ in seen]).std() > 0


class Poison:
    """A term of mjlab's with one environment that is not a number."""

    def __init__(self, func: Callable[..., Tensor], value: float) -> None:
        self.func = func
        self.value = value

    def __call__(self, env: Any, **params: Any) -> Tensor:
        value = self.func(env, **params).clone()
        value[5] = self.value
        return value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_reward_that_mjlab_turns_into_zero_is_a_fault(value: float):
    env = make()
    cfg = env.reward_manager.get_term_cfg("upright")
    cfg.func = Poison(cfg.func, value)
    attached = attach_accounts(env, audit_config())
    for action in actions(env, 10):
        _, reward, *_ = env.step(action)
        assert torch.isfinite(reward).all(), "mjlab repairs it"
    flush, alerts = attached.end_iteration()
    steps = dict(zip(attached.layout.fault_kinds, flush["fault/steps"].tolist(), strict=True))
    assert steps == {"state": 0, "action": 0, "reward": 10}
    assert flush["reward/steps"].item() == 10 * (NUM_ENVS - 1)
    assert ("fault", "reward") in [(alert.kind, alert.subject) for alert in alerts]


def test_a_broken_state_is_a_fault_of_its_own_environment():
    env = make()
    attached = attach_accounts(env, audit_config())
    env.step(torch.zeros(NUM_ENVS, 12))
    env.sim.data.qpos[2, 7] = float("nan")
    env.step(torch.zeros(NUM_ENVS, 12))
    flush, _ = attached.end_iteration()
    assert flush["fault/steps"].tolist()[0] == 1
    assert flush["reward/steps"].item() == 2 * NUM_ENVS - 1


def test_buckets_of_the_user_and_the_wrapper_of_rsl_rl(tmp_path: Path):
    env = RslRlVecEnvWrapper(make(), clip_actions=1.0)
    labels = ("light", "heavy")
    bucket = torch.arange(NUM_ENVS) % 2
    attached = attach_accounts(env, audit_config(), bucket=bucket, bucket_labels=labels, folder=tmp_path / "run")
    received = torch.zeros(2, dtype=torch.float64)
    for action in actions(env.unwrapped, 50):
        _, reward, *_ = env.step(action)
        received += torch.stack([reward[bucket == index].double().sum() for index in range(2)])
    flush, _ = attached.end_iteration()
    assert flush["reward_by_bucket/steps"].tolist() == [200, 200]
    by_bucket = flush["reward_by_bucket/mean_per_s"].sum(dim=1) * 200 * env.unwrapped.step_dt
    torch.testing.assert_close(by_bucket, received, rtol=1e-5, atol=1e-6)
    # Actions are 2 * normal: P(|2 z| >= 1) = 0.617, of 4,800 draws.
    assert flush["action/saturation"].item() == pytest.approx(0.617, abs=0.03)
    attached.detach()
    assert (tmp_path / "run" / FILE_NAME).is_file()
    with pytest.raises(RunFolderError, match="Choose another folder"):
        attach_accounts(env, audit_config(), folder=tmp_path / "run")


def test_what_does_not_fit_is_refused():
    env = make()
    config = audit_config()
    with pytest.raises(EngineError, match=r"no command 'twst'\. Did you mean 'twist'"):
        attach_accounts(env, config, command="twst")
    with pytest.raises(EngineError, match="ids from 0 to 1, one label each, got 0 to 7"):
        attach_accounts(env, config, bucket=torch.arange(NUM_ENVS), bucket_labels=("a", "b"))
    with pytest.raises(EngineError, match=r"shape \(8,\) and type int64, got shape \(3,\)"):
        attach_accounts(env, config, bucket=torch.zeros(3, dtype=torch.int64), bucket_labels=("a",))
    with pytest.raises(EngineError, match="labels without bucket ids"):
        attach_accounts(env, config, bucket_labels=("a", "b"))
    with pytest.raises(EngineError, match="got object"):
        attach_accounts(object(), config)
    attached = attach_accounts(env, config)
    with pytest.raises(EngineError, match="already attached"):
        attach_accounts(env, config)
    attached.detach()
    attach_accounts(env, config).detach()
