"""From episodes to one row a command, and one line for the grid."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from surefoot.evaluation import metrics
from surefoot.evaluation.rollout import GridResult
from surefoot.evaluation.statistics import Interval, mean_over_commands, wilson_interval


@dataclass(frozen=True)
class Rates:
    """Counts and rates over a set of episodes."""

    episodes: int
    valid: int
    failures: int
    truncated: int
    fall_rate: Interval | None
    """Failures over valid episodes, Wilson 95 %; None without a valid episode."""
    success_rate: float | None
    survival_time: float | None
    """s, mean over valid episodes, at most the duration."""


@dataclass(frozen=True)
class CommandRow:
    """One command; None where nothing could be measured."""

    command: tuple[float, float, float]
    """vx, vy (m/s), yaw rate (rad/s)."""
    rates: Rates
    lin_vel_error: float | None
    yaw_rate_error: float | None
    lin_vel_error_after_warm_up: float | None
    yaw_rate_error_after_warm_up: float | None
    cost_of_transport: float | None
    path: float | None
    """m, mean over valid episodes."""


@dataclass(frozen=True)
class BucketRow:
    """One randomisation bucket, over all commands."""

    label: str
    rates: Rates
    lin_vel_error: float | None
    """Mean over valid episodes."""
    yaw_rate_error: float | None


@dataclass(frozen=True)
class Summary:
    """The whole grid: errors are means over commands, rates are over all valid episodes."""

    rates: Rates
    lin_vel_error: Interval | None
    yaw_rate_error: Interval | None
    lin_vel_error_after_warm_up: Interval | None
    yaw_rate_error_after_warm_up: Interval | None
    cost_of_transport: float | None
    """Mean over the commands that have one."""
    commands_without_error: int
    """Commands in which no episode gave a single counted step; they are missing from the mean errors."""


def command_rows(result: GridResult) -> list[CommandRow]:
    """One row a command, in grid order."""
    return [_row(result, index) for index in range(result.grid.num_commands)]


def bucket_rows(result: GridResult) -> list[BucketRow]:
    """One row a bucket, in the order of ids."""
    rows: list[BucketRow] = []
    for index, label in enumerate(result.bucket_labels):
        chosen = result.episodes.bucket == index
        valid = chosen & result.episodes.valid
        errors = result.episodes.lin_vel_error[valid], result.episodes.yaw_rate_error[valid]
        rows.append(BucketRow(label, _rates(result, chosen), *map(metrics.nan_mean, errors)))
    return rows


def summarize(result: GridResult) -> Summary:
    """Aggregate the grid."""
    transport = [row.cost_of_transport for row in command_rows(result) if row.cost_of_transport is not None]
    episodes = result.episodes
    lin = _of_valid(result, episodes.lin_vel_error)
    return Summary(
        rates=_rates(result, torch.ones_like(episodes.valid)),
        lin_vel_error=mean_over_commands(lin),
        yaw_rate_error=mean_over_commands(_of_valid(result, episodes.yaw_rate_error)),
        lin_vel_error_after_warm_up=mean_over_commands(_of_valid(result, episodes.lin_vel_error_after_warm_up)),
        yaw_rate_error_after_warm_up=mean_over_commands(_of_valid(result, episodes.yaw_rate_error_after_warm_up)),
        cost_of_transport=sum(transport) / len(transport) if transport else None,
        commands_without_error=int(torch.isnan(lin).all(dim=1).sum()),
    )


def _of_valid(result: GridResult, values: Tensor) -> Tensor:
    """Values of valid episodes, NaN for the others."""
    return torch.where(result.episodes.valid, values, torch.nan)


def _rates(result: GridResult, chosen: Tensor) -> Rates:
    """Rates of the chosen episodes; `chosen` has shape (num_commands, replicates), bool."""
    episodes = result.episodes
    valid = chosen & episodes.valid
    count, failures = int(valid.sum()), int((valid & episodes.failed).sum())
    good = metrics.success(episodes.survived, episodes.lin_vel_error, episodes.yaw_rate_error)
    return Rates(
        episodes=int(chosen.sum()),
        valid=count,
        failures=failures,
        truncated=int((valid & episodes.truncated).sum()),
        fall_rate=wilson_interval(failures, count) if count else None,
        success_rate=int((valid & good).sum()) / count if count else None,
        survival_time=episodes.survival_time[valid].double().mean().item() if count else None,
    )


def _row(result: GridResult, index: int) -> CommandRow:
    episodes = result.episodes
    chosen = torch.zeros_like(episodes.valid)
    chosen[index] = True
    valid = episodes.valid[index]
    command = result.grid.cells()[index]

    def mean(values: Tensor) -> float | None:
        return metrics.nan_mean(values[index][valid])

    return CommandRow(
        command=command,
        rates=_rates(result, chosen),
        lin_vel_error=mean(episodes.lin_vel_error),
        yaw_rate_error=mean(episodes.yaw_rate_error),
        lin_vel_error_after_warm_up=mean(episodes.lin_vel_error_after_warm_up),
        yaw_rate_error_after_warm_up=mean(episodes.yaw_rate_error_after_warm_up),
        cost_of_transport=metrics.cost_of_transport(
            episodes.energy[index][valid],
            episodes.mass[index][valid],
            episodes.path[index][valid],
            math.hypot(command[0], command[1]),
        ),
        path=mean(episodes.path),
    )
