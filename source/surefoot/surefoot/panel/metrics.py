"""What is measured in one control step or one episode: pure functions, each with a name and a version.

Frames: `_w` world, `_yaw` world rotated about z to the heading of the base. docs/metrics.md says what is averaged how.
"""

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Metric:
    """Name, version and unit of a metric; a changed formula gets a new version."""

    name: str
    version: int
    unit: str


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


def nan_mean(values: Tensor) -> float | None:
    """Mean of the entries that are not NaN; None where there is none."""
    known = values[~torch.isnan(values)]
    return known.mean().item() if len(known) else None
