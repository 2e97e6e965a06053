"""Rows of a record made ready to be drawn: binned over iterations, small series merged."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from surefoot.audit.record.record_file import RecordTable

Floats = NDArray[np.floating]

MOST_COLUMNS = 200
"""Bins along the axis of iterations: more cannot be told apart in a picture."""


def edges(table: RecordTable, most: int = MOST_COLUMNS) -> Floats:
    """Edges of equal bins over the record's iterations, at least one iteration wide. Shape (num_bins + 1,)."""
    first, last = int(table.iteration[0]), int(table.iteration[-1])
    width = -(-(last - first + 1) // most)
    return np.arange(first - 0.5, last + width, width)


def binned_mean(table: RecordTable, values: Floats, bins: Floats) -> Floats:
    """Mean of the finite values of each bin, NaN where there are none.

    Args:
        table: Gives the iterations.
        values: Shape (num_rows, ...).
        bins: Edges. Shape (num_bins + 1,).

    Returns:
        Shape (num_bins, ...).
    """
    finite = np.isfinite(values)
    total = binned_sum(table, np.where(finite, values, 0.0), bins)
    count = binned_sum(table, finite.astype(float), bins)
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def binned_sum(table: RecordTable, values: Floats, bins: Floats) -> Floats:
    """Sum of the finite values of each bin. Shape (num_bins, ...)."""
    out = np.zeros((len(bins) - 1, *values.shape[1:]))
    np.add.at(out, np.searchsorted(bins, table.iteration) - 1, np.where(np.isfinite(values), values, 0.0))
    return out


def stepped(values: Floats) -> Floats:
    """A value for each edge, for `step="post"`: the last bin keeps its width. Shape (num_bins + 1, ...)."""
    return np.concatenate([values, values[-1:]])


def merge_small(values: Floats, names: Sequence[str], most: int) -> tuple[Floats, list[str]]:
    """The largest columns, largest first, and the sum of the others as the last one.

    Args:
        values: Shape (num_bins, num_names).
        names: Of the columns.
        most: Columns that may be left.

    Returns:
        Columns and their names.
    """
    size = np.nansum(np.abs(values), axis=0)
    order = [int(i) for i in np.argsort(-size, kind="stable") if size[i] > 0]
    if len(order) <= most:
        return values[:, order], [names[i] for i in order]
    shown, rest = order[: most - 1], order[most - 1 :]
    others = np.nansum(values[:, rest], axis=1, keepdims=True)
    return np.concatenate([values[:, shown], others], axis=1), [*(names[i] for i in shown), f"{len(rest)} others"]
