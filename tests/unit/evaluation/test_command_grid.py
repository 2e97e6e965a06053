"""The grid: its commands, their order, what it refuses."""

import math

import pytest

from surefoot.errors import SurefootError
from surefoot.evaluation import CommandGrid


def test_the_default_grid_is_36_commands_of_8_episodes():
    grid = CommandGrid()
    assert (grid.num_commands, grid.num_envs, grid.steps(0.02)) == (36, 288, 500)
    commands = grid.commands()
    assert commands[0].tolist() == pytest.approx([-0.5, -0.3, -0.5])
    assert commands[-1].tolist() == pytest.approx([1.0, 0.3, 0.5])
    assert len({tuple(row) for row in commands.tolist()}) == 36


def test_standing_still_on_the_default_grid():
    commands = CommandGrid().commands()
    assert commands[:, :2].norm(dim=1).mean().item() == pytest.approx(0.585, abs=5e-4)
    assert commands[:, 2].abs().mean().item() == pytest.approx(1 / 3)


def test_replicates_of_a_command_are_neighbours():
    grid = CommandGrid(lin_vel_x=(0.0, 1.0), lin_vel_y=(0.0,), ang_vel_z=(0.0,), replicates=3)
    assert grid.env_commands()[:, 0].tolist() == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"replicates": 0},
        {"replicates": -1},
        {"replicates": 10**9},
        {"duration": 0.0},
        {"duration": math.nan},
        {"duration": math.inf},
        {"warm_up": -1.0},
        {"lin_vel_x": (math.nan,)},
        {"lin_vel_y": ()},
    ],
)
def test_nonsense_is_refused(wrong: dict):
    with pytest.raises(SurefootError, match="Command grid"):
        CommandGrid(**wrong)


def test_a_duration_below_one_control_step_is_refused():
    with pytest.raises(SurefootError, match="shorter than one control step"):
        CommandGrid(duration=0.005).steps(0.02)
