"""The one table of metrics, each with a name, a version and one formula, and the formulas: pure functions.

Frames: `_w` world, `_yaw` world rotated about z to the heading of the base. docs/metrics.md says what is averaged how.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

GRAVITY = 9.81
"""m/s^2."""
MIN_PATH = 1.0
"""m; on a shorter path a cost of transport is mostly sway."""
MIN_COMMANDED_SPEED = 0.1
"""m/s; a command below it does not ask for transport."""
SATURATION_MARGIN = 0.01
"""Share of a motor's limit."""
RECOVERY_WINDOW = 0.5
"""s over which the velocity error is averaged after a kick: one stride at 2 Hz."""


@dataclass(frozen=True)
class Metric:
    """A number of one episode; a changed formula gets a new version."""

    name: str
    version: int
    unit: str
    definition: str
    """As docs/metrics.md has it."""
    better: Literal["higher", "lower"] = "lower"


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "success_rate", 2, "share of valid episodes",
            "share of valid episodes that nothing ended, with `lin_vel_error` and `yaw_rate_error` within the panel's "
            "bounds", "higher",
        ),
        Metric("fall_rate", 1, "share of valid episodes", "failed episodes / valid episodes"),
        Metric(
            "survival_time", 2, "s",
            "to the end of the episode, the step of the end included; the duration where nothing ended", "higher",
        ),
        Metric("lin_vel_error", 2, "m/s", r"mean over counted steps of \|v_cmd,xy - v_xy\|, base yaw frame"),
        Metric("yaw_rate_error", 2, "rad/s", r"mean over counted steps of \|w_cmd - w_z\|"),
        Metric(
            "cost_of_transport", 2, "-",
            r"E / (m g d) of the episode: sum of \|torque * joint velocity\| dt over m, 9.81 m/s^2, and path length; "
            f"none below {MIN_PATH:g} m of path or {MIN_COMMANDED_SPEED:g} m/s of mean commanded speed",
        ),
        Metric(
            "foot_slip", 1, "m/s",
            "mean horizontal speed over all feet and counted steps in which the foot is on the ground",
        ),
        Metric(
            "action_rate", 1, "rad/s",
            "mean over counted steps of the root mean square over joints of (target - target one step before) / dt, "
            "after clipping",
        ),
        Metric(
            "torque_saturation", 1, "-",
            r"share of joints and counted steps with \|torque\| of at least "
            f"{1 - SATURATION_MARGIN:.0%} of the motor's limit (times `motor_strength`)".replace("%", " %"),
        ),
        Metric(
            "recovery_time", 2, "s",
            f"from the last kick to the start of the first {RECOVERY_WINDOW:g} s, within the measurement, over which "
            "the mean linear velocity error is within the panel's bound; a robot that falls, at once or later, or does "
            "not get there has the time from the kick to the end of the measurement, so that falling never looks like "
            "recovering fast; none for a robot that was not kicked",
        ),
    )
}  # fmt: skip
"""The first two are rates; how episodes are put together is in `report.py`."""
RATES = ("success_rate", "fall_rate")


def metrics_table() -> str:
    """The table of docs/metrics.md, which a test compares with this one."""
    rows = [
        f"| `{metric.name}` | {metric.version} | {short_unit(metric.unit)} | {metric.definition} |"
        for metric in METRICS.values()
    ]
    return "\n".join(("| name | version | unit | definition |", "|---|---|---|---|", *rows))


def short_unit(unit: str) -> str:
    """A unit for a table: a share has none."""
    return "-" if unit.startswith("share") else unit


def mechanical_power(joint_torque: Tensor, joint_vel: Tensor) -> Tensor:
    """Absolute power of each motor, summed over joints: braking costs as much as driving.

    Args:
        joint_torque: N m. Shape (n, num_joints).
        joint_vel: rad/s. Shape (n, num_joints).

    Returns:
        W. Shape (n,).
    """
    return (joint_torque * joint_vel).abs().sum(dim=1)


def cost_of_transport(energy: Tensor, mass: Tensor, path: Tensor, commanded_speed: Tensor) -> Tensor:
    """Energy per weight and distance of each episode.

    Args:
        energy: J. Shape (n,).
        mass: kg. Shape (n,).
        path: m travelled horizontally. Shape (n,).
        commanded_speed: m/s, horizontal, mean over the episode. Shape (n,).

    Returns:
        No unit; NaN where the command asks for less than `MIN_COMMANDED_SPEED` or the robot did not go `MIN_PATH`.
        Shape (n,).
    """
    transported = (path >= MIN_PATH) & (commanded_speed >= MIN_COMMANDED_SPEED)
    return torch.where(transported, energy / (mass * GRAVITY * path), torch.nan)


def success(survived: Tensor, lin_vel_error: Tensor, yaw_rate_error: Tensor, bounds: tuple[float, float]) -> Tensor:
    """Episodes that nothing ended, with mean errors within bounds, m/s and rad/s; a NaN error is no success."""
    return survived & (lin_vel_error <= bounds[0]) & (yaw_rate_error <= bounds[1])


def foot_slip(foot_in_contact: Tensor, foot_vel_w: Tensor) -> tuple[Tensor, Tensor]:
    """Horizontal speed of the feet on the ground: sum over feet, and number of feet.

    Args:
        foot_in_contact: Shape (n, num_feet), bool.
        foot_vel_w: m/s, world frame. Shape (n, num_feet, 3).

    Returns:
        m/s and a count. Shape (n,) each.
    """
    speed = torch.hypot(foot_vel_w[..., 0], foot_vel_w[..., 1])
    return torch.where(foot_in_contact, speed, 0.0).sum(dim=1), foot_in_contact.sum(dim=1)


def target_rate(action: Tensor, before: Tensor, scale: float, dt: float) -> Tensor:
    """Root mean square over joints of how fast the joint targets change.

    Args:
        action: After clipping. Shape (n, num_actions).
        before: That of the control step before.
        scale: rad per unit of action.
        dt: s.

    Returns:
        rad/s. Shape (n,).
    """
    return (action - before).square().mean(dim=1).sqrt() * (scale / dt)


def torque_saturation(joint_torque: Tensor, limit: Tensor) -> Tensor:
    """Share of the joints whose motors are at their limit, to within `SATURATION_MARGIN`.

    Args:
        joint_torque: N m. Shape (n, num_joints).
        limit: N m. Shape (n, num_joints).

    Returns:
        Shape (n,).
    """
    return (joint_torque.abs() >= (1 - SATURATION_MARGIN) * limit).double().mean(dim=1)
