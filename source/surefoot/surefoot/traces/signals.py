"""The signals that a trace may hold: components, unit, frame. One list for importers, files and replay.

Frames: `_w` world (z up, yaw arbitrary unless the source says otherwise), `_b` base. Quaternions are (w, x, y, z) and
turn vectors of the base frame into the world frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from surefoot.errors import unknown_name

Along = Literal["joint", "foot", "wxyz", "xyz", "command"]
"""What the components of a signal are named after."""

_FIXED: dict[Along, tuple[str, ...]] = {
    "wxyz": ("w", "x", "y", "z"),
    "xyz": ("x", "y", "z"),
    "command": ("lin_vel_x", "lin_vel_y", "ang_vel_z"),
}


@dataclass(frozen=True)
class Signal:
    """One physical quantity of a trace.

    Attributes:
        along: One component for each joint, foot, axis or command dimension.
        unit: SI; `1` for a quaternion, `counts` for an uncalibrated sensor, `0/1` for a flag.
        bound: Largest absolute value that a legged robot can show in this unit; beyond it the unit is wrong.
    """

    name: str
    along: Along
    unit: str
    definition: str
    bound: float

    def components(self, joints: Sequence[str], feet: Sequence[str]) -> tuple[str, ...]:
        """Names of the components, in the order of a trace's arrays."""
        if self.along == "joint":
            return tuple(joints)
        return tuple(feet) if self.along == "foot" else _FIXED[self.along]

    def columns(self, joints: Sequence[str], feet: Sequence[str]) -> tuple[str, ...]:
        """Names of the file's columns: `signal/component`."""
        return tuple(f"{self.name}/{part}" for part in self.components(joints, feet))


# Bounds: no joint of a robot of this class passes 2 turns, 100 rad/s or 1 kN m; a base in a building stays below 10 km
# of its origin, 20 m/s and 50 rad/s; accelerometers of such robots end at 16 g or 32 g.
SIGNALS: dict[str, Signal] = {
    signal.name: signal
    for signal in (
        Signal("q", "joint", "rad", "joint position", 12.6),
        Signal("dq", "joint", "rad/s", "joint velocity", 100.0),
        Signal("tau", "joint", "N m", "joint torque; whether measured or computed says its origin", 1000.0),
        Signal("q_des", "joint", "rad", "target of the motor's position loop", 12.6),
        Signal("dq_des", "joint", "rad/s", "target of the motor's velocity loop", 100.0),
        Signal("kp", "joint", "N m/rad", "position gain sent to the motor", 5000.0),
        Signal("kd", "joint", "N m s/rad", "velocity gain sent to the motor", 500.0),
        Signal("tau_ff", "joint", "N m", "torque sent to the motor beside the gains", 1000.0),
        Signal("imu_quat", "wxyz", "1", "orientation of the base from the IMU, yaw arbitrary", 1.01),
        Signal("gyro", "xyz", "rad/s", "angular velocity, base frame", 50.0),
        Signal("acc", "xyz", "m/s^2", "specific force, base frame: +9.81 on z at rest and level", 320.0),
        Signal("foot_force", "foot", "counts", "foot sensor, uncalibrated", 1e5),
        Signal("foot_contact", "foot", "0/1", "foot on the ground, as the robot's own software says", 1.0),
        Signal("base_pos_w", "xyz", "m", "base origin, world frame", 1e4),
        Signal("base_quat_w", "wxyz", "1", "orientation of the base, world frame", 1.01),
        Signal("base_lin_vel_w", "xyz", "m/s", "velocity of the base origin, world frame", 20.0),
        Signal("base_ang_vel_w", "xyz", "rad/s", "angular velocity of the base, world frame", 50.0),
        Signal("command", "command", "m/s, rad/s", "velocity command: forward, left, yaw rate; base yaw frame", 20.0),
    )
}


def signal(name: str) -> Signal:
    """Look a signal up.

    Raises:
        UnknownName: With the nearest name.
    """
    if name not in SIGNALS:
        raise unknown_name("Signal", name, SIGNALS)
    return SIGNALS[name]
