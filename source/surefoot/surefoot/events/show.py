"""A result for the console and for loggers: what was held out beside what was not."""

from surefoot.events.result import Metric, Result


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
    for label, group in (
        ("held out", finding.held_out),
        ("in distribution", finding.in_distribution),
        ("transfer", finding.transfer),
    ):
        if group:
            out.append(f"    {label:<15}  " + "  ".join(f"{name} {number(metric)}" for name, metric in group.items()))
        elif label == "held out":
            out.append(f"    {label:<15}  nothing: this kind of event ({job.kind}) measures nothing held out")
    return out


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
    for group in ("held_out", "in_distribution", "transfer"):
        for name, metric in getattr(result.finding, group).items():
            for end, value in (("", metric.value), ("_low", metric.low), ("_high", metric.high)):
                if value is not None:
                    out[f"{event}/{group}/{name}{end}"] = value
    return out
