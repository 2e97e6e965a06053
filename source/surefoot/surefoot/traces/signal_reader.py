"""From a profile's entry for a signal to its array: which fields are asked for, and how they are put together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surefoot.errors import TraceError
from surefoot.traces import rotation
from surefoot.traces.joint_orders import JointOrders
from surefoot.traces.profile import ImportProfile, SignalSource
from surefoot.traces.signals import SIGNALS
from surefoot.traces.sources import Request
from surefoot.traces.units import factor

FloatArray = NDArray[np.float64]
_SENTINEL_TOLERANCE = 1e-6


@dataclass(frozen=True)
class SignalReader:
    """How one signal is read.

    Attributes:
        requests: Fields to ask the source for.
        elements: For an array: which elements, in the order of the trace's components.
        factor: Number in the log to SI.
    """

    name: str
    source: SignalSource
    requests: tuple[Request, ...]
    elements: tuple[int, ...] | None
    factor: float
    sentinels: tuple[float, ...]
    where: str

    def read(self, values: Mapping[str, FloatArray]) -> FloatArray:
        """The signal in SI units, components in the trace's order, sentinels as NaN.

        Raises:
            TraceError: An array that is too short.
        """
        if self.elements is None:
            raw = np.stack([values[request.field] for request in self.requests], axis=1)
        else:
            array = values[self.requests[0].field]
            # One component needs no second axis in a file.
            array = array[:, None] if array.ndim == 1 else array
            if array.ndim != 2 or array.shape[1] <= max(self.elements):
                raise TraceError(
                    f"{self.where}: {self.requests[0].field} has shape {array.shape[1:]}, signal {self.name!r} needs "
                    f"{max(self.elements) + 1} elements."
                )
            raw = array[:, list(self.elements)]
        missing = np.zeros(raw.shape, bool)
        for sentinel in self.sentinels:
            # Before conversion, as profiles name them.
            missing |= np.abs(raw - sentinel) <= _SENTINEL_TOLERANCE * abs(sentinel)
        out = np.where(missing, np.nan, raw * self.factor)
        # Angles are in rad by now: the factor of degrees is in `scale`.
        return rotation.from_rpy(out) if self.source.convert == "rpy" else out


def signal_reader(
    name: str, source: SignalSource, profile: ImportProfile, orders: JointOrders, where: str
) -> SignalReader:
    """Work out how a signal is read.

    Raises:
        UnknownName, TraceError: Unknown joint orders, or other joints than the trace's.
    """
    joints = orders.get(profile.joints).joints
    signal = SIGNALS[name]
    # Names as the log writes them; the trace has its own order of the same joints.
    parts = list(signal.components([joint.removesuffix(profile.joint_suffix) for joint in joints], profile.feet))
    if source.convert == "rpy":
        parts, scale = ["roll", "pitch", "yaw"], source.scale * (np.pi / 180 if source.unit == "deg" else 1.0)
    else:
        scale = source.scale * (1.0 if source.unit == "raw" else factor(signal, source.unit))
    made = _requests(source, parts, where)
    elements: tuple[int, ...] | None = None
    if made is None:
        assert isinstance(source.field, str)
        elements = tuple(range(len(parts)))
        if source.order is not None:
            elements = tuple(orders.indices(source.order, profile.joints))
        made = (Request(source.field, source.names, tuple(parts) if source.names else ()),)
    return SignalReader(name, source, made, elements, scale, profile.sentinels, where)


def _requests(source: SignalSource, parts: Sequence[str], where: str) -> tuple[Request, ...] | None:
    """One column for each component, or None for an array."""
    if isinstance(source.field, str):
        if "{" not in source.field:
            return None
        return tuple(Request(_fill(source.field, part)) for part in parts)
    if len(source.field) != len(parts):
        raise TraceError(f"{where}: expected {len(parts)} columns ({', '.join(parts)}), got {len(source.field)}.")
    return tuple(Request(field) for field in source.field)


def _fill(pattern: str, part: str) -> str:
    for key in ("{joint}", "{foot}", "{axis}"):
        pattern = pattern.replace(key, part)
    return pattern


def apply_mount(profile: ImportProfile, signals: dict[str, FloatArray]) -> None:
    """Turn the pose and velocity of a motion-capture body into those of the base, in place."""
    mount = profile.mount
    if mount is None or "base_quat_w" not in signals:
        return
    # From base to captured body, which is the mount's inverse, and from there to the world.
    quat = rotation.multiply(signals["base_quat_w"], rotation.conjugate(np.array(mount.quat)))
    signals["base_quat_w"] = quat
    lever = rotation.rotate(quat, np.array(mount.pos))
    if "base_pos_w" in signals:
        signals["base_pos_w"] = signals["base_pos_w"] - lever
    if "base_lin_vel_w" in signals and "gyro" in signals:
        # A point off the origin of a turning body moves by omega x lever.
        turn = np.cross(rotation.rotate(quat, signals["gyro"]), lever)
        signals["base_lin_vel_w"] = signals["base_lin_vel_w"] - turn
