"""What every reader yields: samples of one topic, before any conversion."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surefoot.errors import TraceError
from surefoot.traces.units import STAMP_NS

BATCH_ROWS = 16_384


@dataclass(frozen=True)
class Request:
    """One column, array or message field.

    Attributes:
        names: Message field with the names of the array's elements.
        wanted: Those names, in the order in which the elements shall come.
    """

    field: str
    names: str | None = None
    wanted: tuple[str, ...] = ()


@dataclass(frozen=True)
class RawBatch:
    """Consecutive samples of one topic.

    Attributes:
        row: Of the first sample, from 0.
        stamp: ns. Shape (num_samples,).
        values: By field. Shape (num_samples,) or (num_samples, num_elements).
        check: The second clock, ns, where the profile names one. Shape (num_samples,).
    """

    row: int
    stamp: NDArray[np.int64]
    values: Mapping[str, NDArray[np.float64]]
    check: NDArray[np.int64] | None = None


def to_ns(values: NDArray[Any], unit: str, where: str) -> NDArray[np.int64]:
    """Stamps as integer ns; of seconds in double precision since 1970 the last 120 ns are lost.

    Raises:
        TraceError: Missing, not finite or out of range; with the row.
    """
    factor = STAMP_NS[unit]
    if np.issubdtype(values.dtype, np.integer):
        if len(values) and int(np.abs(values).max()) > 2**63 // factor - 1:
            raise TraceError(f"{where}: stamps out of range; are they in {unit}?")
        return values.astype(np.int64) * factor
    bad = ~np.isfinite(values) | (np.abs(values) * factor >= 2**63)
    if bad.any():
        row = int(np.argmax(bad))
        raise TraceError(f"{where}, row {row + 1}: a stamp in {unit} cannot be {values[row]!r}.")
    # Whole units apart, so that the product with the factor does not round a second time.
    whole = np.floor(values)
    return whole.astype(np.int64) * factor + np.rint((values - whole) * factor).astype(np.int64)
