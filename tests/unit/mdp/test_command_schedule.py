"""Command schedules: both spellings, when each command is in force, and what is refused."""

from pathlib import Path

import pytest

from surefoot.errors import ScheduleError
from surefoot.manifest import compose_manifest
from surefoot.mdp.command_schedule import CommandSchedule
from surefoot_tasks import manifest_root

TEXT = "0:0.5,0,0; 4:1.0,0,0 ;8:0.5,0,-0.5;"


def test_each_command_holds_from_its_time_until_the_next():
    schedule = CommandSchedule.read(TEXT)
    assert [schedule.at(time) for time in (0.0, 3.99, 4.0, 7.98, 8.0, 1e6)] == [
        (0.5, 0, 0),
        (0.5, 0, 0),
        (1.0, 0, 0),
        (1.0, 0, 0),
        (0.5, 0, -0.5),
        (0.5, 0, -0.5),
    ]


def test_a_time_that_is_a_sum_of_control_steps_counts_as_reached():
    total = sum([0.1] * 10)  # 0.9999999999999999
    assert total < 1.0
    assert CommandSchedule.read("0:0,0,0; 1:0.5,0,0").at(total) == (0.5, 0, 0)


def test_a_yaml_file_says_the_same(tmp_path: Path):
    path = tmp_path / "tour.yaml"
    path.write_text("0: [0.5, 0, 0]\n4: [1.0, 0, 0]\n8: [0.5, 0, -0.5]\n")
    assert CommandSchedule.read(str(path)) == CommandSchedule.read(TEXT)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no entries; expected time:vx,vy,yaw_rate"),
        ("0.5,0,0", "entry '0.5,0,0' has no ':'"),
        ("0:0.5,0", "at 0 s: expected vx, vy, yaw rate, got \\['0.5', '0'\\]"),
        ("0:0.5,0,left", "at 0 s: yaw rate: expected a number, got 'left'"),
        ("0:0.5,nan,0", "at 0 s: vy: expected a finite number, got 'nan'"),
        ("soon:0,0,0", "time: expected a number, got 'soon'"),
        ("1:0,0,0", "first entry must be at 0 s, got 1 s"),
        ("0:0,0,0; 4:1,0,0; 3:0,0,0", "times must ascend; 3 s comes after 4 s"),
        ("0:0,0,0; 0:1,0,0", "times must ascend; 0 s comes after 0 s"),
        ("absent.yaml", "absent.yaml: cannot be read"),
    ],
)
def test_a_bad_schedule_says_what_is_wrong(text: str, message: str):
    with pytest.raises(ScheduleError, match=message):
        CommandSchedule.read(text)


@pytest.mark.parametrize("body", ["[1, 2]", "0: 5", "0: [a, 0, 0]", "0: [true, 0, 0]", "0: [1, 0", "\xff"])
def test_a_bad_file_is_named(tmp_path: Path, body: str):
    path = tmp_path / "bad.yml"
    path.write_text(body, encoding="latin-1")
    with pytest.raises(ScheduleError, match=r"bad\.yml"):
        CommandSchedule.read(str(path))


def test_commands_that_training_did_not_cover_are_pointed_out():
    ranges = compose_manifest(manifest_root(), "Surefoot-Velocity-Flat-Unitree-Go1-v0").task.commands
    low, high = ranges.lin_vel_x
    assert CommandSchedule.read(f"0:{high},0,0").outside(ranges) == []
    lines = CommandSchedule.read("0:0,0,0; 2:9,0,0").outside(ranges)
    assert lines == [f"at 2 s: vx 9 is outside [{low:g}, {high:g}]"]
