"""The result of a crosscheck, as a table for people and JSON for machines."""

import dataclasses
from collections import Counter
from dataclasses import dataclass
from typing import Any

from surefoot.crosscheck.check import Check
from surefoot.crosscheck.definitions import never_exercised
from surefoot.crosscheck.physics_drift import PhysicsDifference
from surefoot.crosscheck.probe_file import Probe
from surefoot.reporting import number

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class CrosscheckResult:
    """Everything that a crosscheck found."""

    task: str
    a: Probe
    b: Probe
    checks: list[Check]
    differences: list[PhysicsDifference]
    evaluations: tuple[dict[str, Any], ...] = ()
    """Summaries as in an evaluation's report, one an engine; empty without a policy."""

    @property
    def different(self) -> list[Check]:
        """Definitions that are not the same."""
        return [check for check in self.checks if check.status == "differs"]


def to_plain(outcome: CrosscheckResult) -> dict[str, Any]:
    """The whole outcome as plain values."""
    return {
        "schema_version": SCHEMA_VERSION,
        "task": outcome.task,
        "engines": [
            {key: probe.header[key] for key in ("engine", "versions", "manifest_sha256", "num_envs", "definition")}
            for probe in (outcome.a, outcome.b)
        ],
        "definitions_differ": len(outcome.different),
        "never_exercised": never_exercised(outcome.checks),
        "checks": [dataclasses.asdict(check) for check in outcome.checks],
        "physics": [dataclasses.asdict(row) for row in outcome.differences],
        "evaluations": list(outcome.evaluations),
    }


def table(outcome: CrosscheckResult, every: bool = False) -> str:
    """Definitions by part, whatever is not equal, physics beside the floors, the evaluation.

    Args:
        outcome: Of `crosscheck`.
        every: A line for each check.
    """
    names = (outcome.a.header["engine"], outcome.b.header["engine"])
    blocks = [_heading(outcome), _definitions(outcome.checks), _rows(outcome.checks, every)]
    blocks += [_physics(outcome.differences, names), _evaluations(outcome.evaluations, names), _verdict(outcome)]
    return "\n\n".join(block for block in blocks if block)


def _heading(outcome: CrosscheckResult) -> str:
    lines = [f"{outcome.task}: {outcome.a.header['num_envs']} environments"]
    for letter, probe in (("a", outcome.a), ("b", outcome.b)):
        versions = ", ".join(f"{name} {version}" for name, version in probe.header["versions"].items())
        lines.append(f"{letter}  {probe.header['engine']}: manifest {probe.header['manifest_sha256'][:12]}; {versions}")
    return "\n".join(lines)


def _definitions(checks: list[Check]) -> str:
    lines = [f"{'definitions':<14} {'equal':>6} {'differ':>7} {'ambiguous':>10} {'not seen':>9}   of the tolerance"]
    for part in dict.fromkeys(check.part for check in checks):
        found = [check for check in checks if check.part == part]
        count = Counter(check.status for check in found)
        shares = [
            check.difference / check.tolerance for check in found if check.tolerance and check.difference is not None
        ]
        lines.append(
            f"{part:<14} {count['equal']:>6} {count['differs']:>7} {count['ambiguous']:>10} "
            f"{count['not exercised']:>9}   {f'{max(shares):.3g}' if shares else '-'}"
        )
    unseen = never_exercised(checks)
    if unseen:
        lines.append(f"zero on both engines wherever it was looked at, so nothing is said of: {', '.join(unseen)}")
    return "\n".join(lines)


def _rows(checks: list[Check], every: bool) -> str:
    chosen = [check for check in checks if every or check.status in ("differs", "ambiguous")]
    lines: list[str] = []
    for check in chosen:
        numbers = ""
        if check.difference is not None and check.tolerance is not None:
            numbers = f"{check.difference:.3g} of {check.largest:.3g}, allowed {check.tolerance:.3g}"
        lines.append(
            "  ".join(filter(None, (f"{check.status:<13}", f"{check.part}: {check.name}", numbers, check.reason)))
        )
    return "\n".join(lines)


def _physics(rows: list[PhysicsDifference], names: tuple[str, str]) -> str:
    head = f"{'a-b RMS':>9} {'a-b most':>9} | {'a-a most':>9} {'b-b most':>9}"
    lines = [f"{'physics':<10} {'':<12} {'steps':>5} | {head} | robots"]
    for row in rows:
        numbers = [number(value) for value in (row.rms, row.largest, *row.floors)]
        lines.append(
            f"{row.part:<10} {row.quantity:<12} {row.steps:>5} | {numbers[0]:>9} {numbers[1]:>9} "
            f"| {numbers[2]:>9} {numbers[3]:>9} | {row.num_envs:>4}   {row.unit}"
        )
    return "\n".join([*lines, f"a {names[0]}, b {names[1]}; robots that had not ended on either side"])


def _evaluations(summaries: tuple[dict[str, Any], ...], names: tuple[str, str]) -> str:
    if not summaries:
        return ""
    lines = [f"{'policy on':<24} {'m/s':>24} {'rad/s':>24} {'falls':>24} {'CoT':>7}"]
    for name, summary in zip(names, summaries, strict=True):
        linear, yaw, falls = (_interval(summary[key]) for key in ("lin_vel_error", "yaw_rate_error", "fall_rate"))
        cost = number(summary["cost_of_transport"]["value"])
        lines.append(f"{name:<24} {linear:>24} {yaw:>24} {falls:>24} {cost:>7}")
    return "\n".join(lines)


def _verdict(outcome: CrosscheckResult) -> str:
    count = len(outcome.different)
    return f"{count} definitions differ." if count else "No definition differs; physics may."


def _interval(entry: dict[str, Any]) -> str:
    value, low, high = (number(entry[key], ".3f") for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})" if entry["value"] is not None else "-"
