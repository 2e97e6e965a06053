"""A result for the console and for loggers: what was held out beside what was not."""

from collections.abc import Mapping
from pathlib import Path

from surefoot.jobs.job import Metric, Result

MAX_PICTURES = 4
"""Of one result, for a logger, which takes some 60 ms for each; the others are in its report."""


def lines(result: Result) -> list[str]:
    """One line, or one for each group of metrics."""
    job = result.job
    head = f"* {job.event}, iteration {job.iteration}"
    if result.finding is None:
        return [f"{head}: NO RESULT: {result.reason}"]
    finding = result.finding
    if not finding.valid:
        return [f"{head}: NOT VALID: {'; '.join(finding.reasons)}"]
    score = "" if finding.score is None else f", score {finding.score:.4g}"
    out = [f"{head} ({result.seconds:.0f} s){score}"]
    for label, group in (("held out", finding.held_out), ("in distribution", finding.in_distribution)):
        if group:
            out.append(f"    {label:<15}  " + "  ".join(f"{name} {number(metric)}" for name, metric in group.items()))
        # Said aloud, so that numbers of training ground are not taken for held-out ones.
        elif label == "held out":
            out.append(f"    {label:<15}  nothing: this kind of event ({job.kind}) measures nothing held out")
    out += [f"    {line}" for line in transfer_lines(finding.transfer)]
    for verdict in ("pass", "fail", "unknown"):
        names = [tag.removesuffix(f"={verdict}") for tag in finding.tags if tag.endswith(f"={verdict}")]
        out += [f"    {verdict:<8} {', '.join(names)}"] if names else []
    return out


def pictures(run: Path, result: Result) -> dict[str, Path]:
    """Overlays of log and simulation in a result's report, by tag; nothing of a result that is not valid."""
    if not result.valid or not result.report:
        return {}
    report = run / result.report
    found = sorted(report.glob("*/*_overlay.png"))[:MAX_PICTURES]
    return {f"Event/{result.job.event}/{path.parent.name}/{path.stem}": path for path in found}


def transfer_lines(transfer: Mapping[str, Metric]) -> list[str]:
    """One line for each trace and mode; of names with slashes, what is before the last one."""
    groups: dict[str, list[str]] = {}
    for name, metric in transfer.items():
        place, _, short = name.rpartition("/")
        groups.setdefault(place, []).append(f"{short} {number(metric)}")
    return [f"{place + ': ' if place else ''}{'  '.join(entries)}" for place, entries in groups.items()]


def number(metric: Metric) -> str:
    """`0.12 [0.1, 0.15] m/s`."""
    if metric.value is None:
        return "-"
    interval = "" if metric.low is None or metric.high is None else f" [{metric.low:.3g}, {metric.high:.3g}]"
    named = metric.unit not in ("", "-") and " " not in metric.unit  # "share of valid episodes" is no unit to read
    return f"{metric.value:.3g}{interval}" + (f" {metric.unit}" if named else "")


def scalars(result: Result) -> dict[str, float]:
    """By tag, `Event/<event>/<group>/<metric>`; nothing of a result that is not valid."""
    event = f"Event/{result.job.event}"
    out: dict[str, float] = {f"{event}/iteration": float(result.job.iteration)}
    if result.finding is None or not result.finding.valid:
        return {}
    if result.finding.score is not None:
        out[f"{event}/score"] = result.finding.score
    for group, metrics in result.finding.groups.items():
        for name, metric in metrics.items():
            for end, value in (("", metric.value), ("_low", metric.low), ("_high", metric.high)):
                if value is not None:
                    out[f"{event}/{group}/{name}{end}"] = value
    return out
