"""Every metric of a panel on scripted motion: known answers, frames, and which steps count."""

import math

import pytest
import torch

from scripted_env import JOINTS
from scripted_panel import DT, PanelMoment, ScriptedPanelEnv, idle, only, panel_of, play, still, walking
from surefoot.errors import SurefootError
from surefoot.evaluation.report import episode_values
from surefoot.evaluation.rollout import run_cells

TURN = {"commands": [[0, 0.5, 0.3, 0.5]]}


def one(result, name: str) -> float:
    return getattr(result.episodes, name)[0, 0].item()


def test_a_robot_that_does_as_commanded_at_any_heading_has_no_error():
    panel = panel_of({"turn": TURN}, steps=5)
    script = still(5, panel)
    for step, moment in enumerate(script):
        moment.lin_vel_yaw = torch.tensor([[0.5, 0.3, 0.0]])
        moment.yaw_rate = torch.tensor([0.5])
        moment.yaw = torch.tensor([math.pi / 2 * step])
    result = play(script, panel)
    assert one(result, "lin_vel_error") == pytest.approx(0.0, abs=1e-6)
    assert one(result, "yaw_rate_error") == pytest.approx(0.0, abs=1e-6)
    assert episode_values(result)["success_rate"].tolist() == [[1.0]]


def test_a_standing_robot_scores_the_length_of_its_command():
    panel = panel_of({"turn": TURN}, steps=3)
    result = play(still(3, panel), panel)
    assert one(result, "lin_vel_error") == pytest.approx(math.hypot(0.5, 0.3))
    assert one(result, "yaw_rate_error") == pytest.approx(0.5)
    assert episode_values(result)["success_rate"].tolist() == [[0.0]]


def test_every_step_after_the_warm_up_counts_once():
    panel = panel_of(steps=4, warm_up=2 * DT)
    result = play(walking(panel, [1.0, 20.0, 300.0, 4000.0]), panel)
    assert one(result, "lin_vel_error") == pytest.approx(4300 / 2)
    whole = panel_of(steps=4)
    assert one(play(walking(whole, [1.0, 20.0, 300.0, 4000.0]), whole), "lin_vel_error") == pytest.approx(4321 / 4)


def test_a_fall_ends_the_episode_and_its_step_has_no_sample():
    panel = panel_of({"a": {}, "b": {"friction": 0.5}}, steps=6)
    script = walking(panel, [1.0, 20.0, 300.0, 4000.0, 5000.0, 6000.0])
    script[2].fall(0)
    script[4].fall(0)  # a second fall, in a later episode, is nobody's business
    episodes = play(script, panel).episodes
    assert episodes.lin_vel_error[0, 0].item() == pytest.approx(21 / 2)
    assert episodes.survival_time.flatten().tolist() == pytest.approx([3 * DT, 6 * DT])
    assert episodes.failed.flatten().tolist() == [True, False]


def test_a_fall_in_the_last_step_counts_and_one_after_it_does_not():
    panel = panel_of({"a": {}, "b": {"friction": 0.5}}, steps=3)
    script = still(4, panel)
    script[2].fall(0)
    script[3].fall(1)
    assert play(script, panel).episodes.failed.flatten().tolist() == [True, False]


def test_a_fall_in_the_warm_up_has_no_errors_and_is_no_success():
    panel = panel_of(steps=4, warm_up=2 * DT)
    script = walking(panel, [0.0] * 4)
    script[1].fall(0)
    result = play(script, panel)
    assert math.isnan(one(result, "lin_vel_error"))
    values = episode_values(result)
    assert (values["success_rate"].item(), values["fall_rate"].item()) == (0.0, 1.0)


def test_when_all_have_fallen_the_result_is_the_same_as_if_it_had_gone_on():
    panel = panel_of({"a": {"kicks": [{"at": DT, "lin_vel": 1.0}]}}, steps=120)
    script = still(120, panel)
    script[1].fall(0)
    result = play(script, panel)
    assert one(result, "survival_time") == pytest.approx(2 * DT)
    assert one(result, "recovery_time") == pytest.approx(119 * DT)  # of the whole measurement, not of the 50 steps run


def test_the_error_is_against_the_command_that_was_followed():
    """The command changes at 2 control steps: steps 1 and 2 follow the old one, steps 3 and 4 the new one."""
    panel = panel_of({"a": {"commands": [[0, 0.5, 0, 0], [2 * DT, -0.2, 0.1, 0.4]]}}, steps=4)
    script = still(4, panel)
    for moment in script[:2]:
        moment.lin_vel_yaw[:, 0] = 0.5
    for moment in script[2:]:
        moment.lin_vel_yaw = torch.tensor([[-0.2, 0.1, 0.0]])
        moment.yaw_rate = torch.tensor([0.4])
    result = play(script, panel)
    assert one(result, "lin_vel_error") == pytest.approx(0.0, abs=1e-6)
    assert one(result, "yaw_rate_error") == pytest.approx(0.0, abs=1e-6)


def test_the_policy_sees_a_command_before_it_has_to_follow_it():
    panel = panel_of({"a": {"commands": [[0, 0.5, 0, 0], [2 * DT, -0.2, 0, 0]]}}, steps=4)
    seen: list[float] = []

    def watch(obs: torch.Tensor) -> torch.Tensor:
        seen.append(round(obs[0, 0].item(), 6))
        return idle(obs)

    play(still(4, panel), panel, watch)
    assert seen == [0.5, 0.5, -0.2, -0.2]


def kicked_panel(steps: int, *kicks: dict, **cell):
    return panel_of({"a": {"kicks": list(kicks)} | cell}, steps=steps)


def test_a_kick_comes_once_at_its_time_in_the_direction_of_the_heading():
    panel = kicked_panel(6, {"at": 3 * DT, "lin_vel": 2.0, "direction_deg": 90, "ang_vel_z": 0.5})
    script = still(6, panel)
    for moment in script:
        moment.yaw = torch.tensor([math.pi / 2])  # facing +y: left is -x
    env = ScriptedPanelEnv(script, panel)
    run_cells(env, idle, panel)
    assert [(step, row) for step, _, row in env.kicks] == [(3, pytest.approx([-2.0, 0.0, 0.5], abs=1e-6))]


def test_a_kick_waits_for_its_phase():
    """The clock starts at 0 and advances by 0.04 a step: step 20 shows 0.80, and 0.5 is passed in step 38 (1.52)."""
    panel = kicked_panel(60, {"at": 20 * DT, "lin_vel": 1.0, "phase": 0.5}, {"at": 50 * DT, "lin_vel": 1.0})
    env = ScriptedPanelEnv(still(60, panel), panel)
    run_cells(env, idle, panel)
    assert [step for step, _, _ in env.kicks] == [38, 50]


def test_every_episode_has_its_own_kicks():
    panel = panel_of({"a": {"kicks": [{"at": 2 * DT, "lin_vel": 1.0}]}, "b": {}}, steps=4, replicates=2)
    env = ScriptedPanelEnv(still(4, panel), panel)
    episodes = run_cells(env, idle, panel).episodes
    assert [(step, index) for step, index, _ in env.kicks] == [(2, 0), (2, 1)]
    assert episodes.kick_time[0].tolist() == pytest.approx([2 * DT] * 2)
    assert episodes.kick_time[1].isnan().all() and episodes.recovery_time[1].isnan().all()


def test_the_sample_of_a_kicks_step_is_taken_before_it():
    panel = kicked_panel(4, {"at": 2 * DT, "lin_vel": 1.0})
    script = walking(panel, [0.0] * 4)
    for moment in script:
        moment.foot_down[:] = True
        moment.foot_vel_w[..., 0] = 0.1
    result = play(script, panel)
    assert one(result, "lin_vel_error") == pytest.approx(0.0, abs=1e-6)  # not 77 m/s
    assert one(result, "foot_slip") == pytest.approx(0.1)


def test_recovery_is_the_start_of_the_first_good_half_second():
    """Errors of 1 m/s for 10 steps. A window of 25 steps has a mean of 0.3 with 7 of them: it starts 3 steps late."""
    panel = kicked_panel(80, {"at": 20 * DT, "lin_vel": 1.0})
    script = walking(panel, [5.0] * 20 + [1.0] * 10 + [0.0] * 50)  # what was before the kick does not matter
    assert one(play(script, panel), "recovery_time") == pytest.approx(3 * DT)


def test_a_robot_that_nothing_disturbs_recovers_at_once():
    panel = kicked_panel(80, {"at": 20 * DT, "lin_vel": 1.0})
    assert one(play(walking(panel, [0.0] * 80), panel), "recovery_time") == 0.0


def test_the_window_must_end_before_the_measurement_does():
    panel = kicked_panel(45, {"at": 20 * DT, "lin_vel": 1.0})
    assert one(play(walking(panel, [0.0] * 45), panel), "recovery_time") == 0.0  # 25 steps are left
    short = kicked_panel(44, {"at": 20 * DT, "lin_vel": 1.0})
    assert one(play(walking(short, [0.0] * 44), short), "recovery_time") == pytest.approx(24 * DT)


def test_falling_after_a_kick_is_never_recovering():
    panel = kicked_panel(100, {"at": 20 * DT, "lin_vel": 1.0})
    script = walking(panel, [0.0] * 20 + [1.0] * 80)
    script[30].fall(0)
    assert one(play(script, panel), "recovery_time") == pytest.approx(80 * DT)
    late = walking(panel, [0.0] * 100)  # on its feet and on its way for a second, and down after that
    late[70].fall(0)
    assert one(play(late, panel), "recovery_time") == pytest.approx(80 * DT)
    before = walking(panel, [0.0] * 100)
    before[10].fall(0)
    assert math.isnan(one(play(before, panel), "recovery_time"))  # it was never kicked


def test_a_second_kick_starts_anew():
    panel = kicked_panel(120, {"at": 20 * DT, "lin_vel": 1.0}, {"at": 60 * DT, "lin_vel": 1.0})
    script = walking(panel, [0.0] * 60 + [1.0] * 10 + [0.0] * 50)
    result = play(script, panel)
    assert one(result, "recovery_time") == pytest.approx(3 * DT)
    assert one(result, "kick_time") == pytest.approx(60 * DT)


def test_foot_slip_is_the_mean_horizontal_speed_of_feet_that_are_down():
    panel = panel_of(steps=2)
    script = still(2, panel)
    script[0].foot_down = torch.tensor([[True, True, False, False]])
    script[0].foot_vel_w[0] = torch.tensor([[0.3, 0.4, 9.0], [0.0, 0.1, 0.0], [5.0, 5.0, 0.0], [5.0, 0.0, 0.0]])
    script[1].foot_down = torch.tensor([[True, False, False, False]])
    assert one(play(script, panel), "foot_slip") == pytest.approx((0.5 + 0.1 + 0.0) / 3)
    flying = still(2, panel)
    assert math.isnan(one(play(flying, panel), "foot_slip"))


def test_action_rate_is_the_speed_of_the_targets():
    """0.5 rad per unit of action. Actions 0.1, -0.1, 0.1, -0.1: changes of 0.1, 0.2, 0.2, 0.2 units in 0.02 s."""
    panel = panel_of(steps=4)
    signs = iter([0.1, -0.1, 0.1, -0.1])
    result = play(still(4, panel), panel, lambda obs: idle(obs) + next(signs))
    assert one(result, "action_rate") == pytest.approx((2.5 + 5.0 + 5.0 + 5.0) / 4)


def test_actions_count_after_clipping():
    panel = panel_of(steps=2)
    big = iter([1000.0, 10.0])  # clipped to 10: no change in the second step
    result = play(still(2, panel), panel, lambda obs: idle(obs) + next(big))
    assert one(result, "action_rate") == pytest.approx(10 * 0.5 / DT / 2)


def test_torque_saturation_knows_weak_motors():
    cells = {"strong": {}, "weak": {"motor_strength": 0.5}}
    panel = panel_of(cells, steps=2)
    limit = torch.tensor([23.7, 23.7, 35.55] * 4)
    script = still(2, panel)
    for moment in script:
        moment.torque = (0.5 * limit).expand(2, -1).clone()
    script[0].torque[0, :3] = -limit[:3]
    saturation = play(script, panel).episodes.torque_saturation.flatten().tolist()
    assert saturation == pytest.approx([3 / 12 / 2, 1.0])


def test_cost_of_transport_of_a_known_walk():
    panel = panel_of(steps=500)
    script = still(500, panel)
    for moment in script:
        moment.lin_vel_yaw[:, 0] = 0.5
        moment.torque, moment.joint_vel = torch.full((1, JOINTS), -2.0), torch.full((1, JOINTS), 3.0)
    # 12 joints * 6 W * 10 s = 720 J; 12 kg * 9.81 m/s^2 * 5 m = 588.6 J
    assert one(play(script, panel), "cost_of_transport") == pytest.approx(720 / 588.6, rel=1e-6)


def test_no_cost_of_transport_without_transport():
    standing = panel_of({"a": {"commands": [[0, 0, 0, 0.5]]}}, steps=500)
    assert math.isnan(one(play(walking(standing, [0.0] * 500), standing), "cost_of_transport"))
    short = panel_of(steps=99)  # 0.99 m at 0.5 m/s
    assert math.isnan(one(play(walking(short, [0.0] * 99), short), "cost_of_transport"))


def test_the_cause_is_the_first_failure_in_the_manifests_order():
    panel = panel_of(replicates=3, steps=3)
    script = still(3, panel)
    script[1].fall(0, "time_out", "tilted", "base_contact")
    script[1].fall(1, "tilted")
    script[2].fall(1, "base_contact")
    episodes = play(script, panel).episodes
    assert episodes.cause.flatten().tolist() == [1, 2, -1]  # time_out comes first, and is no failure


def test_a_time_out_is_no_fall_and_no_success():
    panel = panel_of(steps=3)
    script = walking(panel, [0.0] * 3)
    script[1].timed_out[0] = True
    result = play(script, panel)
    assert result.episodes.truncated.item() and not result.episodes.failed.item()
    assert episode_values(result)["success_rate"].item() == 0.0


def test_a_fault_is_neither_a_fall_nor_a_survival():
    panel = panel_of(replicates=4, steps=4)
    script = walking(panel, [1.0] * 4)
    script[1].broken[0] = script[1].failed[0] = True
    script[1].lin_vel_yaw[3] = math.nan  # no warning, but the state is not finite
    script[2].foot_vel_w[2, 1] = math.nan  # of a foot in the air
    result = play(script, panel)
    assert result.episodes.faulted.tolist() == [[True, False, False, True]]
    assert not result.episodes.failed.any()
    values = episode_values(result)
    assert [math.isnan(x) for x in values["lin_vel_error"][0]] == [True, False, False, True]
    assert [math.isnan(x) for x in values["fall_rate"][0]] == [True, False, False, True]


def test_an_action_that_is_not_a_number_is_a_fault():
    panel = panel_of(replicates=2, steps=3)

    def broken(obs: torch.Tensor) -> torch.Tensor:
        return torch.where(only(1, 2).unsqueeze(1), math.nan, idle(obs))

    assert play(still(3, panel), panel, broken).episodes.faulted.tolist() == [[False, True]]


def random_script(n: int, steps: int) -> list[PanelMoment]:
    generator = torch.Generator().manual_seed(0)
    script = [PanelMoment.still(n) for _ in range(steps)]
    for moment in script:
        moment.lin_vel_yaw = torch.rand(n, 3, generator=generator)
        moment.yaw_rate = torch.rand(n, generator=generator)
        moment.torque = 30 * torch.rand(n, JOINTS, generator=generator)
        moment.joint_vel = torch.rand(n, JOINTS, generator=generator)
        moment.foot_vel_w = torch.rand(n, 4, 3, generator=generator)
        moment.foot_down = torch.rand(n, 4, generator=generator) < 0.5
        for env in (torch.rand(n, generator=generator) < 0.01).nonzero().flatten().tolist():
            moment.fall(env, "tilted")
    return script


def permuted(script: list[PanelMoment], order: list[int]) -> list[PanelMoment]:
    return [PanelMoment(**{name: value[order] for name, value in vars(moment).items()}) for moment in script]


def test_cells_do_not_depend_on_their_order_nor_on_each_other():
    cells = {
        "a": {}, "b": {"motor_strength": 0.7}, "c": {"kicks": [{"at": 0.4, "phase": 0.3, "lin_vel": 1.0}]},
        "d": {"commands": [[0, 0.2, 0, 0], [0.5, 0.4, 0, 0]]},
    }  # fmt: skip
    panel = panel_of(cells, steps=60, replicates=2)
    script = random_script(8, 60)
    whole = play(script, panel).episodes
    other = panel_of({name: cells[name] for name in ("c", "a")}, steps=60, replicates=2)
    part = play(permuted(script, [4, 5, 0, 1]), other).episodes
    for name, value in vars(whole).items():
        torch.testing.assert_close(getattr(part, name), value[[2, 0]], rtol=0, atol=0, equal_nan=True, msg=name)
    assert whole.failed.any() and not whole.failed.all()


def test_an_environment_of_another_size_is_refused():
    panel, larger = panel_of(steps=3), panel_of(steps=3, replicates=2)
    with pytest.raises(SurefootError, match="Expected 2 environments for panel test_v1, got 1"):
        run_cells(ScriptedPanelEnv(still(3, panel), panel), idle, larger)


def test_a_time_out_that_would_cut_the_measurement_is_refused():
    panel, longer = panel_of(steps=3), panel_of(steps=100)
    with pytest.raises(SurefootError, match="time out after"):
        run_cells(ScriptedPanelEnv(still(3, panel), panel), idle, longer)
