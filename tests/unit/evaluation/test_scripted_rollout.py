"""The rollout and the rows on scripted motion: which steps count, in which frame, for whom."""

import math

import pytest
import torch

from scripted_env import JOINTS, Moment, ScriptedEnv, idle
from surefoot.errors import SurefootError
from surefoot.evaluation import CommandGrid, GridResult, command_rows, evaluate_grid, summarize
from surefoot.evaluation.summary import bucket_rows

DT = 0.02


def grid_of(steps: int, replicates: int = 1, **changes) -> CommandGrid:
    """Two commands, (0.5, 0.3, 0.5) and standing still in x, of some control steps."""
    values = {"lin_vel_x": (0.5, 0.0), "lin_vel_y": (0.3,), "ang_vel_z": (0.5,), "warm_up": 0.0} | changes
    return CommandGrid(**values, duration=steps * DT, replicates=replicates)


def still(steps: int, grid: CommandGrid) -> list[Moment]:
    return [Moment.still(grid.num_envs) for _ in range(steps)]


def only(index: int, n: int) -> torch.Tensor:
    return torch.arange(n) == index


def run(script: list[Moment], grid: CommandGrid, policy=idle, mass: float = 12.0) -> GridResult:
    return evaluate_grid(ScriptedEnv(script, grid, mass), policy, grid)


def test_a_robot_that_does_as_commanded_at_any_heading_has_no_error():
    grid = grid_of(5)
    script = still(5, grid)
    for step, moment in enumerate(script):
        moment.lin_vel_yaw = torch.nn.functional.pad(grid.env_commands()[:, :2], (0, 1))
        moment.yaw_rate = grid.env_commands()[:, 2]
        moment.yaw = torch.full((2,), math.pi / 2 * step)
    summary = summarize(run(script, grid))
    assert summary.lin_vel_error.value == pytest.approx(0.0, abs=1e-6)
    assert summary.yaw_rate_error.value == pytest.approx(0.0, abs=1e-6)
    assert summary.rates.success_rate == 1.0


def test_a_standing_robot_scores_the_length_of_its_command():
    grid = CommandGrid(duration=3 * DT, replicates=1)
    result = run(still(3, grid), grid)
    errors = [row.lin_vel_error for row in command_rows(result)]
    assert errors == pytest.approx(grid.commands()[:, :2].norm(dim=1).tolist())
    assert summarize(result).lin_vel_error.value == pytest.approx(0.58503, abs=1e-5)
    assert summarize(result).yaw_rate_error.value == pytest.approx(1 / 3)


def forward_speeds(grid: CommandGrid, speeds: list[float]) -> list[Moment]:
    """Every robot moves along x, relative to its command's speed, and follows the rest."""
    script = still(len(speeds), grid)
    for moment, speed in zip(script, speeds, strict=True):
        moment.lin_vel_yaw = torch.nn.functional.pad(grid.env_commands()[:, :2], (0, 1))
        moment.lin_vel_yaw[:, 0] += speed
    return script


def test_every_step_counts_once_from_the_first_to_the_last():
    grid = grid_of(4)
    result = run(forward_speeds(grid, [1.0, 20.0, 300.0, 4000.0]), grid)
    assert result.episodes.lin_vel_error[0].item() == pytest.approx(4321 / 4)


def test_the_warm_up_leaves_out_exactly_its_steps():
    grid = grid_of(4, warm_up=2 * DT)
    episodes = run(forward_speeds(grid, [1.0, 20.0, 300.0, 4000.0]), grid).episodes
    assert episodes.lin_vel_error_after_warm_up[0].item() == pytest.approx(4300 / 2)
    assert episodes.lin_vel_error[0].item() == pytest.approx(4321 / 4)


def test_a_fall_ends_the_episode_and_its_step_has_no_sample():
    grid = grid_of(6)
    script = forward_speeds(grid, [1.0, 20.0, 300.0, 4000.0, 5000.0, 6000.0])
    script[2].failed = only(0, 2)
    script[4].failed = only(0, 2)  # a second fall, in a later episode, is nobody's business
    result = run(script, grid)
    assert result.episodes.lin_vel_error[0].item() == pytest.approx(21 / 2)  # steps 1 and 2
    assert result.episodes.survival_time.flatten().tolist() == pytest.approx([3 * DT, 6 * DT])
    assert result.episodes.failed.flatten().tolist() == [True, False]
    assert summarize(result).rates.failures == 1


def test_a_fall_in_the_last_step_counts_and_one_after_it_does_not():
    grid = grid_of(3)
    script = still(4, grid)
    script[2].failed = only(0, 2)
    script[3].failed = only(1, 2)
    assert run(script, grid).episodes.failed.flatten().tolist() == [True, False]


def test_a_fall_at_once_leaves_no_error_and_does_not_hide():
    grid = grid_of(3)
    script = still(3, grid)
    script[0].failed = only(0, 2)
    result = run(script, grid)
    row = command_rows(result)[0]
    assert (row.lin_vel_error, row.rates.failures, row.rates.survival_time) == (None, 1, pytest.approx(DT))
    summary = summarize(result)
    assert summary.commands_without_error == 1
    assert summary.lin_vel_error.value == pytest.approx(0.3)  # of the other command


def test_when_all_have_fallen_the_result_is_the_same_as_if_it_had_gone_on():
    grid = grid_of(120)
    script = still(120, grid)
    script[1].failed = torch.tensor([True, True])
    episodes = run(script, grid).episodes
    assert episodes.survival_time.flatten().tolist() == pytest.approx([2 * DT, 2 * DT])
    assert episodes.lin_vel_error[1].item() == pytest.approx(0.3)


def test_a_time_out_is_no_fall():
    grid = grid_of(3)
    script = still(3, grid)
    script[1].timed_out = only(0, 2)
    rates = summarize(run(script, grid)).rates
    assert (rates.failures, rates.truncated, rates.valid) == (0, 1, 2)


def test_falling_and_timing_out_together_is_a_fall():
    grid = grid_of(3)
    script = still(3, grid)
    script[1].timed_out = script[1].failed = only(0, 2)
    rates = summarize(run(script, grid)).rates
    assert (rates.failures, rates.truncated) == (1, 0)


def test_a_fault_is_neither_a_fall_nor_a_survival():
    grid = grid_of(4, replicates=2)
    script = forward_speeds(grid, [1.0] * 4)
    script[1].broken = script[2].broken = only(0, 4)
    script[1].failed = script[2].failed = only(0, 4)
    script[0].lin_vel_yaw[0] = script[0].lin_vel_yaw[3] = 50.0  # before its fault, and still of no weight
    script[1].lin_vel_yaw[3] = math.nan  # no warning, but the state is not finite
    result = run(script, grid)
    rates = summarize(result).rates
    assert (rates.episodes, rates.valid, rates.failures) == (4, 2, 0)
    assert result.episodes.faulted.tolist() == [[True, False], [False, True]]
    assert not result.episodes.failed.any()
    assert command_rows(result)[0].lin_vel_error == pytest.approx(1.0)
    assert summarize(result).lin_vel_error.value == pytest.approx(1.0)


def test_an_action_that_is_not_a_number_is_a_fault():
    grid = grid_of(3)

    def broken(obs: torch.Tensor) -> torch.Tensor:
        return torch.where(only(1, 2).unsqueeze(1), math.nan, idle(obs))

    assert run(still(3, grid), grid, broken).episodes.faulted.flatten().tolist() == [False, True]


def test_nothing_valid_gives_no_numbers():
    grid = grid_of(3)
    result = run(still(3, grid), grid, lambda obs: idle(obs) + math.nan)
    summary = summarize(result)
    assert (summary.rates.valid, summary.rates.fall_rate, summary.lin_vel_error) == (0, None, None)
    assert command_rows(result)[0].cost_of_transport is None


def test_the_first_observation_shows_the_command():
    grid = grid_of(2)
    seen: list[torch.Tensor] = []

    def watch(obs: torch.Tensor) -> torch.Tensor:
        seen.append(obs)
        return idle(obs)

    run(still(2, grid), grid, watch)
    assert [obs.tolist() for obs in seen] == [grid.env_commands().tolist()] * 2


def test_cost_of_transport_of_a_known_walk():
    grid = grid_of(500)
    script = still(500, grid)
    for moment in script:
        moment.lin_vel_yaw[:, 0] = 0.5
        moment.torque, moment.joint_vel = torch.full((2, JOINTS), -2.0), torch.full((2, JOINTS), 3.0)
    result = run(script, grid, mass=12.0)
    # 12 joints * 6 W * 10 s = 720 J; 12 kg * 9.81 m/s^2 * 5 m = 588.6 J
    assert command_rows(result)[0].cost_of_transport == pytest.approx(720 / 588.6, rel=1e-5)
    assert command_rows(result)[0].path == pytest.approx(5.0, rel=1e-5)


def random_script(grid: CommandGrid, steps: int) -> list[Moment]:
    generator = torch.Generator().manual_seed(0)
    script = still(steps, grid)
    for moment in script:
        moment.lin_vel_yaw = torch.rand(grid.num_envs, 3, generator=generator)
        moment.yaw_rate = torch.rand(grid.num_envs, generator=generator)
        moment.failed = torch.rand(grid.num_envs, generator=generator) < 0.02
    return script


def permuted(script: list[Moment], order: torch.Tensor) -> list[Moment]:
    return [Moment(**{name: value[order] for name, value in vars(moment).items()}) for moment in script]


def test_the_order_of_replicates_does_not_matter():
    grid = grid_of(30, replicates=4)
    script = random_script(grid, 30)
    order = torch.tensor([2, 0, 3, 1, 7, 6, 5, 4])  # within each command
    one, other = run(script, grid), run(permuted(script, order), grid)
    assert one.episodes.failed.any() and not one.episodes.failed.all()
    for a, b in zip(command_rows(one), command_rows(other), strict=True):
        assert a.rates == b.rates
        assert a.lin_vel_error == pytest.approx(b.lin_vel_error, rel=1e-12)
        assert a.yaw_rate_error == pytest.approx(b.yaw_rate_error, rel=1e-12)


def test_an_episode_does_not_depend_on_the_batch_that_it_ran_in():
    large = grid_of(30, replicates=4)
    small = grid_of(30, replicates=1)
    script = random_script(large, 30)
    alone = run(permuted(script, torch.tensor([1, 6])), small).episodes
    together = run(script, large).episodes
    for name in ("lin_vel_error", "yaw_rate_error", "survival_time", "path"):
        assert torch.equal(getattr(alone, name)[0, 0], getattr(together, name)[0, 1]), name
        assert torch.equal(getattr(alone, name)[1, 0], getattr(together, name)[1, 2]), name


def test_an_environment_of_another_size_is_refused():
    grid = grid_of(3)
    with pytest.raises(SurefootError, match="Expected 4 environments for this grid, got 2"):
        evaluate_grid(ScriptedEnv(still(3, grid), grid), idle, grid_of(3, replicates=2))


def test_a_time_out_that_would_cut_the_measurement_is_refused():
    short = grid_of(3)
    with pytest.raises(SurefootError, match="time out after"):
        evaluate_grid(ScriptedEnv(still(3, short), short), idle, grid_of(100))


def test_torch_keeps_its_threads():
    before = torch.get_num_threads()
    grid = grid_of(1)
    run(still(1, grid), grid)
    assert torch.get_num_threads() == before


def test_every_episode_carries_the_bucket_that_it_ran_in():
    grid = grid_of(3, replicates=7)
    script = still(3, grid)
    script[1].failed = only(13, 14)
    result = run(script, grid)
    assert result.episodes.bucket.flatten().tolist() == [*range(12), 0, 1]  # the shipped task has 12 buckets
    rows = bucket_rows(result)
    assert rows[0].label == "friction 0.4-0.6 | payload_mass -0.5 to 0.3333 kg"
    assert [row.rates.episodes for row in rows] == [2, 2] + [1] * 10
    assert [row.rates.failures for row in rows] == [0, 1] + [0] * 10
