"""Whether signals agree with each other: rates with the changes of what they are rates of, down with gravity.

A wrong unit, sign, order of joints or order of a quaternion passes every bound, and shows here. Works on a stream of
batches. Nothing is said of a log in which the two have little in common: noise, or too few samples for its motion.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from surefoot.traces import rotation
from surefoot.traces.header import TraceFinding

FloatArray = NDArray[np.float64]
_ALIKE = 0.8
"""Correlation from which on two signals show the same motion."""
_UNLIKE = 0.5
"""Correlation up to which a signal is not the rate of its own position, if it is that of another one."""
_FACTOR = 3.0
"""A rate that is more than so many times as large or small as the change has another unit."""
_SPAN = 2e7
"""ns over which changes are taken: the stamps of single samples are jittery."""
_ENOUGH = 50
"""Samples."""
_GRAVITY = (5.0, 20.0)
"""m/s^2, mean size of the specific force on a legged robot."""


@dataclass
class _Pair:
    """Running sums of a rate and of the change of what it is a rate of.

    Attributes:
        cross: Of each change with each rate. Shape (n, n).
        change: Squares. Shape (n,).
        rate: Squares. Shape (n,).
    """

    size: int
    count: int = 0
    cross: FloatArray = field(init=False)
    change: FloatArray = field(init=False)
    rate: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        self.cross, self.change, self.rate = np.zeros((self.size,) * 2), np.zeros(self.size), np.zeros(self.size)

    def add(self, change: FloatArray, rate: FloatArray) -> None:
        # Whole rows: a component that is missing would count in one sum and not in the others.
        good = np.isfinite(change).all(axis=1) & np.isfinite(rate).all(axis=1)
        change, rate = change[good], rate[good]
        self.cross += change.T @ rate
        self.change += (change**2).sum(axis=0)
        self.rate += (rate**2).sum(axis=0)
        self.count += len(change)

    @property
    def alike(self) -> float:
        """Correlation about zero, over all components in their order."""
        # About zero, not about the mean: a rate that is off by a constant is not that rate.
        norm = float(np.sqrt(self.change.sum() * self.rate.sum()))
        return float(np.trace(self.cross)) / norm if norm > 0 and self.count >= _ENOUGH else 0.0

    @property
    def slope(self) -> float:
        """The rate over the change."""
        return float(np.trace(self.cross) / self.change.sum())

    def others(self) -> list[tuple[int, int]]:
        """Components whose rate is that of another one: (change, rate)."""
        norm = np.sqrt(np.outer(self.change, self.rate))
        if self.count < _ENOUGH or not (norm > 0).all():
            return []
        each = self.cross / norm
        # Signed: another component with the wrong sign is no proof of a wrong order.
        best = each.argmax(axis=0)
        return [
            (int(at), column)
            for column, at in enumerate(best)
            if at != column and each[at, column] > _ALIKE and each[column, column] < _UNLIKE
        ]


class Agreement:
    """Watches the merged signals.

    Args:
        source: For messages.
        columns: Names of each signal's components.
    """

    def __init__(self, source: str, columns: Mapping[str, Sequence[str]]) -> None:
        self._source, self._columns = source, columns
        self._joints = _Pair(len(columns["q"])) if {"q", "dq"} <= set(columns) else None
        both = {"imu_quat", "gyro"} <= set(columns)
        self._turning = (_Pair(3), _Pair(3)) if both else None
        self._up, self._size, self._count = np.zeros(3), 0.0, 0

    def add(self, stamp: NDArray[np.int64], signals: Mapping[str, FloatArray]) -> None:
        """Watch a batch.

        Args:
            stamp: ns. Shape (num_samples,).
            signals: SI units. Shape (num_samples, num_components).
        """
        # At least one step, however slow the log.
        span = max(1, round(_SPAN / float(np.median(np.diff(stamp))))) if len(stamp) > 1 else 1
        if len(stamp) > span:
            seconds = (stamp[span:] - stamp[:-span])[:, None] * 1e-9
            if self._joints is not None:
                change = (signals["q"][span:] - signals["q"][:-span]) / seconds
                self._joints.add(change, _mean(signals["dq"], span))
            if self._turning is not None:
                # Read as the profile says, and as if the file had x, y, z, w.
                for pair, order in zip(self._turning, ([0, 1, 2, 3], [3, 0, 1, 2]), strict=True):
                    change = _turned(signals["imu_quat"][:, order], span) / seconds
                    pair.add(change, _mean(signals["gyro"], span))
        if "acc" in signals:
            force = signals["acc"]
            # Without an orientation only the size of the force can be judged.
            turned = rotation.rotate(signals["imu_quat"], force) if "imu_quat" in signals else np.zeros_like(force)
            good = np.isfinite(force).all(axis=1) & np.isfinite(turned).all(axis=1)
            self._up += turned[good].sum(axis=0)
            self._size += float(np.linalg.norm(force[good], axis=1).sum())
            self._count += int(good.sum())

    def findings(self) -> list[TraceFinding]:
        """Everything found."""
        out = self._of_rate("dq", "q", self._joints) if self._joints is not None else []
        if self._turning is not None:
            told, swapped = self._turning
            if swapped.alike > _ALIKE and told.alike < _UNLIKE:
                text = "turns with the gyro if it is read as x, y, z, w; the profile reads w, x, y, z"
                out.append(self._finding("imu_quat", text, told.count))
            else:
                out += self._of_rate("gyro", "imu_quat", told)
        return out + self._of_force()

    def _of_rate(self, name: str, position: str, pair: _Pair) -> list[TraceFinding]:
        if abs(pair.alike) > _ALIKE:
            slope = pair.slope
            if 1 / _FACTOR < slope < _FACTOR:
                return []
            text = f"{slope:.3g} times the rate at which {position} changes: " + (
                "wrong sign" if slope < 0 else "wrong unit"
            )
            return [self._finding(name, text, pair.count)]
        if not (others := pair.others()):
            return []
        change, rate = others[0]
        parts = [list(self._columns[name])[rate], list(self._columns[name])[change]]
        text = f"{parts[0]} is the rate of another component, that of {parts[1]}; in which order is each?"
        return [self._finding(name, text, len(others), parts[0])]

    def _of_force(self) -> list[TraceFinding]:
        if self._count < _ENOUGH:
            return []
        size, up = self._size / self._count, float(self._up[2]) / self._count
        if not _GRAVITY[0] < size < _GRAVITY[1]:
            return [
                self._finding("acc", f"{size:.3g} m/s^2 in the mean; a robot on the ground shows 9.81", self._count)
            ]
        if up < -_GRAVITY[0]:
            text = (
                f"{up:.3g} m/s^2 along the vertical of imu_quat; specific force points up (+9.81) where a robot rests"
            )
            return [self._finding("acc", text, self._count)]
        return []

    def _finding(self, name: str, text: str, count: int, column: str = "") -> TraceFinding:
        column = column or name
        return TraceFinding(
            kind="units", severity="refusal", message=text, source=self._source, column=column, count=count
        )


def _turned(quat: FloatArray, span: int) -> FloatArray:
    """Angle turned from each sample to a later one, body axes, rad. Shape (n - span, 3)."""
    turn = rotation.multiply(rotation.conjugate(quat[:-span]), quat[span:])
    # q and -q are one rotation; of a small turn the vector part is half the angle.
    return 2.0 * np.where(turn[:, :1] < 0, -turn, turn)[:, 1:]


def _mean(values: FloatArray, span: int) -> FloatArray:
    """Mean from each sample to a later one, as the area under straight lines. Shape (n - span, c)."""
    steps = 0.5 * (values[1:] + values[:-1])
    return np.lib.stride_tricks.sliding_window_view(steps, span, axis=0).mean(axis=-1)
