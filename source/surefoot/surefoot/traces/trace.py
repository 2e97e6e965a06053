"""A trace in memory: stamps and signals as arrays, joints and feet by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from surefoot.errors import TraceError, did_you_mean
from surefoot.traces.header import TraceHeader
from surefoot.traces.signals import SIGNALS, signal

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Trace:
    """A log on one time base.

    Attributes:
        stamp: ns, rising strictly. Shape (num_samples,).
        signals: By name, SI units, NaN where a sample is missing. Shape (num_samples, num_components).
        path: The file, for messages.
    """

    header: TraceHeader
    stamp: NDArray[np.int64]
    signals: Mapping[str, FloatArray]
    path: Path = Path("trace")

    @property
    def time(self) -> FloatArray:
        """s since the first sample. Shape (num_samples,)."""
        return (self.stamp - self.stamp[0]) * 1e-9 if len(self.stamp) else np.zeros(0)

    @property
    def step(self) -> float:
        """s, median step of the stamps."""
        return float(np.median(np.diff(self.stamp))) * 1e-9 if len(self.stamp) > 1 else 0.0

    def has(self, *names: str) -> bool:
        """Whether the trace holds all of these signals."""
        return all(signal(name).name in self.signals for name in names)

    def require(self, *names: str, purpose: str) -> None:
        """Check that the trace holds all of these signals.

        Raises:
            TraceError: With the missing ones, and those that are there.
        """
        missing = [name for name in names if not self.has(name)]
        if missing:
            raise TraceError(
                f"{self.path}: {purpose} needs {', '.join(names)}; missing: {', '.join(missing)}. "
                f"The trace holds: {', '.join(self.signals)}."
            )

    def get(self, name: str, order: Sequence[str] | None = None) -> FloatArray:
        """A signal, its joints or feet in an order of the caller's.

        Args:
            name: Of the signal.
            order: Names of joints or feet; default: the order of the file.

        Raises:
            TraceError: The signal is absent, or a joint or foot is.
        """
        self.require(name, purpose=f"reading {name}")
        values = self.signals[name]
        if order is None:
            return values
        return values[:, self.indices(name, order)]

    def indices(self, name: str, order: Sequence[str]) -> list[int]:
        """Where the named joints or feet stand among a signal's components.

        Raises:
            TraceError: One is absent; with the nearest name.
        """
        known = SIGNALS[name].components(self.header.joints, self.header.feet)
        for wanted in order:
            if wanted not in known:
                raise TraceError(
                    f"{self.path}: {SIGNALS[name].along} {wanted!r} is not in this trace of {self.header.robot!r}. "
                    f"{did_you_mean(wanted, known)}"
                )
        return [known.index(wanted) for wanted in order]

    def require_robot(self, robot: str) -> None:
        """Check which robot the trace is of.

        Raises:
            TraceError: Of another one.
        """
        if self.header.robot != robot:
            raise TraceError(
                f"{self.path}: a trace of robot {self.header.robot!r}, but the task is for {robot!r}. "
                "Take a task for that robot."
            )

    def slice(self, start: float, end: float) -> "Trace":
        """The samples with start <= time < end, s since the first sample."""
        time = self.time
        # The left side of both: start is inside, end is not.
        chosen = slice(*np.searchsorted(time, [start, end]))
        return Trace(self.header, self.stamp[chosen], {k: v[chosen] for k, v in self.signals.items()}, self.path)
