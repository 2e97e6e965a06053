"""Pictures of a replay: overlay with band, gap heatmap, error against horizon, buckets and pairs of factors."""

# pyright: basic
# Half of matplotlib is without types.

import itertools
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from surefoot.audit.plots.style import COLOURS, GREY, legend_beside, new_figure, nothing, save, tidy
from surefoot.errors import RunFolderError
from surefoot.randomization.factors import interval_label
from surefoot.replay import gap as gaps
from surefoot.replay.trace_run import ReplayResult
from surefoot.traces.trace import FloatArray


def draw(result: ReplayResult, folder: Path) -> list[Path]:
    """Write one PNG per picture into `folder`; returns their paths.

    Raises:
        RunFolderError: The folder cannot be written.
    """
    figures = {
        "overlay": overlay(result),
        "gap": heatmap(result),
        "horizon": horizon(result),
        "buckets": buckets(result),
    }
    if len(result.evidence.factors) > 1:
        figures["pairs"] = pairs(result)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [save(figure, folder / f"{result.mode}_{name}.png") for name, figure in figures.items()]
    except OSError as error:
        raise RunFolderError(f"{folder}: pictures cannot be written ({error.strerror}). Choose --out DIR.") from error


def overlay(result: ReplayResult, seconds: float = 4.0) -> Figure:
    """Joint positions: the log, best bucket, median and 5-95 % band of all buckets, window after window."""
    real, simulated = result.replayed.real["q"], result.replayed.simulated["q"]
    steps, _, count, joints = simulated.shape
    dt = result.windows.step_dt
    shown = min(count, max(1, round(seconds / (steps * dt))))
    columns = 3
    rows = -(-joints // columns)
    figure = new_figure(13, 2.1 * rows, f"{result.trace.header.name}: joint positions, {result.mode}")
    axes = figure.subplots(rows, columns, sharex=True, squeeze=False).ravel()
    low, middle, high = np.quantile(simulated, (0.05, 0.5, 0.95), axis=1)
    starts = result.trace.time[result.windows.start]
    for joint, (ax, name) in enumerate(zip(axes, result.manifest.robot.joint_names, strict=False)):
        for window in range(shown):
            time = starts[window] + dt * np.arange(1, steps + 1)
            last = window == shown - 1
            ax.fill_between(
                time, low[:, window, joint], high[:, window, joint], color=COLOURS[1], alpha=0.6, linewidth=0,
                label="5-95 % of the buckets" if last else None,
            )  # fmt: skip
            ax.plot(
                time, middle[:, window, joint], color=COLOURS[0], linewidth=0.8, linestyle="--",
                label="their median" if last else None,
            )  # fmt: skip
            best = simulated[:, result.evidence.best, window, joint]
            ax.plot(time, best, color=COLOURS[2], linewidth=1, label="best bucket" if last else None)
            ax.plot(time, real[:, window, joint], color="black", linewidth=1, label="log" if last else None)
        tidy(ax, "rad", title=name, last=False)
        if joint >= joints - columns:
            ax.set_xlabel("s")
    legend_beside(axes[columns - 1])
    return figure


def heatmap(result: ReplayResult) -> Figure:
    """Normalised error of the best bucket: joints by signals."""
    names = [name for name in ("q", "dq", "tau") if name in result.gap.nrmse]
    joints = result.manifest.robot.joint_names
    values = np.array([result.gap.nrmse[name][result.evidence.best] for name in names])
    figure = new_figure(12, 1.4 + 0.55 * len(names), f"{result.trace.header.name}: error over its scale, {result.mode}")
    axes = figure.subplots()
    image = axes.imshow(values, aspect="auto", cmap="viridis", vmin=0)
    axes.set_yticks(range(len(names)), names)
    axes.set_xticks(range(len(joints)), [name.removesuffix("_joint") for name in joints], rotation=45, ha="right")
    for row in range(len(names)):
        for column in range(len(joints)):
            dark = values[row, column] < 0.6 * values.max()
            axes.text(
                column, row, f"{values[row, column]:.2f}", ha="center", va="center", fontsize=8,
                color="white" if dark else "black",
            )  # fmt: skip
    figure.colorbar(image, ax=axes, label="RMSE / scale")
    return figure


def horizon(result: ReplayResult) -> Figure:
    """Error of the best bucket after each control step of a window."""
    figure = new_figure(9, 3.4, f"{result.trace.header.name}: error against horizon, {result.mode}")
    axes = figure.subplots()
    best = result.evidence.best
    for colour, name in zip(COLOURS, result.gap.weights, strict=False):
        curve = gaps.by_horizon(
            result.replayed.real[name], result.replayed.simulated[name][:, best], result.gap.scale[name]
        ).mean(axis=1)
        time = result.windows.step_dt * np.arange(1, len(curve) + 1)
        axes.plot(time, curve, color=colour, label=gaps.SIGNALS[name].meaning)
    tidy(axes, "RMSE / scale", last=False)
    axes.set_xlabel("s since the window's start")
    axes.set_ylim(bottom=0)
    legend_beside(axes)
    return figure


def buckets(result: ReplayResult) -> Figure:
    """Share of resamples that each interval of each factor wins; grey where the log does not identify the factor."""
    factors = result.evidence.factors
    figure = new_figure(12, 3.6, f"{result.trace.header.name}: which randomisation explains the log, {result.mode}")
    if not factors:
        nothing(figure.subplots(), "The task has one bucket.")
        return figure
    for axes, factor in zip(figure.subplots(1, len(factors), squeeze=False)[0], factors, strict=True):
        intervals = result.manifest.randomization.factors[factor.name]
        labels = [
            interval_label(factor.name, intervals, index).removeprefix(f"{factor.name} ")
            for index in range(intervals.num_intervals)
        ]
        axes.bar(labels, factor.share, color=COLOURS[0] if factor.identified else GREY)
        axes.set_ylim(0, 1)
        tidy(axes, "share of resamples", title=f"{factor.name}{'' if factor.identified else ': not identified'}",
             last=False)  # fmt: skip
        axes.tick_params(axis="x", labelrotation=45)
    return figure


def pairs(result: ReplayResult) -> Figure:
    """For each pair of factors: how often their intervals win together (colour), the lowest score there (number)."""
    names = result.manifest.randomization.bucket_by
    factors = result.manifest.randomization.factors
    shape = tuple(factors[name].num_intervals for name in names)
    share, score = result.evidence.share.reshape(shape), result.gap.scores.reshape(shape)
    chosen = list(itertools.combinations(range(len(names)), 2))[:6]
    figure = new_figure(
        1.5 + 4.2 * min(3, len(chosen)), 1.0 + 3.2 * -(-len(chosen) // 3),
        f"{result.trace.header.name}: share of resamples, gap score, {result.mode}",
    )  # fmt: skip
    axes = figure.subplots(-(-len(chosen) // 3), min(3, len(chosen)), squeeze=False)
    image = None
    for ax, pair in zip(axes.ravel(), chosen, strict=False):
        others = tuple(index for index in range(len(names)) if index not in pair)
        image = _pair(ax, share.sum(axis=others), score.min(axis=others))
        for index, axis in zip(pair, (ax.yaxis, ax.xaxis), strict=True):
            labels = [
                interval_label(names[index], factors[names[index]], part).removeprefix(f"{names[index]} ")
                for part in range(shape[index])
            ]
            axis.set_ticks(range(shape[index]), labels)
            axis.set_label_text(names[index])
        ax.tick_params(axis="x", labelrotation=30)
    for ax in axes.ravel()[len(chosen) :]:
        ax.set_visible(False)
    assert image is not None
    figure.colorbar(image, ax=axes, label="share of resamples")
    return figure


def _pair(ax: Axes, share: FloatArray, score: FloatArray) -> AxesImage:
    image = ax.imshow(share, aspect="auto", cmap="viridis", vmin=0, vmax=1)
    for (row, column), value in np.ndenumerate(score):
        dark = share[row, column] < 0.6
        ax.text(
            column, row, f"{value:.3f}", ha="center", va="center", fontsize=8, color="white" if dark else "black"
        )  # fmt: skip
    return image
