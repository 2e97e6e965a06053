"""Two policies under one panel: paired by cell and replicate, which met the same starts and the same noise."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from surefoot.errors import PanelError
from surefoot.evaluation.bootstrap import (
    Floats,
    aggregate_interval,
    mean_of_cells,
    share_difference_interval,
)
from surefoot.evaluation.metrics import METRICS
from surefoot.evaluation.report import SCHEMA_VERSION
from surefoot.evaluation.sign_flips import flip_tests, holm
from surefoot.evaluation.statistics import Interval
from surefoot.randomization.conditions import draw_key
from surefoot.reading import MAX_RECORD, parse_json, read_bytes

_SAME = {
    "panel_sha256": "panels (another version, another seed, or another panel)",
    "metric_versions": "metric versions",
    "setting_sha256": "settings (robot, physics, terminations, or what a drawn panel draws)",
}
_KEYS = ("valid", "reasons", "score", "units", "checkpoint", "iteration", "engine", "panel", "replicates", "duration")
"""That a report must have beside `_SAME`."""


PRIMARY = ("held_out", "success_rate")
"""Group and metric that say which of two policies is better; all others say why, and are corrected for their number."""
SIGNIFICANT = 0.05

_TITLES = {
    "held_out": "held out",
    "in_distribution": "in distribution",
    "edge": "at the edge of training",
    "mixed": "held out for one of them",
}


@dataclass(frozen=True)
class MetricComparison:
    """One metric of B against A, over the pairs of episodes that both have."""

    metric: str
    group: str
    pairs: int
    difference: Interval | None
    """Mean over cells of B - A, in the metric's unit."""
    improvement: Interval | None
    """Probability that B is better than A in a pair, ties counting half; mean over cells."""
    p_value: float | None = None
    """Of no difference, two-sided, by flipping the signs of pairs."""
    adjusted: float | None = None
    """The same for one of many: Holm's over all rows but the primary one, which stands for itself."""
    primary: bool = False
    """The one number that was declared before to say which is better."""

    @property
    def differs(self) -> bool:
        """Whether a difference is shown, with a chance of 5 % that equal policies show one in any row but the first."""
        return self.adjusted is not None and self.adjusted <= SIGNIFICANT


def read_report(path: Path) -> dict[str, Any]:
    """Read the JSON report of a panel.

    Raises:
        PanelError: Absent, not such a report, or one of the command grid before it was a panel.
    """
    try:
        plain: Any = parse_json(read_bytes(path, MAX_RECORD))
    except (OSError, ValueError, RecursionError) as error:
        raise PanelError(f"{path}: cannot be read as the report of a panel ({error}).") from None
    if isinstance(plain, dict) and "grid_version" in plain:
        raise PanelError(f"{path}: {_old_grid(cast('dict[str, Any]', plain))}")
    if not isinstance(plain, dict) or "panel_sha256" not in plain or "cells" not in plain:
        raise PanelError(f"{path}: not the report of a panel; expected what surefoot evaluate --panel writes.")
    found = cast("dict[str, Any]", plain)
    if found.get("schema_version") != SCHEMA_VERSION:
        raise PanelError(
            f"{path}: schema version {found.get('schema_version')!r}, this version reads {SCHEMA_VERSION}."
        )
    if problem := _damage(found):
        raise PanelError(f"{path}: not a whole report: {problem}.")
    return found


def _old_grid(report: dict[str, Any]) -> str:
    """Why a report of the command grid before it was a panel is compared with nothing."""
    metrics: Any = report.get("metrics")
    known = cast("dict[str, Any]", metrics) if isinstance(metrics, dict) else {}
    old = {name: cast("dict[str, Any]", of).get("version") for name, of in known.items() if isinstance(of, dict)}
    now = {name: metric.version for name, metric in METRICS.items()}
    differ = [f"{name} {of} (now {now[name]})" for name, of in old.items() if name in now and of != now[name]]
    return (
        "a report of the command grid before it was a panel: it has no single episodes, and other versions of metrics: "
        f"{', '.join(differ) or 'unknown'}. Evaluate again: surefoot evaluate --checkpoint "
        f"{report.get('checkpoint')}"
    )


def _outdated(report: dict[str, Any]) -> bool:
    return any(name in METRICS and METRICS[name].version != old for name, old in report["metric_versions"].items())


def _damage(report: dict[str, Any]) -> str:
    """What a report lacks; empty where it is whole."""
    missing = [key for key in (*_KEYS, *_SAME) if key not in report]
    if missing:
        return f"it lacks {', '.join(missing)}"
    cells, metrics = report["cells"], report["metric_versions"]
    if not isinstance(cells, list) or not isinstance(metrics, dict) or not isinstance(report["units"], dict):
        return "cells, metric_versions or units are of another kind"
    for entry in cast("list[Any]", cells):
        cell = cast("dict[str, Any]", entry) if isinstance(entry, dict) else {}
        samples = cell.get("samples")
        if not isinstance(samples, dict) or not {"name", "group", "sha256"} <= cell.keys():
            return "a cell has no name, group, hash or samples"
        rows = [cast("dict[str, Any]", samples).get(metric) for metric in cast("dict[str, Any]", metrics)]
        if not all(isinstance(row, list) and len(cast("list[Any]", row)) == report["replicates"] for row in rows):
            return f"cell {cell['name']} has not {report['replicates']} samples of every metric"
    return ""


def check_comparable(a: dict[str, Any], b: dict[str, Any]) -> None:
    """Refuse two reports that were not measured alike.

    Raises:
        PanelError: Names what differs.
    """
    wrong: list[str] = []
    for key, what in _SAME.items():
        if a.get(key) == b.get(key):
            continue
        one, two = a.get(key), b.get(key)
        if isinstance(one, dict) and isinstance(two, dict):
            first, second = cast("dict[str, Any]", one), cast("dict[str, Any]", two)
            differ = {name for name in first.keys() | second.keys() if first.get(name) != second.get(name)}
            wrong.append(
                f"{what}: " + ", ".join(f"{name} {first.get(name)} and {second.get(name)}" for name in sorted(differ))
            )
        else:
            wrong.append(f"{what}: {str(cast('Any', one))[:12]} and {str(cast('Any', two))[:12]}")
    if a["engine"] != b["engine"] and a.get("checkpoint_sha256") != b.get("checkpoint_sha256"):
        wrong.append(f"engines: {a['engine']} and {b['engine']} (of one policy they can be compared)")
    noise, other = a.get("sensor_noise", {}), b.get("sensor_noise", {})
    if louder := [name for name in noise if name in other and noise[name] != other[name]]:
        wrong.append("sensor noise: " + ", ".join(f"{name} {noise[name]:g} and {other[name]:g}" for name in louder))
    if {cell["name"]: cell["sha256"] for cell in a["cells"]} != {cell["name"]: cell["sha256"] for cell in b["cells"]}:
        wrong.append("cells, although the panel's hash is the same: one of the files was changed")
    if wrong:
        old = [
            f" {which} was measured by older formulas; evaluate it again: surefoot evaluate --checkpoint "
            f"{report['checkpoint']} --panel {report['panel']}"
            for which, report in (("A", a), ("B", b))
            if a["metric_versions"] != b["metric_versions"] and _outdated(report)
        ]
        raise PanelError(f"These results cannot be compared: different {'; different '.join(wrong)}.{'.'.join(old)}")
    for report, which in ((a, "A"), (b, "B")):
        if not report["valid"]:
            raise PanelError(f"Result {which} is not valid: {'; '.join(report['reasons'])}.")


def compare(a: dict[str, Any], b: dict[str, Any]) -> list[MetricComparison]:
    """Compare two reports, metric by metric.

    `held_out` are the cells that are held out for both policies, `in_distribution` those that are for neither, `edge`
    those at the edge of both trainings, `mixed` those of another group for each.

    Raises:
        PanelError: They were not measured alike.
    """
    check_comparable(a, b)
    first, second = ({cell["name"]: cell for cell in report["cells"]} for report in (a, b))
    groups = {
        name: first[name]["group"] if first[name]["group"] == second[name]["group"] else "mixed" for name in first
    }
    rows: list[MetricComparison] = []
    for group in _TITLES:
        names = sorted(name for name in first if groups[name] == group)
        if group in ("edge", "mixed") and not names:
            continue
        for metric in (name for name in METRICS if name in a["metric_versions"]):
            one, two = (_samples(cells, names, metric) for cells in (first, second))
            rows.append(_row(metric, group, one, two, a["duration"]))
        changes = {row.metric: paired(a, b, names, row.metric) for row in rows if row.group == group}
        tests = flip_tests(changes, np.random.default_rng(draw_key(f"flips/{group}/{a['panel_sha256']}")))
        for index, row in enumerate(rows):
            if row.group == group and row.metric in tests:
                rows[index] = replace(row, p_value=tests[row.metric].two_sided)
    return _corrected(rows)


def _corrected(rows: list[MetricComparison]) -> list[MetricComparison]:
    """With Holm's p-values; the primary row keeps its own."""
    rows = [replace(row, primary=(row.group, row.metric) == PRIMARY) for row in rows]
    others = [index for index, row in enumerate(rows) if not row.primary and row.p_value is not None]
    found = dict(zip(others, holm([cast("float", rows[index].p_value) for index in others]), strict=True))
    return [replace(row, adjusted=row.p_value if row.primary else found.get(index)) for index, row in enumerate(rows)]


def paired(a: dict[str, Any], b: dict[str, Any], names: Sequence[str], metric: str) -> Floats:
    """B - A of each pair of episodes in some cells; NaN where one has no number. Shape (replicates, cells)."""
    first, second = ({cell["name"]: cell for cell in report["cells"]} for report in (a, b))
    return _samples(second, list(names), metric) - _samples(first, list(names), metric)


def conclusion(rows: list[MetricComparison]) -> list[str]:
    """Sentences on what the comparison shows, the primary metric first."""
    lines: list[str] = []
    first = next((row for row in rows if row.primary), None)
    if first is not None and first.p_value is not None and first.difference is not None:
        better = "B is better" if first.difference.value > 0 else "A is better"
        said = better if first.differs else "which is better is not shown"
        lines.append(f"Primary metric, success held out: {said} (p = {first.p_value:.2g}).")
    others = [row for row in rows if not row.primary and row.adjusted is not None]
    found = [f"{row.metric} {_TITLES[row.group]}" for row in others if row.differs]
    lines.append(
        f"Of the other {len(others)}, corrected for their number (Holm), {len(found)} differ"
        f"{': ' + ', '.join(found) if found else ''}. Single intervals above are not corrected: of equal policies "
        "one of so many leaves out zero in about half of all comparisons."
    )
    return lines


def _samples(cells: dict[str, dict[str, Any]], names: list[str], metric: str) -> Floats:
    """Shape (replicates, cells)."""
    rows = [[math.nan if value is None else value for value in cells[name]["samples"][metric]] for name in names]
    return np.array(rows, dtype=np.float64).reshape(len(names), -1).T


def _row(metric: str, group: str, a: Floats, b: Floats, duration: float) -> MetricComparison:
    change = b - a
    better = change if METRICS[metric].better == "higher" else -change

    def interval(scores: Floats) -> Interval | None:
        if scores.size == 0:
            return None
        if bound := {"success_rate": 1.0, "fall_rate": 1.0, "survival_time": duration}.get(metric):
            found = share_difference_interval(scores / bound)
            return Interval(*(bound * end for end in (found.value, found.low, found.high))) if found else None
        return aggregate_interval(
            scores, mean_of_cells, np.random.default_rng(draw_key(f"difference/{group}/{metric}"))
        )

    pairs = int((~np.isnan(change)).sum())
    lead = share_difference_interval(np.sign(better))  # share of pairs won less the share lost
    won = Interval(*((1 + end) / 2 for end in (lead.value, lead.low, lead.high))) if lead else None
    return MetricComparison(metric, group, pairs, interval(change), won)


def comparison_text(a: dict[str, Any], b: dict[str, Any], rows: list[MetricComparison]) -> str:
    """The comparison for people."""
    lines = [
        f"A: {a['checkpoint']}, iteration {a['iteration']}, engine {a['engine']}",
        f"B: {b['checkpoint']}, iteration {b['iteration']}, engine {b['engine']}",
        f"panel {a['panel']}, sha256 {a['panel_sha256'][:12]}; pairs of episodes with the same cell and start",
    ]
    shown = {row.group for row in rows}
    for group, title in ((group, title) for group, title in _TITLES.items() if group in shown):
        lines += ["", f"{title:<32} {'pairs':>6}  {'B - A':^30}  {'P(B better)':^26}"]
        for row in rows:
            if row.group == group:
                unit = a["units"][row.metric]
                unit = "-" if unit.startswith("share") else unit
                lines.append(
                    f"  {row.metric:<20} {unit:>8}  {row.pairs:>6}  {_span(row.difference, '+.3f'):^30}  "
                    f"{_span(row.improvement, '.2f'):^26}"
                )
    return "\n".join([*lines, "", *conclusion(rows)])


def _span(interval: Interval | None, form: str) -> str:
    if interval is None:
        return "-"
    return f"{interval.value:{form}}  [{interval.low:{form}}, {interval.high:{form}}]"
