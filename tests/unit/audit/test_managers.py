"""Reading a manager-based environment through the names that mjlab and Isaac Lab share."""

import math
from pathlib import Path

import pytest
import torch

from manager_env import DT, ManagerEnv
from surefoot.audit.attach import attach_to_managers
from surefoot.audit.record_file import read_record
from surefoot.errors import EngineError
from surefoot_tasks import audit_config


def attach(env: ManagerEnv, **options):
    return attach_to_managers(env, audit_config(), **options)


def test_the_names_of_the_axes_are_the_managers():
    layout = attach(ManagerEnv()).layout
    assert layout.reward_terms == ("height", "one")
    assert layout.causes == ("time_out", "fell")
    assert layout.cause_is_time_out == (True, False)
    assert (layout.num_envs, layout.step_dt, layout.max_episode_steps, layout.num_actions) == (4, DT, 100, 12)


def test_rewards_and_ends_are_those_before_the_reset():
    env = ManagerEnv()
    attached = attach(env)
    for _ in range(9):
        env.step()
    env.fell[1] = env.late[2] = env.late[3] = env.fell[3] = True
    env.step()
    flush, _ = attached.end_iteration()
    # 0.3 m at weight 2, minus 1: -0.4/s.
    assert flush["reward/mean_per_s"].tolist() == pytest.approx([0.6, -1.0])
    assert flush["reward/received"].item() == pytest.approx(-0.4 * DT * 40, rel=1e-6)
    assert flush["termination/failures"].item() == 2, "a failure wins over a time-out"
    assert flush["termination/time_outs"].item() == 1
    assert flush["termination/length_mean"].item() == pytest.approx(10 * DT)


def test_velocity_error_is_in_the_base_yaw_frame():
    env = ManagerEnv()
    attached = attach(env)
    # All drift along x at 1 m/s and turn at 0.5 rad/s; the second faces y, so that it drifts to its right.
    env.robot.heading_w[1] = math.pi / 2
    env.command[:] = torch.tensor([[1.0, 0.0, 0.5], [0.0, -1.0, 0.0], [0.0, 0.0, 0.05], [0.0, 2.0, 0.5]])
    attached.accounts.step = (steps := []).append  # type: ignore[method-assign]
    env.step()
    (step,) = steps
    torch.testing.assert_close(step.lin_vel_error, torch.tensor([0.0, 0.0, 1.0, math.sqrt(5)]), atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(step.yaw_rate_error, torch.tensor([0.0, 0.5, 0.45, 0.0]))
    torch.testing.assert_close(step.lin_speed, torch.ones(4))
    assert step.is_moving.tolist() == [True, True, False, True]


def test_without_a_command_nothing_is_an_error_and_nothing_is_asked_to_move():
    env = ManagerEnv(command="gripper")
    attached = attach(env)
    attached.accounts.step = (steps := []).append  # type: ignore[method-assign]
    env.step()
    assert steps[0].lin_vel_error.tolist() == [0.0] * 4
    assert not steps[0].is_moving.any()


@pytest.mark.parametrize("kind", ["state", "action", "reward"])
def test_each_kind_of_fault_is_told_apart(kind: str):
    env = ManagerEnv()
    attached = attach(env)
    target = {"state": env.robot.joint_vel[:, 3], "action": env.action_manager.action[:, 0], "reward": env.height}
    target[kind][2] = math.nan
    env.step()
    flush, _ = attached.end_iteration()
    assert dict(zip(attached.layout.fault_kinds, flush["fault/steps"].tolist(), strict=True)) == {
        name: float(name == kind) for name in ("state", "action", "reward")
    }
    assert flush["reward/steps"].item() == 3


def test_rewards_that_are_not_scaled_by_the_control_step_reconcile():
    env = ManagerEnv(scale_by_dt=False)
    attached = attach(env)
    env.step()
    flush, _ = attached.end_iteration()
    assert flush["reward/received"].item() == pytest.approx(-0.4 * 4, rel=1e-6)
    assert flush["reward/residual"].item() < 1e-6
    assert flush["reward/mean_per_s"].tolist() == pytest.approx([0.6 / DT, -1.0 / DT])


def test_detached_is_as_before():
    env = ManagerEnv()
    before = [env.reward_manager.get_term_cfg(name).func for name in ("height", "one")]
    attached = attach(env)
    env.step()
    attached.detach()
    env.step()
    assert [env.reward_manager.get_term_cfg(name).func for name in ("height", "one")] == before
    assert attached.end_iteration()[0]["reward/steps"].item() == 4


def test_an_environment_without_managers_is_refused():
    with pytest.raises(EngineError, match="has no reward_manager, termination_manager"):
        attach_to_managers(object(), audit_config())


def test_iterations_end_by_themselves_and_are_kept_in_the_folder(tmp_path: Path):
    env = ManagerEnv()
    seen: list[tuple[int, float]] = []
    attached = attach(
        env,
        steps_per_iteration=3,
        on_iteration=lambda iteration, flush, alerts: seen.append((iteration, flush["reward/steps"].item())),
        folder=tmp_path,
    )
    for _ in range(7):
        env.step()
    assert seen == [(1, 12.0), (2, 12.0)]
    attached.detach()
    assert read_record(tmp_path).iteration.tolist() == [1, 2]
