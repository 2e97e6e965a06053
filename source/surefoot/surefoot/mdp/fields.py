"""The one list of what a term may read.

Frames: `_w` world, `_b` base link (x forward, y left, z up), `_yaw` world rotated about z to the heading of the base.
Quaternions are (w, x, y, z). Joints, actions and feet come in the robot definition's order. SI units.
`num_joints`, `num_feet` and `num_actions` are the robot's, `num_rays` the height scan's; the leading dimension num_envs
is left out. The ground is looked up vertically under a point.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from surefoot.errors import unknown_name
from surefoot.manifest.robot import Robot


@dataclass(frozen=True)
class Field:
    """One readable quantity."""

    name: str
    shape: tuple[str | int, ...]
    unit: str
    frame: str
    on_hardware: bool
    """Whether a real robot of this kind can measure it, or its controller knows it."""
    meaning: str
    contact_group: Literal["feet", "base", "limbs"] | None = None
    """Part of the robot that must be able to touch the ground for the field to mean anything."""

    def size(self, robot: Robot, num_rays: int = 0) -> int:
        """Numbers per environment."""
        total = 1
        for dim in self.concrete_shape(robot, num_rays):
            total *= dim
        return total

    def concrete_shape(self, robot: Robot, num_rays: int = 0) -> tuple[int, ...]:
        """Shape for one robot and one height scan, without num_envs."""
        sizes = {
            "num_joints": len(robot.joints),
            "num_actions": len(robot.joints),
            "num_feet": len(robot.feet),
            "num_rays": num_rays,
        }
        return tuple(sizes[dim] if isinstance(dim, str) else dim for dim in self.shape)


_ALL = (
    # What the controller itself knows.
    Field("command", (3,), "m/s, m/s, rad/s", "yaw", True, "commanded vx, vy and yaw rate"),
    Field("is_moving", (), "bool", "-", True, "whether the command asks for motion"),
    Field("action", ("num_actions",), "-", "-", True, "action of this step, clipped, before scale"),
    Field("prev_action", ("num_actions",), "-", "-", True, "action of the step before"),
    Field("prev_prev_action", ("num_actions",), "-", "-", True, "action two steps before"),
    Field("foot_phase", ("num_feet",), "fraction", "-", True, "reference gait: 0 to 0.5 swing, 0.5 to 1 stance"),
    Field("foot_height_target", ("num_feet",), "m", "world", True, "reference gait: height of each foot over ground"),
    Field("episode_step", (), "steps", "-", True, "control steps since the reset, this one included"),
    # What sensors measure.
    Field("base_ang_vel_b", (3,), "rad/s", "base", True, "angular velocity of the base (gyro)"),
    Field("projected_gravity_b", (3,), "-", "base", True, "unit vector of gravity (from the IMU's orientation)"),
    Field("imu_lin_acc_b", (3,), "m/s^2", "base", True, "specific force at robot.imu_site: +g upwards at rest"),
    Field("joint_pos", ("num_joints",), "rad", "-", True, "joint positions"),
    Field("joint_pos_rel", ("num_joints",), "rad", "-", True, "joint positions minus the default pose"),
    Field("joint_vel", ("num_joints",), "rad/s", "-", True, "joint velocities"),
    Field("joint_torque", ("num_joints",), "N m", "-", True, "torque of the motors on the joints"),
    # What only a simulator knows.
    Field("base_pos_w", (3,), "m", "world", False, "position of the base origin"),
    Field("base_quat_w", (4,), "-", "world", False, "orientation of the base, w x y z"),
    Field("base_lin_vel_b", (3,), "m/s", "base", False, "linear velocity of the base origin"),
    Field("base_lin_vel_w", (3,), "m/s", "world", False, "linear velocity of the base origin"),
    Field("base_lin_vel_yaw", (3,), "m/s", "yaw", False, "linear velocity of the base origin"),
    Field("base_ang_vel_w", (3,), "rad/s", "world", False, "angular velocity of the base"),
    Field("base_height", (), "m", "world", False, "height of the base origin over the ground"),
    Field("height_scan", ("num_rays",), "m", "yaw", False, "height of the base origin over the scanned points"),
    Field("distance_to_tile_edge", (), "m", "world", False, "from the base to its tile's nearest edge; inf on a plane"),
    Field("distance_from_origin", (), "m", "world", False, "horizontal distance from the environment's origin"),
    Field("joint_acc", ("num_joints",), "rad/s^2", "-", False, "change of joint velocity over one control step"),
    Field("foot_pos_w", ("num_feet", 3), "m", "world", False, "position of the feet"),
    Field("foot_vel_w", ("num_feet", 3), "m/s", "world", False, "linear velocity of the feet"),
    Field("foot_height", ("num_feet",), "m", "world", False, "clearance of the sole over the ground"),
    Field("foot_in_contact", ("num_feet",), "bool", "-", False, "whether the foot touches the ground", "feet"),
    Field("foot_force_w", ("num_feet", 3), "N", "world", False, "force of the ground on the foot", "feet"),
    Field("foot_air_time", ("num_feet",), "s", "-", False, "time since it left the ground, 0 in contact", "feet"),
    Field("foot_last_air_time", ("num_feet",), "s", "-", False, "length of the swing that ended last", "feet"),
    Field("foot_touchdown", ("num_feet",), "bool", "-", False, "whether it landed in this control step", "feet"),
    Field("base_in_contact", (), "bool", "-", False, "whether trunk or head touch the ground", "base"),
    Field("limbs_in_contact", (), "count", "-", False, "leg geometries other than feet on the ground", "limbs"),
)

FIELDS: dict[str, Field] = {field.name: field for field in _ALL}

_CONSTANTS = (
    Field("joint_names", ("num_joints",), "-", "-", True, "names of the joints"),
    Field("default_joint_pos", ("num_joints",), "rad", "-", True, "the default pose"),
    Field("soft_joint_lower", ("num_joints",), "rad", "-", True, "lower soft limits"),
    Field("soft_joint_upper", ("num_joints",), "rad", "-", True, "upper soft limits"),
    Field("effort_limit", ("num_joints",), "N m", "-", True, "torque limits"),
    Field("step_dt", (), "s", "-", True, "control step"),
    Field("max_episode_steps", (), "steps", "-", True, "control steps in a full episode"),
)

CONSTANTS: dict[str, Field] = {field.name: field for field in _CONSTANTS}
"""Fields without a num_envs dimension; `joint_names` is a tuple, `step_dt` and `max_episode_steps` plain numbers."""

READABLE: dict[str, Field] = FIELDS | CONSTANTS


def field(name: str) -> Field:
    """Look a field up; an unknown name is refused with the nearest one."""
    if name not in READABLE:
        raise unknown_name("RobotState field", name, READABLE)
    return READABLE[name]


_CONTROLLER = {
    "command", "is_moving", "action", "prev_action", "prev_prev_action", "foot_phase", "foot_height_target",
    "episode_step",
}  # fmt: skip
"""Fields that the controller knows without a sensor."""


def feels_contact(field: Field) -> bool:
    """Whether the present contact forces change a field, and not only where the robot goes."""
    return field.contact_group is not None or field.name == "imu_lin_acc_b"


def reads_sensor(names: Iterable[str]) -> bool:
    """Whether any of these fields comes from outside the controller."""
    return any(name in FIELDS and name not in _CONTROLLER for name in names)
