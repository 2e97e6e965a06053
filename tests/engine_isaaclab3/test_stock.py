"""The accounts on a task of Isaac Lab itself, whose own managers say what the numbers must be."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from surefoot.audit.attach import attach_to_managers
from surefoot.errors import EngineError
from surefoot.manifest import Manifest
from surefoot_tasks import audit_config

pytestmark = pytest.mark.usefixtures("on_newton")

TASK = "IsaacContrib-Velocity-Flat-UnitreeGo1"
NUM, STEPS = 8, 12


@contextmanager
def stock(manifest: Manifest) -> Iterator[Any]:
    import isaaclab_tasks
    from isaaclab.envs import ManagerBasedRLEnv
    from isaaclab_tasks.utils.hydra import resolve_presets
    from isaaclab_tasks.utils.parse_cfg import load_cfg_from_registry

    from surefoot.engines.isaaclab.stock import without_asset_server

    assert isaaclab_tasks
    cfg = resolve_presets(load_cfg_from_registry(TASK, "env_cfg_entry_point"), selected=("newton_mjwarp",))
    without_asset_server(cfg, manifest.robot, "full")
    cfg.scene.num_envs, cfg.sim.device, cfg.seed, cfg.episode_length_s = NUM, "cpu", 5, 0.1
    env = ManagerBasedRLEnv(cfg)
    try:
        yield env
    finally:
        env.close()


def rollout(env: Any) -> list[torch.Tensor]:
    """Everything that a learner sees of some steps with ends in them."""
    env.reset(seed=5)
    generator, seen = torch.Generator().manual_seed(2), []
    for _ in range(STEPS):
        action = 0.5 * torch.randn(NUM, 12, generator=generator)
        observations, reward, terminated, truncated, _ = env.step(action)
        seen += [observations["policy"].clone(), reward.clone(), terminated.clone(), truncated.clone()]
    return seen


def test_accounts_change_nothing_and_count_everything(go1_manifest: Manifest) -> None:
    with stock(go1_manifest) as env:
        without = rollout(env)
    with stock(go1_manifest) as env:
        accounts = attach_to_managers(env, audit_config())
        with_accounts = rollout(env)
        flush, _ = accounts.end_iteration()
        layout = accounts.layout
        accounts.detach()
    for index, (one, other) in enumerate(zip(without, with_accounts, strict=True)):
        assert torch.equal(one, other), f"step {index // 4}, {one.isnan().sum()} not finite"

    rewards = torch.stack(without[1::4])
    ends = torch.stack([a | b for a, b in zip(without[2::4], without[3::4], strict=True)])
    timed_out = torch.stack([b & ~a for a, b in zip(without[2::4], without[3::4], strict=True)])
    assert layout.reward_terms[0] == "track_lin_vel_xy_exp" and layout.causes == ("time_out", "base_contact")
    assert flush["termination/episodes"].item() == int(ends.sum()) > NUM
    assert flush["reward/total_per_s"].item() == pytest.approx(float(rewards.mean()) / layout.step_dt, rel=1e-5)
    assert int(timed_out.sum()) > 0


def test_a_velocity_error_is_that_of_the_robot(go1_manifest: Manifest) -> None:
    """Against Isaac Lab's own velocity in the yaw frame, in the step at hand."""
    with stock(go1_manifest) as env:
        accounts = attach_to_managers(env, audit_config())
        seen: list[Any] = []
        read = accounts._reader.read
        accounts._reader.read = lambda reward: seen.append(read(reward)) or seen[-1]
        from isaaclab.utils.math import quat_apply_inverse, yaw_quat

        compute, own = env.reward_manager.compute, []

        def spy(dt: float) -> torch.Tensor:
            data = env.scene["robot"].data
            velocity = quat_apply_inverse(yaw_quat(data.root_link_quat_w.torch), data.root_link_lin_vel_w.torch)
            command = env.command_manager.get_command("base_velocity")
            own.append((command[:, :2] - velocity[:, :2]).norm(dim=1))
            return compute(dt=dt)

        env.reward_manager.compute = spy
        for _ in range(5):
            env.step(0.3 * torch.randn(NUM, 12, generator=torch.Generator().manual_seed(3)))
        for step, expected in zip(seen, own, strict=True):
            assert torch.allclose(step.lin_vel_error, expected, atol=1e-5)
            assert not step.fault.any()
        env.reward_manager.compute = compute


def test_a_broken_reward_is_a_fault(go1_manifest: Manifest) -> None:
    with stock(go1_manifest) as env:
        accounts = attach_to_managers(env, audit_config())
        cfg = env.reward_manager.get_term_cfg("lin_vel_z_l2")
        func = cfg.func

        def broken(*args: Any, **params: Any) -> torch.Tensor:
            value = func(*args, **params).clone()
            value[3] = torch.nan
            return value

        cfg.func.func, func = broken, cfg.func.func
        seen: list[Any] = []
        read = accounts._reader.read
        accounts._reader.read = lambda reward: seen.append(read(reward)) or seen[-1]
        env.step(torch.zeros(NUM, 12))
        assert seen[0].fault.any(dim=1).nonzero().flatten().tolist() == [3]
        with pytest.raises(EngineError, match="already attached"):
            attach_to_managers(env, audit_config())
