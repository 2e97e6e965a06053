"""The accounts on Isaac Lab's own Go1 task, unchanged: what they add up is what the environment gave."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from isaaclab_double import paths
from surefoot.audit.attach import attach_to_managers
from surefoot.manifest import Manifest
from surefoot_tasks import audit_config

TASK = "Isaac-Velocity-Flat-Unitree-Go1-v0"
NUM = 8
STEPS = 60
Make = Callable[[], Any]


@pytest.fixture(scope="module")
def asset_files(isaaclab: str, go1_manifest: Manifest) -> None:
    if lacking := paths.lacking():
        pytest.skip(f"Isaac Lab's own Go1 comes from NVIDIA's asset server; its double {lacking}")
    import carb

    from isaaclab_double import asset_server, install

    asset_server.fill(Path(carb.settings.get_settings().get(install.ASSET_ROOT)), go1_manifest.robot)


@pytest.fixture
def make(asset_files: None) -> Iterator[Make]:
    """Builds the task with episodes of half a second, so that there are time-outs beside falls."""
    import gymnasium
    import isaaclab.sim as sim_utils
    from isaaclab_tasks.utils.parse_cfg import parse_env_cfg

    built: list[Any] = []

    def build() -> Any:
        if built:
            built.pop().close()  # one at a time
        cfg: Any = parse_env_cfg(TASK, device="cpu", num_envs=NUM)
        cfg.seed, cfg.episode_length_s, cfg.commands.base_velocity.debug_vis = 3, 0.5, False
        sim_utils.create_new_stage()
        built.append(gymnasium.make(TASK, cfg=cfg).unwrapped)
        built[-1].reset()
        return built[-1]

    yield build
    if built:
        built.pop().close()
    sim_utils.SimulationContext.clear_instance()  # also where building it failed


def actions(count: int) -> Tensor:
    return 2.0 * torch.randn(count, NUM, 12, generator=torch.Generator().manual_seed(0))


def test_the_robot_of_the_task_stands(make: Make) -> None:
    env = make()
    assert env.scene["robot"].body_names[-4:] == ["FL_foot", "FR_foot", "RL_foot", "RR_foot"]
    for _ in range(20):
        env.step(torch.zeros(NUM, 12))
    height = env.scene["robot"].data.root_pos_w[:, 2]
    assert bool(((height > 0.2) & (height < 0.4)).all())


def test_accounts_add_up_to_what_the_environment_gave(make: Make) -> None:
    env = make()
    attached = attach_to_managers(env, audit_config())
    received, failures, time_outs = 0.0, 0, 0
    terms = torch.zeros(len(env.reward_manager.active_terms), dtype=torch.float64)
    for action in actions(STEPS):
        _, reward, terminated, truncated, _ = env.step(action)
        received += reward.double().sum().item()
        terms += env.reward_manager._step_reward.double().sum(dim=0)
        failures += int(terminated.sum())
        time_outs += int((truncated & ~terminated).sum())
    flush, _ = attached.end_iteration()
    assert attached.layout.reward_terms == tuple(env.reward_manager.active_terms)
    assert set(attached.layout.causes) == {"time_out", "base_contact"}
    assert flush["reward/steps"].item() == STEPS * NUM
    assert flush["reward/received"].item() == pytest.approx(received, rel=1e-9)
    assert flush["reward/accounted"].item() == pytest.approx(received, rel=1e-5)
    torch.testing.assert_close(flush["reward/mean_per_s"], terms / (STEPS * NUM))
    assert time_outs > 0
    assert flush["termination/failures"].item() == failures
    assert flush["termination/time_outs"].item() == time_outs
    assert flush["fault/invalid_share"].item() == 0


def test_a_reward_that_is_no_number_is_a_fault(make: Make) -> None:
    """Isaac Lab looks for none."""
    env = make()
    term = env.reward_manager.get_term_cfg("track_lin_vel_xy_exp")
    original = term.func

    def poisoned(env: Any, **params: Any) -> Tensor:
        value = original(env, **params).clone()
        value[5] = torch.nan
        return value

    term.func = poisoned
    attached = attach_to_managers(env, audit_config())
    for action in actions(10):
        _, reward, *_ = env.step(action)
        assert torch.isnan(reward).nonzero().flatten().tolist() == [5]
    flush, _ = attached.end_iteration()
    steps = dict(zip(attached.layout.fault_kinds, flush["fault/steps"].tolist(), strict=True))
    assert steps["reward"] == 10
    assert flush["reward/steps"].item() == 10 * (NUM - 1)


def test_the_environment_gives_the_same_with_and_without_accounts(make: Make) -> None:
    def rollout(follow: bool) -> list[Tensor]:
        env = make()
        attached = attach_to_managers(env, audit_config()) if follow else None
        out: list[Tensor] = []
        for action in actions(STEPS):
            observations, reward, terminated, truncated, _ = env.step(action)
            out += [observations["policy"].clone(), reward.clone(), terminated.clone(), truncated.clone()]
        if attached is not None:
            attached.detach()
            assert "compute" not in vars(env.reward_manager)
        return out

    assert all(a.equal(b) for a, b in zip(rollout(False), rollout(True), strict=True))
