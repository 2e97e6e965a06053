"""Reading a manager-based environment through the names that mjlab and Isaac Lab share."""

import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from manager_env import DT, ManagerEnv, SteppedEnv
from surefoot.audit.accounts.metrics import axis_names
from surefoot.audit.accounts.tags import scalars_of
from surefoot.audit.attach import attach_to_managers
from surefoot.audit.record.record_file import read_record
from surefoot.audit.unknown import NEED_VELOCITY
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


def ended(env: ManagerEnv, **options):
    """The metrics of ten steps, with a failure and a time-out at the end, and what was said beforehand."""
    said: list[str] = []
    attached = attach(env, report=said.append, **options)
    for _ in range(9):
        env.step()
    env.fell[1] = env.late[2] = True
    env.step()
    return attached.end_iteration()[0], said, attached.layout


def test_without_a_velocity_command_no_error_and_no_success_exists():
    flush, said, _ = ended(ManagerEnv(command="gripper"))
    for name in NEED_VELOCITY:
        assert flush[name].isnan().all(), name
    for name in ("bucket/success_rate", "reward/success_correlation", "standing/rows"):
        assert name in NEED_VELOCITY
    assert flush["reward/mean_per_s"].tolist() == pytest.approx([0.6, -1.0])
    assert [flush[f"termination/{name}"].item() for name in ("failures", "time_outs")] == [1, 1]
    assert flush["episode/return_mean"].item() == pytest.approx(-0.4 * DT * 10)
    assert len(said) == 1 and "no velocity command" in said[0] and "gripper" in said[0]
    assert (
        scalars_of(flush, axis_names(attach(ManagerEnv()).layout))
        .keys()
        .isdisjoint({"Episode/success_rate", "Episode/lin_vel_error", "Standing/rows"})
    )


def test_a_step_without_a_command_says_nan_and_asks_nobody_to_move():
    env = ManagerEnv(command="gripper")
    attached = attach(env, report=lambda _: None)
    attached.accounts.step = (steps := []).append  # type: ignore[method-assign]
    env.step()
    assert steps[0].lin_vel_error.isnan().all() and steps[0].yaw_rate_error.isnan().all()
    assert not steps[0].is_moving.any() and steps[0].lin_speed.tolist() == [1.0] * 4
    assert not steps[0].fault.any(), "what does not exist is not broken"


def test_with_a_velocity_command_everything_is_known():
    flush, said, _ = ended(ManagerEnv())
    assert not said
    assert flush["episode/success_rate"].item() == 0.0, "measured: all drift at 1 m/s, nobody asked for it"
    assert flush["episode/lin_vel_error"].item() == pytest.approx(1.0)


def test_without_a_robot_no_velocity_and_no_fault_of_state_exists():
    env = ManagerEnv()
    env.scene = {"cart": env.scene["robot"], "camera": SimpleNamespace()}
    flush, said, layout = ended(env)
    assert layout.fault_kinds == ("action", "reward")
    assert flush["episode/lin_vel_error"].isnan() and flush["bucket/success_rate"].isnan().all()
    assert flush["reward/steps"].item() == 40
    assert len(said) == 1 and "no 'robot'" in said[0] and "cart, camera" in said[0]


def test_a_robot_of_another_name_is_one_if_it_has_a_velocity():
    env = ManagerEnv()
    env.scene = {"cart": env.scene["robot"], "camera": SimpleNamespace(data=SimpleNamespace(output=1))}
    flush, said, _ = ended(env, robot="cart")
    assert not said and flush["episode/lin_vel_error"].item() == pytest.approx(1.0)
    del env.reward_manager.compute
    with pytest.raises(EngineError, match=r"no 'crat'\. Did you mean 'cart'"):
        attach(env, robot="crat")
    with pytest.raises(EngineError, match="'camera' of the scene is a SimpleNamespace"):
        attach(env, robot="camera")


def test_what_cannot_be_known_is_a_warning_unless_somebody_takes_it():
    with pytest.warns(UserWarning, match="no velocity command"):
        attach(ManagerEnv(command="gripper"))


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


def test_a_short_run_is_on_the_disk_after_its_first_iteration(tmp_path: Path):
    env = ManagerEnv()
    attached = attach(env, steps_per_iteration=2, folder=tmp_path)
    written = []
    for _ in range(2 * 23):
        env.step()
        if attached.iteration > len(written):
            rows = len(read_record(tmp_path).iteration) if any(tmp_path.iterdir()) else 0
            written.append(rows)
    assert [n + 1 for n, rows in enumerate(written) if rows == n + 1] == [1, 2, 4, 8, 16, 20]


def test_closing_the_environment_finishes_the_record(tmp_path: Path):
    env = SteppedEnv()
    attached = attach(env, steps_per_iteration=2, folder=tmp_path)
    for _ in range(6):
        env.step()
    rewards = env.reward_manager
    env.close()
    assert env.closed and "compute" not in vars(rewards) and {"step", "close"}.isdisjoint(vars(env))
    assert read_record(tmp_path).iteration.tolist() == [1, 2, 3]
    attached.detach()  # late, and harmless
    assert read_record(tmp_path).iteration.tolist() == [1, 2, 3]


def test_what_is_ended_after_the_close_is_kept_too(tmp_path: Path):
    env = SteppedEnv()
    attached = attach(env, folder=tmp_path)
    env.step()
    env.close()
    flush, _ = attached.end_iteration()
    assert flush["reward/steps"].item() == 4
    assert read_record(tmp_path).iteration.tolist() == [1]


def test_a_run_that_goes_on_counts_on(tmp_path: Path):
    env = ManagerEnv()
    attached = attach(env, steps_per_iteration=1, folder=tmp_path, iterations_before=7)
    env.step()
    env.step()
    attached.detach()
    assert read_record(tmp_path).iteration.tolist() == [8, 9]


def test_scalars_are_in_the_log_of_one_step_only():
    """RSL-RL averages over the steps of an iteration, and Isaac Lab leaves the same log there until the next reset."""
    env = SteppedEnv()
    attached = attach(env, steps_per_iteration=3, scalars=True)
    logs, alive = [], env.extras
    for index in range(7):
        env.fell[0] = index == 1
        *_, extras = env.step()
        assert extras is alive
        logs.append(extras.get("log"))
    assert logs[0] is None
    own = logs[1]
    assert own == {"Episode_Reward/height": 1.0} and logs[3] is own and logs[4] is own and logs[6] is own
    for log in (logs[2], logs[5]):
        assert log["Episode_Reward/height"] == 1.0
        assert log["Reward/height/mean_per_s"] == pytest.approx(0.6)
        assert log["Reward/steps"] == 12
    attached.detach()
    assert "step" not in vars(env)


def test_scalars_need_no_log_of_the_environment_and_leave_none():
    env = SteppedEnv()
    attach(env, steps_per_iteration=2, scalars=True)
    env.step()
    assert "Reward/steps" in env.step()[-1]["log"]
    assert "log" not in env.step()[-1]


def test_a_reward_manager_without_tensors_is_refused():
    env = ManagerEnv()
    env.reward_manager._step_reward = object()  # Isaac Lab's experimental frontend has arrays of Warp
    with pytest.raises(EngineError, match="does not keep the reward of each term as a torch tensor"):
        attach(env)
