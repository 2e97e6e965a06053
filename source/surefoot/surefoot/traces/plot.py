"""A trace as a picture: one row for each signal, modes shaded."""

# pyright: basic
# matplotlib comes without complete types.

from pathlib import Path

import numpy as np

from surefoot.files import replacing
from surefoot.traces.estimate import find_modes
from surefoot.traces.signals import SIGNALS
from surefoot.traces.trace import Trace
from surefoot.traces.trace_file import read_trace

_MAX_POINTS = 4_000
_SHADES = {"stand": "#d9ead3", "policy": "#cfe2f3", "damping": "#fce5cd", "fault": "#f4cccc", "unknown": "#eeeeee"}


def plot_trace(path: Path, out: Path) -> Path:
    """Draw all signals of a trace into a PNG.

    Raises:
        TraceError: Absent or corrupt.
        RunFolderError: The picture cannot be written.
    """
    from matplotlib.figure import Figure

    trace = read_trace(path)
    names = list(trace.signals)
    figure = Figure(figsize=(12, 1.8 * len(names) + 0.6), layout="constrained")
    axes = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
    # More points than pixels only take time.
    every = max(1, len(trace.stamp) // _MAX_POINTS)
    for axis, name in zip(axes, names, strict=True):
        labels = SIGNALS[name].components(trace.header.joints, trace.header.feet)
        for values, label in zip(trace.signals[name].T, labels, strict=True):
            axis.plot(trace.time[::every], values[::every], linewidth=0.6, label=label)
        axis.set_ylabel(f"{name}\n{SIGNALS[name].unit}", fontsize=8)
        if len(labels) <= 4:
            axis.legend(fontsize=6, loc="upper right", ncols=4)
    _shade(axes, trace)
    axes[-1].set_xlabel("s")
    axes[0].set_title(f"{trace.header.name} ({trace.header.robot})", fontsize=9)
    with replacing(out) as file:
        figure.savefig(file, format="png", dpi=110)
    return out


def _shade(axes: np.ndarray, trace: Trace) -> None:
    if not trace.has("q", "dq", "tau", "q_des"):
        return
    for segment in find_modes(trace):
        for axis in axes:
            axis.axvspan(segment.start, segment.end, color=_SHADES[segment.mode], zorder=0)
        axes[0].text(segment.start, 1.0, segment.mode, fontsize=7, va="top", transform=axes[0].get_xaxis_transform())
