"""Velocity commands that follow a timetable: for videos, the viewer and evaluations.

Two spellings of the same schedule. Inline: `0:0.5,0,0; 4:1.0,0,0; 8:0.5,0,0.5`, each entry `time:vx,vy,yaw rate`.
In a YAML file: a mapping such as `{0: [0.5, 0, 0], 4: [1.0, 0, 0]}`.
Times in s since the start, vx and vy in m/s, yaw rate in rad/s, base yaw frame.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Self, cast

from surefoot.errors import ScheduleError
from surefoot.manifest.task import Commands
from surefoot.reading import Refused, parse_yaml, read_text

Command = tuple[float, float, float]
"""vx, vy (m/s), yaw rate (rad/s)."""

_EXAMPLE = "expected time:vx,vy,yaw_rate entries such as '0:0.5,0,0; 4:1.0,0,0.5'"
_AXES = ("vx", "vy", "yaw rate")


@dataclass(frozen=True)
class CommandSchedule:
    """Commands in force from their time on; the last one stays."""

    times: tuple[float, ...]
    """s, ascending, the first is 0."""
    commands: tuple[Command, ...]

    def at(self, time: float) -> Command:
        """The command in force at `time`, s; before 0 it is the first."""
        index = sum(start <= time + 1e-9 for start in self.times) - 1  # 1e-9: times are sums of control steps
        return self.commands[max(index, 0)]

    def outside(self, ranges: Commands) -> list[str]:
        """One line for each commanded value that training did not cover."""
        limits = (ranges.lin_vel_x, ranges.lin_vel_y, ranges.ang_vel_z)
        return [
            f"at {time:g} s: {axis} {value:g} is outside [{low:g}, {high:g}]"
            for time, command in zip(self.times, self.commands, strict=True)
            for axis, value, (low, high) in zip(_AXES, command, limits, strict=True)
            if not low <= value <= high
        ]

    @classmethod
    def read(cls, text: str) -> Self:
        """Read a schedule from a YAML file, if `text` names one, or from the text itself.

        Raises:
            ScheduleError: Neither; says which entry is wrong and why.
        """
        if text.endswith((".yaml", ".yml")):
            return cls._checked(_pairs_of_file(Path(text)), text)
        return cls._checked([_pair_of_text(entry) for entry in text.split(";") if entry.strip()], "schedule")

    @classmethod
    def _checked(cls, pairs: list[tuple[Any, Any]], where: str) -> Self:
        if not pairs:
            raise ScheduleError(f"{where}: no entries; {_EXAMPLE}")
        times = [_number(time, f"{where}: time") for time, _ in pairs]
        commands: list[Command] = []
        for time, (_, values) in zip(times, pairs, strict=True):
            if not isinstance(values, list) or len(cast("list[Any]", values)) != 3:
                raise ScheduleError(f"{where}: at {time:g} s: expected vx, vy, yaw rate, got {values!r:.120}")
            vx, vy, yaw = (
                _number(value, f"{where}: at {time:g} s: {axis}")
                for axis, value in zip(_AXES, cast("list[Any]", values), strict=True)
            )
            commands.append((vx, vy, yaw))
        if times[0] != 0:
            raise ScheduleError(f"{where}: the first entry must be at 0 s, got {times[0]:g} s")
        for before, after in pairwise(times):
            if after <= before:
                raise ScheduleError(f"{where}: times must ascend; {after:g} s comes after {before:g} s")
        return cls(tuple(times), tuple(commands))


def _pair_of_text(entry: str) -> tuple[str, list[str]]:
    time, colon, values = entry.partition(":")
    if not colon:
        raise ScheduleError(f"schedule: entry {entry.strip()!r} has no ':'; {_EXAMPLE}")
    return time.strip(), [value.strip() for value in values.split(",")]


def _pairs_of_file(path: Path) -> list[tuple[Any, Any]]:
    try:
        text = read_text(path)
    except (OSError, Refused) as error:
        raise ScheduleError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    try:
        loaded: Any = parse_yaml(text)
    except Refused as error:
        raise ScheduleError(f"{path}: not YAML: {error}") from None
    if not isinstance(loaded, dict):
        raise ScheduleError(f"{path}: expected a mapping such as {{0: [0.5, 0, 0]}}, got {loaded!r:.120}")
    return list(cast("dict[Any, Any]", loaded).items())


def _number(value: Any, where: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ScheduleError(f"{where}: expected a number, got {value!r:.120}") from None
    # float() takes True for 1.
    if isinstance(value, bool) or not math.isfinite(number):
        raise ScheduleError(f"{where}: expected a finite number, got {value!r:.120}")
    return number
