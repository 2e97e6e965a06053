"""The evaluation as JSON for machines and as a table for people."""

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from surefoot.evaluation.command_grid import GRID_VERSION
from surefoot.evaluation.metrics import METRICS
from surefoot.evaluation.rollout import GridResult
from surefoot.evaluation.statistics import Interval
from surefoot.evaluation.summary import CommandRow, Summary, bucket_rows, command_rows, summarize
from surefoot.files import write_atomically
from surefoot.manifest import format_diff
from surefoot.manifest.factors import FACTORS

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Provenance:
    """What was evaluated, and under which conditions."""

    checkpoint: str
    checkpoint_sha256: str
    """Of the file."""
    iteration: int
    checkpoint_manifest_sha256: str
    task: str
    manifest_sha256: str
    """Of the manifest that the environments were built from: seed and episode length are the evaluation's."""
    manifest_changes: list[tuple[str, Any, Any]]
    """Keys in which the two manifests differ: key, the checkpoint's value, the evaluation's."""
    engine: str
    device: str
    contact_model: str
    seed: int
    conditions: dict[str, Any]
    """What the environments do to the robot: noise, randomised factors, pushes, start."""
    versions: dict[str, str]
    caveats: list[str] = dataclasses.field(default_factory=list[str])
    """What the engine itself says against the numbers."""


def to_plain(provenance: Provenance, result: GridResult) -> dict[str, Any]:
    """The whole report as plain values; None stands for what could not be measured."""
    plain = {
        "schema_version": SCHEMA_VERSION,
        "grid_version": GRID_VERSION,
        "metrics": {name: {"version": metric.version, "unit": metric.unit} for name, metric in METRICS.items()},
        **dataclasses.asdict(provenance),
        "grid": dataclasses.asdict(result.grid),
        "summary": dataclasses.asdict(summarize(result)),
        "buckets": [dataclasses.asdict(row) for row in bucket_rows(result)],
        "commands": [dataclasses.asdict(row) for row in command_rows(result)],
    }
    return finite(plain)


def write_json(path: Path, provenance: Provenance, result: GridResult) -> None:
    """Write the report atomically.

    Raises:
        RunFolderError: The folder cannot be written; nothing is left behind.
    """
    text = json.dumps(to_plain(provenance, result), indent=2, allow_nan=False)
    write_atomically(path, (text + "\n").encode())


OWN_CHANGES = ("seed", "task.episode_length")
"""Keys that every evaluation sets."""


def heading(provenance: Provenance) -> str:
    """What was evaluated and under which conditions, in a few lines."""
    p = provenance
    noise = "on" if p.conditions["sensor_noise"] else "off"
    lines = [
        f"{p.checkpoint}: iteration {p.iteration}, sha256 {p.checkpoint_sha256[:12]}",
        f"task {p.task}, engine {p.engine} on {p.device}, contact model {p.contact_model}, seed {p.seed}",
        f"conditions: deterministic policy, commands held, sensor noise {noise}, no pushes, "
        f"{_factors(p.conditions['factors'])}",
    ]
    changed = [row for row in p.manifest_changes if row[0] not in OWN_CHANGES]
    if changed:
        lines += ["differs from what it was trained with:", format_diff(changed)]
    lines += [f"CAVEAT: {caveat}" for caveat in p.caveats]
    return "\n".join(lines)


def table(result: GridResult) -> str:
    """One line a command in grid order, then the grid's."""
    late = f"after {result.grid.warm_up:g} s"
    lines = [
        f"{'command':^20} | {'error':^14} | {'error ' + late:^14} | {'':^23} | {'':^5} |",
        f"{'vx':>6} {'vy':>6} {'yaw':>6} | {'m/s':>6} {'rad/s':>7} | {'m/s':>6} {'rad/s':>7} "
        f"| {'falls':>7} {'95 % interval':>15} | {'s up':>5} | {'CoT':>6}",
    ]
    lines += [_line(row) for row in command_rows(result)]
    return "\n".join([*lines, "", *_summary_lines(summarize(result))])


def _line(row: CommandRow) -> str:
    vx, vy, yaw_rate = row.command
    rates = row.rates
    return (
        f"{vx:>6.2f} {vy:>6.2f} {yaw_rate:>6.2f} "
        f"| {_number(row.lin_vel_error):>6} {_number(row.yaw_rate_error):>7} "
        f"| {_number(row.lin_vel_error_after_warm_up):>6} {_number(row.yaw_rate_error_after_warm_up):>7} "
        f"| {rates.failures:>3}/{rates.valid:<3} {_percent(rates.fall_rate):>15} "
        f"| {_number(rates.survival_time, 2):>5} | {_number(row.cost_of_transport):>6}"
    )


def _summary_lines(summary: Summary) -> list[str]:
    rates = summary.rates
    faulted = rates.episodes - rates.valid
    lines = [
        f"mean linear velocity error  {_mean(summary.lin_vel_error, 'm/s')}, "
        f"after warm-up {_mean(summary.lin_vel_error_after_warm_up, 'm/s')}",
        f"mean yaw-rate error         {_mean(summary.yaw_rate_error, 'rad/s')}, "
        f"after warm-up {_mean(summary.yaw_rate_error_after_warm_up, 'rad/s')}",
        f"fall rate                   {_rate(rates.fall_rate)} ({rates.failures} of {rates.valid} episodes, "
        f"95 % {_percent(rates.fall_rate)})",
        f"survived                    {_number(rates.survival_time, 2)} s on average; success rate "
        f"{'-' if rates.success_rate is None else f'{rates.success_rate:.1%}'}",
        f"cost of transport           {_number(summary.cost_of_transport)}",
    ]
    if faulted:
        lines.append(f"WARNING: {faulted} of {rates.episodes} episodes are not valid: simulation or policy broke")
    if rates.truncated:
        lines.append(f"WARNING: {rates.truncated} episodes were cut short by a termination that is no failure")
    if summary.commands_without_error:
        lines.append(f"WARNING: {summary.commands_without_error} commands have no error: every robot ended at once")
    return lines


def _factors(ranges: dict[str, list[float]]) -> str:
    spans: list[str] = []
    for name, (low, high) in sorted(ranges.items()):
        unit = FACTORS[name].unit
        spans.append(f"{name} {low:g} to {high:g}" + ("" if unit == "-" else f" {unit}"))
    return ", ".join(spans) or "nothing randomised"


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _mean(interval: Interval | None, unit: str) -> str:
    if interval is None:
        return "-"
    half = interval.high - interval.value
    return f"{interval.value:.3f} {unit}" + (f" +- {half:.3f}" if math.isfinite(half) else "")


def _rate(interval: Interval | None) -> str:
    return "-" if interval is None else f"{interval.value:.2%}"


def _percent(interval: Interval | None) -> str:
    return "-" if interval is None else f"{interval.low:.1%} - {interval.high:.1%}"


def finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: they become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value
