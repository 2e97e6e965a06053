"""A panel's report as text: both groups side by side, then the cells, the worst first."""

from typing import Any

from surefoot.evaluation.panel_report import PanelReport
from surefoot.manifest import format_diff

_TITLES = {"held_out": "held out", "in_distribution": "in distribution"}


def panel_text(report: PanelReport) -> str:
    """The report for people."""
    p = report.plain
    cells: list[dict[str, Any]] = p["cells"]
    parts = [_heading(p), _groups(p, cells), "cells, the worst first:", *(_cell(cell) for cell in cells), _verdict(p)]
    return "\n\n".join((*parts[:2], "\n".join(parts[2:-1]), parts[-1]))


def _heading(p: dict[str, Any]) -> str:
    bounds, earlier = p["success"], p.get("earlier_manifests_sha256", [])
    lineage = f"trained with {len(earlier) + 1} manifests: a cell that any of them produced is not held out"
    return "\n".join(
        (
            f"{p['checkpoint']}: iteration {p['iteration']}, sha256 {p['checkpoint_sha256'][:12]}",
            f"panel {p['panel']}, sha256 {p['panel_sha256'][:12]}: {len(p['cells'])} cells of {p['replicates']} "
            f"episodes, {p['duration']:g} s, the first {p['warm_up']:g} s not counted, seed {p['seed']}",
            f"task {p['task']}, engine {p['engine']} on {p['device']}, contact model {p['contact_model']}; "
            f"success: no end, {bounds['lin_vel_error']:g} m/s, {bounds['yaw_rate_error']:g} rad/s",
            *((lineage,) if earlier else ()),
            *_changes(p.get("manifest_changes", [])),
            *(f"CAVEAT: {caveat}" for caveat in p.get("caveats", [])),
        )
    )


_MOST_CHANGES = 12


def _changes(rows: list[tuple[str, Any, Any]]) -> list[str]:
    """Keys in which the policy is measured otherwise than it was trained."""
    if not rows:
        return []
    more = [f"  ... and {len(rows) - _MOST_CHANGES} more"] if len(rows) > _MOST_CHANGES else []
    return ["measured otherwise than it was trained:", format_diff(rows[:_MOST_CHANGES]), *more]


def _groups(p: dict[str, Any], cells: list[dict[str, Any]]) -> str:
    count = {group: sum(cell["group"] == group for cell in cells) for group in _TITLES}
    head = " | ".join(f"{f'{title} ({count[group]} cells)':^32}" for group, title in _TITLES.items())
    lines = [f"{'':28} | {head}"]
    for metric, unit in p["units"].items():
        row = " | ".join(f"{_interval(p[group][metric], unit):^32}" for group in _TITLES)
        lines.append(f"{metric:<20} {_short(unit):>7} | {row}")
    return "\n".join(lines)


def _cell(cell: dict[str, Any]) -> str:
    entry = cell["metrics"]
    success, error, yaw = (entry[name]["value"] for name in ("success_rate", "lin_vel_error", "yaw_rate_error"))
    falls = _percent(entry["fall_rate"]["value"])
    where = "held out" if cell["group"] == "held_out" else "control "
    line = (
        f"  {cell['name']:<24} {where}  success {_percent(success):>5}  falls {falls:>5}"
        f" of {cell['valid']:<3} {_number(error):>6} m/s {_number(yaw):>6} rad/s"
    )
    kinds = [
        f"{kind['count']}x {kind['cause']} after {kind['after']}, from {kind['first']:.1f} s"
        for kind in cell["failures"]
    ]
    if cell["truncated"]:
        kinds.append(f"{cell['truncated']} cut short by a termination that is no failure")
    if cell["faults"]:
        kinds.append(f"{cell['faults']} faults")
    return line + (f"  ({'; '.join(kinds)})" if kinds else "")


def _verdict(p: dict[str, Any]) -> str:
    score = "-" if p["score"] is None else f"{p['score']:.1%}"
    count = sum(cell["group"] == "held_out" for cell in p["cells"])
    lines = [f"score {score}: mean success rate of the {count} held-out cells; of another policy these may be others"]
    if p["controls_held_out"]:
        lines.append(f"meant as controls, and outside the training distribution: {', '.join(p['controls_held_out'])}")
    if p["refused_as_held_out"]:
        lines.append(
            f"refused as held out, inside the training distribution: {', '.join(p['refused_as_held_out'])}; "
            "reported as controls"
        )
    lines += [f"NOT VALID: {reason}" for reason in p["reasons"]]
    return "\n".join(lines)


def _short(unit: str) -> str:
    return "%" if unit.startswith("share") else unit


def _interval(entry: dict[str, Any], unit: str) -> str:
    if entry["value"] is None:
        return "-"
    share = unit.startswith("share")
    value, low, high = (f"{100 * entry[key]:.1f}" if share else _number(entry[key]) for key in ("value", "low", "high"))
    return f"{value}  [{low}, {high}]"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"
