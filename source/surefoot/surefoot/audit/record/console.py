"""A flush as a compact table for the console."""

import math
from collections.abc import Sequence
from itertools import zip_longest

from surefoot.audit.accounts.metrics import AxisNames, Flush
from surefoot.audit.alerts.alerts import Alert

MOST_TERMS = 12
"""Terms with a line of their own: those with the largest mean; the others share one line."""
_GAP = "    "


def summary_lines(flush: Flush, axes: AxisNames, alerts: Sequence[Alert] = ()) -> list[str]:
    """Terms and causes side by side, then buckets and faults where there are any, then alerts."""
    left, right = _terms(flush, axes), _causes(flush, axes)
    width = max(map(len, left), default=0)
    lines = [f"{a:<{width}}{_GAP}{b}".rstrip() for a, b in zip_longest(left, right, fillvalue="")]
    lines += _buckets(flush, axes) + _levels(flush, axes) + _faults(flush, axes)
    return ["  " + line for line in lines] + alert_lines(alerts)


def alert_lines(alerts: Sequence[Alert]) -> list[str]:
    """One line for each alert."""
    return [f"! {alert.kind} ({alert.subject}): {alert.message} [{alert.action}]" for alert in alerts]


def _terms(flush: Flush, axes: AxisNames) -> list[str]:
    means = _column(flush, "reward/mean_per_s", len(axes["term"]))
    columns = [
        _column(flush, f"reward/{name}", len(means))
        for name in ("std_per_s", "positive_share", "negative_share", "saturation", "success_correlation")
    ]
    order = sorted(range(len(means)), key=lambda i: -abs(means[i]) if math.isfinite(means[i]) else 0.0)
    if len(order) > MOST_TERMS:
        order, merged = order[: MOST_TERMS - 1], order[MOST_TERMS - 1 :]
    else:
        merged = []
    width = max((len(name) for name in axes["term"]), default=0)
    lines = [f"{'reward term':<{width}}  {'1/s':>8} {'std':>7}  of gain  of cost  saturated  success r"]
    for i in order:
        std, gain, cost, saturated, success = (column[i] for column in columns)
        lines.append(
            f"{axes['term'][i]:<{width}}  {_number(means[i], 8, '+.3f')} {_number(std, 7, '.3f')}  {_percent(gain, 7)}"
            f"  {_percent(cost, 7)}  {_percent(saturated, 9)}  {_number(success, 9, '+.2f')}"
        )
    if merged:
        rest = sum(means[i] for i in merged if math.isfinite(means[i]))
        lines.append(f"{f'{len(merged)} other terms':<{width}}  {_number(rest, 8, '+.3f')}")
    if "reward/total_per_s" in flush:
        lines.append(f"{'total':<{width}}  {_number(float(flush['reward/total_per_s']), 8, '+.3f')}")
    return lines


def _causes(flush: Flush, axes: AxisNames) -> list[str]:
    shares = _column(flush, "termination/primary_share", len(axes["cause"]))
    counts = _column(flush, "termination/primary", len(axes["cause"]))
    width = max((len(name) for name in axes["cause"]), default=0)
    lines = [f"{'ended by':<{width}}    share  episodes"]
    for name, share, count in zip(axes["cause"], shares, counts, strict=True):
        lines.append(f"{name:<{width}}  {_percent(share, 7)}  {_number(count, 8, '.0f')}")
    for label, name, unit in (
        ("episode length", "termination/length_mean", "s"),
        ("velocity error", "episode/lin_vel_error", "m/s"),
        ("success", "episode/success_rate", "%"),
    ):
        value = float(flush[name]) if name in flush else math.nan
        shown = _percent(value, 0) if unit == "%" or not math.isfinite(value) else f"{value:.2f} {unit}"
        lines.append(f"{label}: {shown}")
    return lines


def _buckets(flush: Flush, axes: AxisNames) -> list[str]:
    labels = axes["bucket"]
    returns = _column(flush, "bucket/return_mean", len(labels))
    known = [i for i, value in enumerate(returns) if math.isfinite(value)]
    if len(labels) < 2 or not known:
        return []
    success = _column(flush, "bucket/success_rate", len(labels))
    low, high = min(known, key=returns.__getitem__), max(known, key=returns.__getitem__)
    return [f"buckets with episodes: {len(known)} of {len(labels)}"] + [
        f"  {word} return {_number(returns[i], 8, '+.2f')}, success {_percent(success[i], 5)}: {labels[i]}"
        for word, i in (("lowest ", low), ("highest", high))
    ]


def _levels(flush: Flush, axes: AxisNames) -> list[str]:
    names = axes.get("terrain", ())
    if not names:
        return []
    means = _column(flush, "terrain/level_mean", len(names))
    shown = [f"{name} {_number(mean, 0, '.1f')}" for name, mean in zip(names, means, strict=True)]
    return [f"terrain levels: {', '.join(shown)}"]


def _faults(flush: Flush, axes: AxisNames) -> list[str]:
    counts = _column(flush, "fault/steps", len(axes["fault"]))
    found = [f"{name} {count:.0f}" for name, count in zip(axes["fault"], counts, strict=True) if count > 0]
    if not found:
        return []
    share = float(flush["fault/invalid_share"]) if "fault/invalid_share" in flush else math.nan
    return [f"faults, steps: {', '.join(found)} ({_number(100 * share, 0, '.3g')} % of all steps)"]


def _column(flush: Flush, name: str, size: int) -> list[float]:
    return [float(value) for value in flush[name]] if name in flush else [math.nan] * size


def _number(value: float, width: int, form: str) -> str:
    return f"{format(value, form) if math.isfinite(value) else '-':>{width}}"


def _percent(value: float, width: int) -> str:
    return f"{f'{round(100 * value)} %' if math.isfinite(value) else '-':>{width}}"  # a whole number has no -0
