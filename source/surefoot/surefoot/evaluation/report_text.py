"""A report as text: groups of cells side by side, then the cells, the worst first; or a table of commands."""

from typing import Any

from surefoot.evaluation.held_out import EDGE
from surefoot.evaluation.metrics import short_unit
from surefoot.evaluation.report import PanelReport
from surefoot.manifest import format_diff
from surefoot.manifest.factors import FACTORS
from surefoot.reporting import number

_TITLES = {"all_cells": "all", "held_out": "held out", "in_distribution": "in distribution"}


MOST_CELLS = 8
"""Cells on the console; the file beside the report has all of them."""


def report_text(report: PanelReport, most_cells: int | None = None) -> str:
    """The report for people, with no more than the worst `most_cells` cells."""
    p = report.plain
    cells: list[dict[str, Any]] = p["cells"]
    shown = _worst_first(cells, "drawn" in p)[:most_cells]
    of = f" of {len(cells)}" if len(shown) < len(cells) else ""
    if "drawn" in p:
        listed = [f"the worst {len(shown)}{of} commands:"] if of else []
        listed += _commands(shown if of else sorted(cells, key=lambda cell: cell["conditions"]["commands"]))
    else:
        listed = [f"the worst {len(shown)}{of} cells:" if of else "cells, the worst first:", *map(_cell, shown)]
    return "\n\n".join((_heading(p), _groups(p, cells), "\n".join(listed), _verdict(p, cells)))


def _worst_first(cells: list[dict[str, Any]], drawn: bool) -> list[dict[str, Any]]:
    """Cells of a panel come in this order; those of a drawn one by falls, then by the error of the velocity."""
    if not drawn:
        return cells

    def badness(cell: dict[str, Any]) -> tuple[float, float]:
        falls, error = (cell["metrics"][name]["value"] for name in ("fall_rate", "lin_vel_error"))
        return (float("inf") if falls is None else falls, float("inf") if error is None else error)

    return sorted(cells, key=badness, reverse=True)


def _heading(p: dict[str, Any]) -> str:
    bounds, earlier = p["success"], p.get("earlier_manifests_sha256", [])
    counted = f"the first {p['warm_up']:g} s not counted" if p["warm_up"] else "counted from the start"
    lineage = f"trained with {len(earlier) + 1} manifests: a cell that any of them produced is not held out"
    return "\n".join(
        (
            f"{p['checkpoint']}: iteration {p['iteration']}, sha256 {p['checkpoint_sha256'][:12]}",
            f"panel {p['panel']}, sha256 {p['panel_sha256'][:12]}: {len(p['cells'])} cells of {p['replicates']} "
            f"episodes, {p['duration']:g} s, {counted}, seed {p['seed']}",
            f"task {p['task']}, engine {p['engine']} on {p['device']}, contact model {p['contact_model']}; "
            f"success: no end, {bounds['lin_vel_error']:g} m/s, {bounds['yaw_rate_error']:g} rad/s",
            *((f"as in training: {_drawn(p['drawn'])}",) if "drawn" in p else ()),
            *((lineage,) if earlier else ()),
            *_changes(p.get("manifest_changes", [])),
            *(f"CAVEAT: {caveat}" for caveat in p.get("caveats", [])),
        )
    )


def _drawn(drawn: dict[str, Any]) -> str:
    spans = [(FACTORS[name], factor["edges"]) for name, factor in sorted(drawn["factors"].items())]
    texts = [f"{of.name} {edges[0]:g} to {edges[-1]:g}" + f" {of.unit}" * (of.unit != "-") for of, edges in spans]
    return ", ".join(texts) or "nothing randomised but start and noise"


_MOST_CHANGES = 12


def _changes(rows: list[tuple[str, Any, Any]]) -> list[str]:
    """Keys in which the policy is measured otherwise than it was trained."""
    if not rows:
        return []
    more = [f"  ... and {len(rows) - _MOST_CHANGES} more"] if len(rows) > _MOST_CHANGES else []
    return ["measured otherwise than it was trained:", format_diff(rows[:_MOST_CHANGES]), *more]


def _groups(p: dict[str, Any], cells: list[dict[str, Any]]) -> str:
    count = {group: sum(cell["group"] == group for cell in cells) for group in _TITLES} | {"all_cells": len(cells)}
    shown = [group for group in _TITLES if group in p and (count[group] or "drawn" not in p)]
    head = " | ".join(f"{f'{_TITLES[group]} ({count[group]} cells)':^32}" for group in shown)
    lines = [f"{'':28} | {head}"]
    for metric, unit in p["units"].items():
        row = " | ".join(f"{_interval(p[group][metric], unit):^32}" for group in shown)
        lines.append(f"{metric:<20} {'%' if unit.startswith('share') else short_unit(unit):>7} | {row}")
    means = (
        "rates are shares of all valid episodes; other numbers are interquartile means over episodes, which leave out "
        "the\nlower and the upper quarter: survival_time is the whole duration where fewer than a quarter fell"
    )
    every = "all: the mean of the cells' means. Of the groups " if "drawn" in p else ""
    return "\n".join([*lines, every + means])


def _commands(cells: list[dict[str, Any]]) -> list[str]:
    """One line a cell, by its commands."""
    lines = [
        f"{'command':^20} | {'error':^14} | {'':^23} | {'':^5} |",
        f"{'vx':>6} {'vy':>6} {'yaw':>6} | {'m/s':>6} {'rad/s':>7} | {'falls':>7} {'95 % interval':>15} | {'s up':>5} "
        f"| {'CoT':>6}",
    ]
    for cell in cells:
        of = {name: entry["value"] for name, entry in cell["metrics"].items()}
        falls, (_, vx, vy, yaw) = cell["metrics"]["fall_rate"], cell["conditions"]["commands"][0]
        span = "-" if falls["low"] is None else f"{falls['low']:.1%} - {falls['high']:.1%}"
        fell = round((falls["value"] or 0.0) * cell["valid"])
        line = (
            f"{vx:>6.2f} {vy:>6.2f} {yaw:>6.2f} | {_number(of['lin_vel_error']):>6} {_number(of['yaw_rate_error']):>7} "
            f"| {fell:>3}/{cell['valid']:<3} {span:>15} | {number(of['survival_time'], '.2f'):>5} "
            f"| {_number(of['cost_of_transport']):>6}"
        )
        later = [f"{vx:g} {vy:g} {yaw:g} from {at:g} s" for at, vx, vy, yaw in cell["conditions"]["commands"][1:]]
        lines.append(line + (f"  (then {'; '.join(later)})" if later else ""))
    return lines


def _cell(cell: dict[str, Any]) -> str:
    entry = cell["metrics"]
    success, error, yaw = (entry[name]["value"] for name in ("success_rate", "lin_vel_error", "yaw_rate_error"))
    falls = _percent(entry["fall_rate"]["value"])
    where = {"held_out": "held out", "edge": "edge    "}.get(cell["group"], "control ")
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


def _verdict(p: dict[str, Any], cells: list[dict[str, Any]]) -> str:
    score = "-" if p["score"] is None else f"{p['score']:.1%}"
    count = sum(cell["group"] == "held_out" for cell in cells)
    lines = [f"score {score}: mean success rate of the {count} held-out cells; of another policy these may be others"]
    if "drawn" in p:
        lines = _warnings(cells)
    if p["controls_held_out"]:
        lines.append(f"meant as controls, and outside the training distribution: {', '.join(p['controls_held_out'])}")
    if p["at_edge"]:
        lines.append(
            f"outside of training by less than {EDGE:.0%} of its width, and in no score: {', '.join(p['at_edge'])}"
        )
    if p["refused_as_held_out"]:
        lines.append(
            f"refused as held out, inside the training distribution: {', '.join(p['refused_as_held_out'])}; "
            "reported as controls"
        )
    lines += [f"NOT VALID: {reason}" for reason in p["reasons"]]
    return "\n".join(lines) or "every cell lies inside the training distribution"


def _warnings(cells: list[dict[str, Any]]) -> list[str]:
    """What the table of commands does not show."""
    episodes, faults, truncated = (sum(cell[key] for cell in cells) for key in ("episodes", "faults", "truncated"))
    silent = sum(cell["metrics"]["lin_vel_error"]["value"] is None for cell in cells)
    texts = {
        f"{faults} of {episodes} episodes are not valid: simulation or policy broke": faults,
        f"{truncated} episodes were cut short by a termination that is no failure": truncated,
        f"{silent} commands have no error: every robot ended at once": silent,
    }
    return [f"WARNING: {text}" for text, count in texts.items() if count]


def _interval(entry: dict[str, Any], unit: str) -> str:
    if entry["value"] is None:
        return "-"
    share = unit.startswith("share")
    value, low, high = (f"{100 * entry[key]:.1f}" if share else _number(entry[key]) for key in ("value", "low", "high"))
    return f"{value}  [{low}, {high}]"


def _number(value: float | None) -> str:
    return number(value, ".3f")


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"
