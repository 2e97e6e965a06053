"""The result of a panel as plain values: held-out cells beside in-distribution controls, the worst cells first.

An episode's metrics are put together in three ways, each with its interval: over a cell, over a group of cells, and,
where the panel is drawn, over all cells and over the episodes of a randomisation bucket.
"""

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from surefoot.evaluation.bootstrap import Floats, aggregate_interval, interquartile_mean, mean_interval, share_interval
from surefoot.evaluation.held_out import Membership
from surefoot.evaluation.metrics import METRICS, RATES, success
from surefoot.evaluation.rollout import PanelResult
from surefoot.evaluation.statistics import Interval, mean_over_cells, wilson_interval
from surefoot.evaluation.taxonomy import failure_kinds
from surefoot.randomization.conditions import draw_key
from surefoot.reporting import finite, write_json

SCHEMA_VERSION = 1
GROUPS = ("held_out", "in_distribution")
MAX_FAULT_SHARE = 0.05
"""Of the episodes; with more of them broken, the rest may not be what the panel asked for."""
MAX_CELL_FAULT_SHARE = 0.25
"""Of the episodes of one cell: those that are left would speak for the ones that broke."""


@dataclass(frozen=True)
class PanelReport:
    """A panel's result, ready to be written."""

    plain: dict[str, Any]
    """docs/panels.md lists the keys."""
    result: PanelResult
    """The episodes that it is about."""

    @property
    def valid(self) -> bool:
        """Whether the result can be trusted; `plain["reasons"]` says why not."""
        return bool(self.plain["valid"])

    @property
    def score(self) -> float | None:
        """Mean over held-out cells of their success rates; None without one, and of a drawn panel."""
        return self.plain["score"]

    def write(self, path: Path) -> None:
        """Write the JSON file atomically.

        Raises:
            RunFolderError: The folder cannot be written.
        """
        write_json(path, self.plain, indent=1)


def panel_report(result: PanelResult, members: dict[str, Membership], provenance: dict[str, Any]) -> PanelReport:
    """Put a report together.

    Args:
        result: What was measured.
        members: Where each cell belongs.
        provenance: What was evaluated, with what; its keys go to the top of the report.
    """
    samples = episode_values(result)
    cells = [_cell(result, samples, row, name, members[name]) for row, name in enumerate(result.panel.cells)]
    reasons = _reasons(result, members)
    groups = {group: _group(result, samples, members, group) for group in GROUPS}
    held_out = [cell for cell in cells if cell["group"] == "held_out" and not result.panel.drawn]
    shares = [cell["metrics"]["success_rate"]["value"] for cell in held_out]
    known = [value for value in shares if value is not None]
    plain = {
        "schema_version": SCHEMA_VERSION,
        **provenance,
        "valid": not reasons,
        "reasons": reasons,
        "score": sum(known) / len(known) if known else None,
        "refused_as_held_out": sorted(name for name, member in members.items() if member.refused),
        "controls_held_out": sorted(
            name for name, cell in result.panel.cells.items() if cell.control and members[name].held_out
        ),
        "at_edge": sorted(name for name, member in members.items() if member.at_edge),
        **groups,
        **({"all_cells": _all_cells(samples), "buckets": _buckets(result, samples)} if result.panel.drawn else {}),
        "cells": sorted(cells, key=_badness),
    }
    return PanelReport(finite(plain), result)


def episode_values(result: PanelResult) -> dict[str, Floats]:
    """Each metric of each episode, NaN where it has none or is not valid. Shape (cells, replicates) each."""
    episodes, bounds = result.episodes, result.panel.success
    errors = episodes.lin_vel_error, episodes.yaw_rate_error
    good = success(episodes.survived, *errors, (bounds.lin_vel_error, bounds.yaw_rate_error))
    columns: dict[str, Tensor] = {"success_rate": good.double(), "fall_rate": episodes.failed.double()}
    columns |= {name: getattr(episodes, name).double() for name in METRICS if name not in RATES}
    return {name: torch.where(episodes.valid, columns[name], math.nan).numpy() for name in METRICS}


def _cell(result: PanelResult, samples: dict[str, Floats], row: int, name: str, member: Membership) -> dict[str, Any]:
    cell, episodes = result.panel.cells[name], result.episodes
    conditions = {"commands": cell.conditions["commands"]} if result.panel.drawn else cell.conditions
    return {
        "name": name,
        "group": member.group,
        "beyond": member.beyond,
        "because": list(member.reasons),
        "why": cell.why,
        "sha256": cell.sha256,
        "conditions": conditions,
        "episodes": episodes.valid.shape[1],
        "valid": int(episodes.valid[row].sum()),
        "faults": int(episodes.faulted[row].sum()),
        "truncated": int((episodes.valid & episodes.truncated)[row].sum()),
        "failures": [dataclasses.asdict(kind) for kind in failure_kinds(cell, episodes, row, result.causes)],
        "metrics": _means(result, {metric: values[row] for metric, values in samples.items()}, cell.sha256),
        "samples": {metric: values[row].tolist() for metric, values in samples.items()},
    }


def _means(result: PanelResult, samples: dict[str, Floats], key: str) -> dict[str, Any]:
    """Each metric over some episodes, with the interval of a cell. Shape (R,) each."""
    seed, duration = result.panel.seed, result.panel.duration
    return {
        metric: _entry(metric, cell_interval(metric, values, f"{key}/{metric}", seed, duration))
        for metric, values in samples.items()
    }


def cell_interval(metric: str, values: Floats, key: str, seed: int, duration: float) -> Interval | None:
    """Wilson's interval of a rate, a bootstrap interval of a mean; None without a number. Shape (R,).

    Survival times, nearly all of which are the duration, have Wilson's interval too, as shares of it.
    """
    if metric in RATES:
        return _wilson(values)
    if metric == "survival_time":
        share = share_interval(np.minimum(values[:, None] / duration, 1.0))
        return Interval(*(duration * end for end in (share.value, share.low, share.high))) if share else None
    found = mean_interval(values, _generator(key, seed))
    if found is None or math.isinf(found.low):
        return found
    most = {"torque_saturation": 1.0, "recovery_time": duration}.get(metric, math.inf)
    return Interval(found.value, max(0.0, found.low), min(most, found.high))  # one outlier leads far beyond


def _group(
    result: PanelResult, samples: dict[str, Floats], members: dict[str, Membership], group: str
) -> dict[str, Any]:
    """Metrics over the cells of a group, which are put in order by name: their order in the panel has no meaning."""
    rows = [row for row, name in enumerate(result.panel.cells) if members[name].group == group]
    rows.sort(key=lambda row: list(result.panel.cells)[row])
    entries: dict[str, Any] = {}
    for metric, values in samples.items():
        if metric in RATES:
            interval, statistic = _wilson(values[rows].ravel()), "share of all valid episodes, Wilson"
        else:
            rng = _generator(f"{group}/{metric}", result.panel.seed)
            interval = aggregate_interval(values[rows].T, interquartile_mean, rng)
            statistic = "interquartile mean, stratified bootstrap"
        entries[metric] = _entry(metric, interval) | {"statistic": statistic, "cells": len(rows)}
    return entries


def _all_cells(samples: dict[str, Floats]) -> dict[str, Any]:
    """Metrics over a whole drawn panel: every cell weighs the same, however many of its episodes fell."""
    entries: dict[str, Any] = {}
    for metric, values in samples.items():
        rate = metric in RATES
        interval = _wilson(values.ravel()) if rate else mean_over_cells(torch.tensor(values))
        statistic = "share of all valid episodes, Wilson" if rate else "mean of the cells' means, normal"
        missing = int(np.isnan(values).all(axis=1).sum())
        entries[metric] = _entry(metric, interval) | {"statistic": statistic, "cells": len(values) - missing}
    return entries


def _buckets(result: PanelResult, samples: dict[str, Floats]) -> list[dict[str, Any]]:
    """Metrics over the episodes of each randomisation bucket, over all cells, each episode weighing the same."""
    rows: list[dict[str, Any]] = []
    for index, label in enumerate(result.buckets):
        chosen = (result.episodes.bucket == index).numpy()
        metrics = _means(result, {metric: values[chosen] for metric, values in samples.items()}, label)
        valid = int(result.episodes.valid.numpy()[chosen].sum())
        rows.append({"label": label, "episodes": int(chosen.sum()), "valid": valid, "metrics": metrics})
    return rows


def _entry(metric: str, interval: Interval | None) -> dict[str, Any]:
    value, low, high = (interval.value, interval.low, interval.high) if interval else (None, None, None)
    return {"value": value, "low": low, "high": high, "version": METRICS[metric].version}


def _wilson(values: Floats) -> Interval | None:
    known = values[~np.isnan(values)]
    return wilson_interval(int(known.sum()), len(known)) if len(known) else None


def _generator(key: str, seed: int) -> np.random.Generator:
    """Of one number's interval: which others are computed, and in which order, changes nothing."""
    return np.random.default_rng([draw_key(key), seed])


def _reasons(result: PanelResult, members: dict[str, Membership]) -> list[str]:
    """Why the result cannot be trusted."""
    reasons: list[str] = []
    # A panel without a held-out cell says nothing new of a policy; a drawn one was never meant to.
    if not result.panel.drawn and not any(member.held_out for member in members.values()):
        reasons.append("no cell is held out: the training covers them all")
    episodes = result.episodes
    broken = int(episodes.faulted.sum())
    if broken > MAX_FAULT_SHARE * episodes.faulted.numel():
        reasons.append(f"{broken} of {episodes.faulted.numel()} episodes are faults: simulation or policy broke")
    share = episodes.faulted.double().mean(dim=1)
    worst = [name for row, name in enumerate(result.panel.cells) if share[row] > MAX_CELL_FAULT_SHARE]
    if worst:
        reasons.append(f"more than {MAX_CELL_FAULT_SHARE:.0%} of the episodes are faults in {', '.join(worst)}")
    return reasons


def _badness(cell: dict[str, Any]) -> tuple[Any, ...]:
    """Sorts cells, the worst first: fewest successes, most falls, largest error; a cell without any comes first."""

    def value(metric: str, absent: float) -> float:
        found = cell["metrics"][metric]["value"]
        return absent if found is None or math.isnan(found) else found

    return value("success_rate", -1.0), -value("fall_rate", 2.0), -value("lin_vel_error", math.inf), cell["name"]
