"""What is wrong with the numbers of a trace: units, norms, frozen sensors. Works on a stream of batches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from surefoot.traces import rotation
from surefoot.traces.header import TraceFinding
from surefoot.traces.signals import SIGNALS

FloatArray = NDArray[np.float64]
_WRONG_UNIT = 0.01
"""Share of samples beyond a bound from which the unit is wrong; fewer are outliers."""
_NORM = 0.01
_FROZEN = 0.2
"""s; encoders of a standing robot still flicker."""
_TILT_DEG = 3.0


@dataclass
class _Beyond:
    row: int
    column: str
    value: float
    count: int = 0


@dataclass
class QualityLog:
    """Watches the merged signals.

    Attributes:
        source: For messages.
        columns: Names of each signal's components.
        joint_limit: rad; positions beyond it mean a wrong unit.
    """

    source: str
    columns: Mapping[str, Sequence[str]]
    joint_limit: float
    samples: int = 0
    _beyond: dict[str, _Beyond] = field(default_factory=dict[str, _Beyond])
    _norm: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    _held: tuple[int, int, FloatArray] | None = None
    _frozen: list[tuple[int, float]] = field(default_factory=list[tuple[int, float]])
    _gravity: FloatArray = field(default_factory=lambda: np.zeros((2, 3)))

    def add(self, rows: NDArray[np.int64], stamp: NDArray[np.int64], signals: Mapping[str, FloatArray]) -> None:
        """Watch a batch.

        Args:
            rows: Of each sample in the base topic, from 0. Shape (num_samples,).
            stamp: ns. Shape (num_samples,).
            signals: SI units. Shape (num_samples, num_components).
        """
        for name, values in signals.items():
            self._check_bound(name, values, rows)
            if SIGNALS[name].along == "wxyz":
                wrong = np.abs(np.linalg.norm(values, axis=1) - 1) > _NORM
                if wrong.any():
                    first, count = self._norm.get(name, (int(rows[np.argmax(wrong)]), 0))
                    self._norm[name] = (first, count + int(wrong.sum()))
        if "q" in signals and "dq" in signals:
            self._check_frozen(np.concatenate([signals["q"], signals["dq"]], axis=1), rows, stamp)
        if "imu_quat" in signals and "base_quat_w" in signals:
            pair = [rotation.gravity_b(signals[name]) for name in ("imu_quat", "base_quat_w")]
            good = np.isfinite(pair[0]).all(axis=1) & np.isfinite(pair[1]).all(axis=1)
            # Sums over the log: while a robot walks, single samples disagree.
            self._gravity += np.stack([part[good].sum(axis=0) for part in pair])
        self.samples += len(stamp)

    def _check_bound(self, name: str, values: FloatArray, rows: NDArray[np.int64]) -> None:
        bound = self.joint_limit if name in ("q", "q_des") else SIGNALS[name].bound
        # Comparing with NaN is false, and a missing sample is no finding.
        with np.errstate(invalid="ignore"):
            beyond = np.abs(values) > bound
        if not beyond.any():
            return
        hit = beyond.any(axis=1)
        if name not in self._beyond:
            at = int(np.argmax(hit))
            part = int(np.argmax(beyond[at]))
            self._beyond[name] = _Beyond(int(rows[at]), self.columns[name][part], float(values[at, part]))
        self._beyond[name].count += int(hit.sum())

    def _check_frozen(self, values: FloatArray, rows: NDArray[np.int64], stamp: NDArray[np.int64]) -> None:
        """Stretches in which no position and no velocity changes at all."""
        previous = values[:1] if self._held is None else self._held[2][None]
        # Exactly equal: real encoders flicker in the last bit.
        same = (np.concatenate([previous, values[:-1]]) == values).all(axis=1)
        row, begin = (int(rows[0]), int(stamp[0])) if self._held is None else self._held[:2]
        # np.diff of the flags finds the ends; a stretch that goes on is kept for the next batch.
        ends = np.flatnonzero(~same)
        starts = np.concatenate([[-1], ends])
        for start, end in zip(starts, ends, strict=False):
            if start >= 0:
                row, begin = int(rows[start]), int(stamp[start])
            last = int(stamp[end - 1]) if end > 0 else begin
            if (last - begin) * 1e-9 > _FROZEN:
                self._frozen.append((row, (last - begin) * 1e-9))
        if len(ends):
            row, begin = int(rows[ends[-1]]), int(stamp[ends[-1]])
        self._held = (row, begin, values[-1].copy())

    def findings(self) -> list[TraceFinding]:
        """Everything found."""
        out = [self._unit_finding(name, beyond) for name, beyond in self._beyond.items()]
        for name, (row, count) in self._norm.items():
            text = f"{name} is no unit quaternion within {_NORM:g}"
            severity = "refusal" if count > _WRONG_UNIT * self.samples else "warning"
            out.append(self._finding("norm", severity, name, row, count, text))
        if self._frozen:
            row, longest = self._frozen[0][0], max(length for _, length in self._frozen)
            text = f"no joint changes at all, up to {longest:.3g} s: repeated messages"
            out.append(self._finding("frozen", "warning", "q", row, len(self._frozen), text))
        return out + self._tilt_finding()

    def _unit_finding(self, name: str, beyond: _Beyond) -> TraceFinding:
        signal = SIGNALS[name]
        bound = self.joint_limit if name in ("q", "q_des") else signal.bound
        text = f"{beyond.value:.6g} {signal.unit} in signal {name}, beyond any robot's {bound:g}"
        wrong = beyond.count > _WRONG_UNIT * self.samples
        if wrong:
            other = {"rad": "deg", "rad/s": "deg/s", "m": "mm", "m/s": "mm/s"}.get(signal.unit)
            text += f"; is the log in {other}?" if other else "; wrong unit?"
        return self._finding("units", "refusal" if wrong else "warning", beyond.column, beyond.row, beyond.count, text)

    def _tilt_finding(self) -> list[TraceFinding]:
        norms = np.linalg.norm(self._gravity, axis=1)
        # Too few samples, or directions that cancel, point nowhere.
        if norms.min() < 1:
            return []
        imu, base = self._gravity / norms[:, None]
        angle = float(np.rad2deg(np.arccos(np.clip(imu @ base, -1, 1))))
        if angle < _TILT_DEG:
            return []
        # Estimated: mean gravity of both; a turn about the vertical cannot be seen.
        quat = ", ".join(f"{part:.5f}" for part in rotation.between(base, imu))
        text = f"down differs by {angle:.1f} deg between base_quat_w and imu_quat; estimated mount.quat: [{quat}]"
        return [self._finding("offset", "warning", "base_quat_w", 0, self.samples, text)]

    def _finding(self, kind: str, severity: str, column: str, row: int, count: int, text: str) -> TraceFinding:
        return TraceFinding.model_validate(
            {
                "kind": kind, "severity": severity, "message": text, "source": self.source, "column": column,
                "row": row + 1, "count": count,
            }
        )  # fmt: skip
