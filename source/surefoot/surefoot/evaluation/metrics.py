"""What is measured in one control step or one episode: pure functions, each with a name and a version.

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
SUCCESS_LIN_VEL_ERROR = 0.2
"""m/s, largest mean error of a successful episode."""
SUCCESS_YAW_RATE_ERROR = 0.2
"""rad/s, largest mean error of a successful episode."""


SATURATION_MARGIN = 0.01
"""Share of a motor's limit."""
RECOVERY_WINDOW = 0.5
"""s over which the velocity error is averaged after a kick: one stride at 2 Hz."""


@dataclass(frozen=True)
class Metric:
    """Name, version and unit of a metric; a changed formula gets a new version."""

    name: str
    version: int
    unit: str
    better: Literal["higher", "lower"] = "lower"


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("lin_vel_error", 1, "m/s"),
        Metric("yaw_rate_error", 1, "rad/s"),
        Metric("lin_vel_error_after_warm_up", 1, "m/s"),
        Metric("yaw_rate_error_after_warm_up", 1, "rad/s"),
        Metric("fall_rate", 1, "share of valid episodes"),
        Metric("survival_time", 1, "s"),
        Metric("cost_of_transport", 1, "-"),
        Metric("success_rate", 1, "share of valid episodes"),
    )
}


PANEL_METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("success_rate", 1, "share of valid episodes", "higher"),
        Metric("fall_rate", 1, "share of valid episodes"),
        Metric("survival_time", 2, "s", "higher"),
        Metric("lin_vel_error", 1, "m/s"),
        Metric("yaw_rate_error", 1, "rad/s"),
        Metric("cost_of_transport", 1, "-"),
        Metric("foot_slip", 1, "m/s"),
        Metric("action_rate", 1, "rad/s"),
        Metric("torque_saturation", 1, "-"),
        Metric("recovery_time", 2, "s"),
    )
}
"""Of a panel, by name; docs/metrics.md defines them. The first two are rates, the others are numbers of an episode."""
RATES = ("success_rate", "fall_rate")


def mechanical_power(joint_torque: Tensor, joint_vel: Tensor) -> Tensor:
    """Absolute power of each motor, summed over joints: braking costs as much as driving.

    Args:
        joint_torque: N m. Shape (n, num_joints).
        joint_vel: rad/s. Shape (n, num_joints).

    Returns:
        W. Shape (n,).
    """
    return (joint_torque * joint_vel).abs().sum(dim=1)


def cost_of_transport(energy: Tensor, mass: Tensor, path: Tensor, commanded_speed: float) -> float | None:
    """Energy per weight and distance of the episodes of one command: sum of E over sum of m g d.

    Args:
        energy: J of each episode. Shape (n,).
        mass: kg of each robot. Shape (n,).
        path: m travelled horizontally in each episode. Shape (n,).
        commanded_speed: m/s, horizontal.

    Returns:
        No unit; None where the command asks for less than `MIN_COMMANDED_SPEED` or no episode went `MIN_PATH`.
    """
    counted = path >= MIN_PATH
    if commanded_speed < MIN_COMMANDED_SPEED or not counted.any():
        return None
    return (energy[counted].sum() / (mass * GRAVITY * path)[counted].sum()).item()


def success(survived: Tensor, lin_error: Tensor, yaw_error: Tensor) -> Tensor:
    """Episodes that reached their full duration with mean errors inside the bounds; a NaN error is no success."""
    return survived & (lin_error <= SUCCESS_LIN_VEL_ERROR) & (yaw_error <= SUCCESS_YAW_RATE_ERROR)


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


def nan_mean(values: Tensor) -> float | None:
    """Mean of the entries that are not NaN; None where there is none."""
    known = values[~torch.isnan(values)]
    return known.mean().item() if len(known) else None
