"""What broke and what was noticed, over the training."""

# pyright: basic
# Half of matplotlib is without types.

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from surefoot.audit.plots.series import binned_sum, edges
from surefoot.audit.plots.style import COLOURS, new_figure, nothing, tidy
from surefoot.audit.record.record_file import RecordTable


def faults_figure(table: RecordTable, alerts: Sequence[dict[str, Any]] = ()) -> Figure:
    """Invalid steps by kind of fault, and alerts by kind: a row each, iterations to the right."""
    kinds = table.names("fault")
    alert_kinds = sorted({str(alert["kind"]) for alert in alerts})
    height = 2.2 + 0.3 * (max(len(kinds), 2) + max(len(alert_kinds), 2))
    figure = new_figure(10, height, "Faults and alerts")
    ratios = (max(len(kinds), 2), max(len(alert_kinds), 2))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=ratios)
    tidy(upper, "", title="steps lost to a fault", last=False)
    tidy(lower, "", title="alerts")
    bins = edges(table)
    lower.set_xlim(float(bins[0]), float(bins[-1]))
    lower.xaxis.set_major_locator(MaxNLocator(integer=True))

    upper.set_yticks(range(len(kinds)), kinds)
    upper.set_ylim(len(kinds) - 0.5, -0.5)
    counts = binned_sum(table, table.values.get("fault/steps", np.zeros((len(table.iteration), len(kinds)))), bins)
    column, row = np.nonzero(counts)
    if len(row):
        middle = (bins[:-1] + bins[1:]) / 2
        size = counts[column, row]
        scale = LogNorm(1, max(10.0, float(size.max())))
        dots = upper.scatter(middle[column], row, c=size, norm=scale, cmap="viridis_r", s=30, marker="s")
        width = int(bins[1] - bins[0])
        per = "per iteration" if width == 1 else f"per {width} iterations"
        figure.colorbar(dots, ax=upper, label=f"steps {per}", aspect=12)
    else:
        nothing(upper, f"No fault in {len(table.iteration)} iterations.")

    lower.set_yticks(range(len(alert_kinds)), alert_kinds)
    lower.set_ylim(max(len(alert_kinds), 1) - 0.5, -0.5)
    if alerts:
        rows = [alert_kinds.index(str(alert["kind"])) for alert in alerts]
        lower.scatter([alert["iteration"] for alert in alerts], rows, marker="v", color=COLOURS[2], s=36)
    else:
        nothing(lower, "No alert.")
    return figure
