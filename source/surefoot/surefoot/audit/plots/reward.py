"""Reward by term over the training: what pays above the axis, what costs below it."""

# pyright: basic
# Half of matplotlib is without types.

import numpy as np
from matplotlib.figure import Figure

from surefoot.audit.plots.series import binned_mean, edges, merge_small, stepped
from surefoot.audit.plots.style import MOST_SERIES, colours, legend_beside, new_figure, nothing, tidy
from surefoot.audit.record.record_file import RecordTable


def reward_figure(table: RecordTable) -> Figure:
    """Mean reward per second of each term, stacked, with the total as a line."""
    figure = new_figure(10, 4.8, "Reward by term")
    axes = figure.add_subplot()
    tidy(axes, "reward per second, 1/s")
    if "reward/mean_per_s" not in table.values:
        nothing(axes, "The record holds no reward account.")
        return figure
    bins = edges(table)
    means = binned_mean(table, table.values["reward/mean_per_s"], bins)
    values, names = merge_small(means, table.names("term"), MOST_SERIES)
    filled = stepped(np.nan_to_num(values))  # a bin without a valid step draws as a gap of height 0
    palette = colours(names)
    axes.stackplot(bins, filled.clip(min=0).T, colors=palette, labels=names, linewidth=0, step="post")
    axes.stackplot(bins, filled.clip(max=0).T, colors=palette, linewidth=0, step="post")
    axes.step(bins, stepped(means.sum(axis=1)), where="post", color="black", linewidth=1.6, label="total")
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_xlim(float(bins[0]), float(bins[-1]))
    legend_beside(axes)
    return figure
