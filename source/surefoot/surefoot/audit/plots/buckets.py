"""How every bucket fared over the training."""

# pyright: basic
# Half of matplotlib is without types.

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from surefoot.audit.plots.series import Floats, binned_mean, edges
from surefoot.audit.plots.style import new_figure, nothing
from surefoot.audit.record.record_file import RecordTable

MOST_BUCKETS = 64
"""Rows; of more buckets those with the lowest and the highest last return are drawn."""
_PANELS = (
    ("bucket/return_mean", "return of an episode", "viridis", None),
    ("bucket/success_rate", "success rate", "viridis", (0.0, 1.0)),
    ("bucket/lin_vel_error", "velocity error, m/s", "cividis_r", None),
)


def buckets_figure(table: RecordTable) -> Figure:
    """Heatmaps of return, success and velocity error: a row per bucket, iterations to the right."""
    labels = table.names("bucket")
    returns = table.values.get("bucket/return_mean")
    rows = _rows(returns) if returns is not None else []
    title = "Buckets" if len(rows) == len(labels) else f"The {len(rows)} buckets with extreme return of {len(labels)}"
    figure = new_figure(13, 2.0 + 0.17 * max(len(rows), 4), title)
    panels = figure.subplots(1, len(_PANELS), sharey=True)
    if not rows:
        nothing(panels[0], "The record holds no bucket account.")
        return figure
    bins = edges(table, 60)
    for axes, (name, heading, colourmap, limits) in zip(panels, _PANELS, strict=True):
        axes.set_title(heading, loc="left", fontsize=10)
        axes.set_xlabel("PPO iteration")
        if name in table.values:
            _heatmap(figure, axes, bins, binned_mean(table, table.values[name][:, rows], bins), colourmap, limits)
    panels[0].set_yticks(np.arange(len(rows)) + 0.5, [labels[row] for row in rows], fontsize=7)
    panels[0].invert_yaxis()
    return figure


def _heatmap(
    figure: Figure, axes: Axes, bins: Floats, values: Floats, colourmap: str, limits: tuple[float, float] | None
) -> None:
    low, high = limits or (None, None)
    axes.set_facecolor("#EEEEEE")  # no episode: neither good nor bad
    mesh = axes.pcolormesh(
        bins, np.arange(values.shape[1] + 1), np.ma.masked_invalid(values.T), cmap=colourmap, vmin=low, vmax=high
    )
    figure.colorbar(mesh, ax=axes, location="bottom", aspect=30, pad=0.02)


def _rows(returns: Floats) -> list[int]:
    """Buckets to draw, in the order of their ids."""
    count = returns.shape[1]
    if count <= MOST_BUCKETS:
        return list(range(count))
    known = np.isfinite(returns)
    last = np.where(known.any(axis=0), returns[len(returns) - 1 - known[::-1].argmax(axis=0), np.arange(count)], np.nan)
    order = np.argsort(last)[: int(known.any(axis=0).sum())]
    half = MOST_BUCKETS // 2
    return sorted({int(i) for i in (*order[:half], *order[-half:])})
