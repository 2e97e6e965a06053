"""The motion of the base in a trace: as recorded where it was, and from the feet where it was not.

Axis letters: T samples, N environments.
"""

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from scipy.ndimage import median_filter
from torch import Tensor

from surefoot.engines.base import EngineEnv
from surefoot.engines.step import PhysicalState
from surefoot.errors import TraceError
from surefoot.mdp import frames
from surefoot.replay.windows import Windows, interpolated, interpolated_quat
from surefoot.traces import rotation
from surefoot.traces.trace import FloatArray, Trace

_STANCE = 0.003
"""m over the lowest foot; feet below are taken to stand."""
_SMOOTH = 0.06
"""s; velocities from the feet are medians over this, because feet slide as they land."""


@dataclass(frozen=True)
class BaseMotion:
    """Base of every sample, and where each part comes from.

    Attributes:
        pos_w: m. Shape (T, 3).
        quat_w: (w, x, y, z). Shape (T, 4).
        lin_vel_w: m/s. Shape (T, 3).
        ang_vel_b: rad/s, base frame. Shape (T, 3).
        sources: What each part was taken from, for the report.
        oriented: Whether the log has an orientation; otherwise the base is taken to be level.
    """

    pos_w: FloatArray
    quat_w: FloatArray
    lin_vel_w: FloatArray
    ang_vel_b: FloatArray
    sources: dict[str, str]
    oriented: bool = True


def base_motion(trace: Trace, env: EngineEnv, *, level: bool = False) -> BaseMotion:
    """The base's motion, with feet that touch the ground.

    Orientation: `base_quat_w` or `imu_quat`; where both are there, heading from the first and tilt from the second: a
    motion-capture rig is seldom level with the base, an IMU is. Angular velocity: `gyro`, else `base_ang_vel_w`.
    Height: recorded, but shifted as a whole so that the lowest foot's sole is on the ground in the median, and lifted
    in samples where it would be below (a simulated log is taken as it is); else such that the lowest sole is on the
    ground in every sample. Horizontal position and
    velocity: recorded; else from the feet that stand, which are taken not to slip.

    Args:
        trace: Needs q, dq and an orientation.
        env: For forward kinematics, any number of environments.
        level: Take the base of a log without orientation to be level and to keep its heading.

    Raises:
        TraceError: A signal is missing.
    """
    trace.require("q", "dq", purpose="replay")
    sources: dict[str, str] = {}
    quat = _orientation(trace, sources, level)
    ang_vel = _angular_velocity(trace, quat, sources)
    soles, foot_vel = _feet(trace, env, quat, ang_vel)
    lowest = soles.min(axis=1)
    if trace.has("base_pos_w"):
        pos = trace.signals["base_pos_w"].copy()
        sources["position"] = "base_pos_w"
        # A simulator's soles may be in the ground: its contacts give way.
        if trace.header.signals["base_pos_w"].origin != "simulated":
            shift = -float(np.nanmedian(pos[:, 2] + lowest))
            pos[:, 2] += shift
            # A sole that starts below the ground is pushed out by the first physics steps, which the robot was not.
            deep = np.maximum(-(pos[:, 2] + lowest), 0.0)
            pos[:, 2] += deep
            sources["position"] += (
                f", {shift * 1e3:+.0f} mm so that the lowest foot is on the ground (median), and lifted where it would "
                f"be below (95 %: {np.nanquantile(deep, 0.95) * 1e3:.0f} mm)"
            )
    else:
        pos = np.zeros((len(quat), 3))
        # Whatever the robot did: a log without a height cannot tell a jump from a stand.
        pos[:, 2] = -lowest
        sources["position"] = "height of the lowest foot"
    if trace.has("base_lin_vel_w"):
        lin_vel = trace.signals["base_lin_vel_w"]
        sources["velocity"] = "base_lin_vel_w"
    else:
        standing = (soles - lowest[:, None]) < _STANCE
        # A foot that does not slip moves relative to the base as the base moves over the ground, reversed.
        lin_vel = -(foot_vel * standing[..., None]).sum(axis=1) / standing.sum(axis=1)[:, None]
        # An odd number of samples, so that the median is one of them and not late.
        lin_vel = median_filter(lin_vel, size=(2 * round(0.5 * _SMOOTH / trace.step) + 1, 1), mode="nearest")
        sources["velocity"] = "feet that stand, taken not to slip"
        if not trace.has("base_pos_w"):
            step = np.diff(trace.time, prepend=0.0)[:, None]
            # A missing sample stands still instead of making all later ones missing.
            pos[:, :2] = np.nancumsum(lin_vel[:, :2] * step, axis=0)
    return BaseMotion(pos, quat, lin_vel, ang_vel, sources, oriented=trace.has("base_quat_w") or trace.has("imu_quat"))


def base_signals(trace: Trace) -> tuple[str, ...]:
    """Signals of a trace that the base's motion is taken from."""
    names = [name for name in ("base_quat_w", "imu_quat", "base_pos_w", "base_lin_vel_w") if trace.has(name)]
    # As `_angular_velocity` chooses: a gyro without a number is no gyro.
    turning = next((name for name in ("gyro", "base_ang_vel_w") if _recorded(trace, name)), None)
    return (*names, turning) if turning is not None else tuple(names)


def _recorded(trace: Trace, name: str) -> bool:
    return trace.has(name) and bool(np.isfinite(trace.signals[name]).any())


def _orientation(trace: Trace, sources: dict[str, str], level: bool) -> FloatArray:
    names = [name for name in ("base_quat_w", "imu_quat") if trace.has(name)]
    if not names and level:
        sources["orientation"] = "nothing: TAKEN to be level"
        return np.tile([1.0, 0.0, 0.0, 0.0], (len(trace.stamp), 1))
    if not names:
        raise TraceError(
            f"{trace.path}: replay needs the base's orientation: base_quat_w or imu_quat; neither is there."
        )
    quats = [trace.signals[name] / np.linalg.norm(trace.signals[name], axis=1, keepdims=True) for name in names]
    if len(quats) == 1:
        sources["orientation"] = names[0]
        return quats[0]
    sources["orientation"] = "heading from base_quat_w, tilt from imu_quat"
    # A turn about the vertical, from the left: it leaves the IMU's tilt as it is.
    half = 0.5 * (_yaw(quats[0]) - _yaw(quats[1]))
    zero = np.zeros_like(half)
    return rotation.multiply(np.stack([np.cos(half), zero, zero, np.sin(half)], axis=1), quats[1])


def _yaw(quat: FloatArray) -> FloatArray:
    w, x, y, z = quat.T
    return np.arctan2(2 * (x * y + w * z), 1 - 2 * (y * y + z * z))


def _angular_velocity(trace: Trace, quat: FloatArray, sources: dict[str, str]) -> FloatArray:
    if _recorded(trace, "gyro"):
        sources["angular velocity"] = "gyro"
        return trace.signals["gyro"]
    if _recorded(trace, "base_ang_vel_w"):
        sources["angular velocity"] = "base_ang_vel_w"
        return frames.rotate_inverse(torch.tensor(quat), torch.tensor(trace.signals["base_ang_vel_w"])).numpy()
    if not (trace.has("base_quat_w") or trace.has("imu_quat")):
        sources["angular velocity"] = "nothing: TAKEN to be zero"
        return np.zeros((len(quat), 3))
    sources["angular velocity"] = f"differences of {sources['orientation']}"
    return _differentiated(trace, quat)


def _differentiated(trace: Trace, quat: FloatArray) -> FloatArray:
    """Angular velocity in the base frame by central differences of the orientation."""
    index = np.arange(len(quat))
    # At the ends of the log differences are one-sided.
    before, after = np.maximum(index - 1, 0), np.minimum(index + 1, len(quat) - 1)
    turn = rotation.multiply(rotation.conjugate(quat[before]), quat[after])
    # q and -q are one rotation; this is the one by less than half a turn.
    turn = np.where(turn[:, :1] < 0, -turn, turn)
    # Of a small turn the vector part is half the angle.
    return 2.0 * turn[:, 1:] / (trace.time[after] - trace.time[before])[:, None]


def _feet(trace: Trace, env: EngineEnv, quat: FloatArray, ang_vel: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Heights of the soles over the base's origin and velocities of the feet relative to it, world axes."""
    joints = env.manifest.robot.joint_names
    q, dq = trace.get("q", joints), trace.get("dq", joints)
    count, size = len(q), env.num_envs
    soles, velocities = [], []
    everyone = torch.arange(size, device=env.device)
    origin = torch.zeros(size, 3, device=env.device)
    origin[:, 2] = 10.0  # nothing is touched there
    for first in range(0, count, size):
        # The last chunk is filled up with the last sample; what is too much is cut off below.
        rows = np.minimum(np.arange(first, first + size), count - 1)

        def chunk(values: FloatArray, rows: np.ndarray = rows) -> Tensor:
            # A simulator takes no NaN. Windows with missing samples are left out elsewhere.
            return torch.tensor(np.nan_to_num(values[rows]), dtype=torch.float32, device=env.device)

        env.write_state(
            everyone,
            PhysicalState(
                pos_w=origin,
                quat_w=chunk(quat),
                lin_vel_w=torch.zeros_like(origin),
                ang_vel_b=chunk(ang_vel),
                joint_pos=chunk(q),
                joint_vel=chunk(dq),
            ),
        )
        env.refresh(everyone)
        # Fields are cached until somebody says that the state has changed.
        env.robot_state.invalidate()
        height = cast("Tensor", env.robot_state.read("foot_height")) - 10.0
        soles.append(height.cpu().numpy()[: count - first])
        velocities.append(cast("Tensor", env.robot_state.read("foot_vel_w")).cpu().numpy()[: count - first])
    return np.concatenate(soles).astype(float), np.concatenate(velocities).astype(float)


class BaseTable:
    """The base at physics steps of each window. Shape (K, W, 3 or 4) each."""

    def __init__(self, trace: Trace, base: BaseMotion, windows: Windows, dt: float, count: int) -> None:
        def line(values: FloatArray) -> FloatArray:
            return interpolated(trace, windows, values, dt=dt, count=count)

        self.parts = {
            "pos_w": line(base.pos_w),
            "quat_w": interpolated_quat(trace, windows, base.quat_w, dt=dt, count=count),
            "lin_vel_w": line(base.lin_vel_w),
            "ang_vel_b": line(base.ang_vel_b),
        }
