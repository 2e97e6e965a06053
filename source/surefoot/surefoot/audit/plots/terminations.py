"""Why episodes ended, and after how long."""

# pyright: basic
# Half of matplotlib is without types.

import numpy as np
from matplotlib.figure import Figure

from surefoot.audit.plots.series import binned_mean, binned_sum, edges, merge_small, stepped
from surefoot.audit.plots.style import MOST_SERIES, colours, legend_beside, new_figure, nothing, tidy
from surefoot.audit.record.record_file import RecordTable


def terminations_figure(table: RecordTable) -> Figure:
    """Share of episodes by primary cause, stacked; below it the mean length of an episode."""
    figure = new_figure(10, 5.6, "Why episodes ended")
    share, length = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1.3))
    tidy(share, "share of episodes, %", last=False)
    tidy(length, "mean length, s")
    if "termination/primary" not in table.values:
        nothing(share, "The record holds no termination account.")
        return figure
    bins = edges(table)
    counts = binned_sum(table, table.values["termination/primary"], bins)
    episodes = counts.sum(axis=1, keepdims=True)
    percent = np.divide(100 * counts, episodes, out=np.zeros_like(counts), where=episodes > 0)
    values, names = merge_small(percent, table.names("cause"), MOST_SERIES)
    if not names:
        nothing(share, "No episode ended.")
        return figure
    share.stackplot(bins, stepped(values).T, colors=colours(names), labels=names, linewidth=0, step="post")
    share.set_ylim(0, 100)
    share.set_xlim(float(bins[0]), float(bins[-1]))
    legend_beside(share)
    if "termination/length_mean" in table.values:
        means = binned_mean(table, table.values["termination/length_mean"], bins)
        length.step(bins, stepped(means), where="post", color="black")
        length.set_ylim(bottom=0)
    return figure
