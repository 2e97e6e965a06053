"""What all pictures share: colours that colour-blind readers tell apart, axes, legends beside the data."""

# pyright: basic
# Half of matplotlib is without types.

from collections.abc import Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Paul Tol, "Colour Schemes", SRON technical note 2021, scheme "muted": nine colours, and grey for the rest.
COLOURS = ("#332288", "#88CCEE", "#CC6677", "#117733", "#DDCC77", "#AA4499", "#44AA99", "#882255", "#999933")
GREY = "#BBBBBB"
MOST_SERIES = len(COLOURS) + 1
_DPI = 110


def colours(names: Sequence[str]) -> list[str]:
    """One colour for each of up to `MOST_SERIES` names; grey for merged ones and for the last."""
    own = iter(COLOURS)
    return [GREY if name.endswith(" others") else next(own, GREY) for name in names]


def new_figure(width: float, height: float, title: str) -> Figure:
    """An empty figure, inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
    return figure


def tidy(axes: Axes, ylabel: str, *, title: str = "", last: bool = True) -> None:
    """Labels and light grid; the axis of iterations is labelled on the lowest panel."""
    axes.set_ylabel(ylabel)
    axes.set_title(title, loc="left", fontsize=10)
    axes.grid(color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if last:
        axes.set_xlabel("PPO iteration")


def legend_beside(axes: Axes) -> None:
    """Right of the data, first entry on top."""
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles, labels, loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=9)


def nothing(axes: Axes, sentence: str) -> None:
    """Say why a panel is empty."""
    axes.text(0.5, 0.5, sentence, transform=axes.transAxes, ha="center", va="center", color="#555555")


def save(figure: Figure, path: Path) -> Path:
    """Write a PNG."""
    with rc_context({"font.size": 9}):
        figure.savefig(path, dpi=_DPI)
    return path
