"""The torque-speed curve of a DC motor."""

from torch import Tensor


def dc_motor_torque(
    wanted: Tensor, joint_vel: Tensor, saturation_effort: Tensor, effort_limit: Tensor, velocity_limit: Tensor
) -> Tensor:
    """What a DC motor gives of a torque, N m.

    Between the lines through (0, stall torque) and (no-load speed, 0), and through (0, -stall torque) and
    (-no-load speed, 0), and within the effort limit. A motor that is driven beyond where the lines leave that limit
    brakes with all of it.

    Args:
        wanted: Of the position loop, N m. Shape (..., num_joints).
        joint_vel: rad/s. Shape (..., num_joints).
        saturation_effort: Stall torque, N m, at least `effort_limit`.
        effort_limit: N m.
        velocity_limit: No-load speed, rad/s.

    Source: `isaaclab.actuators.DCMotor._clip_effort` of Isaac Lab 2.3.2 and 3.0.0, the same in both; mjlab 1.6.0's
    `dc_motor_clip` differs in that it follows an effort limit that is changed later, as this does.
    """
    corner = velocity_limit * (1 + effort_limit / saturation_effort)
    share = joint_vel.clamp(-corner, corner) / velocity_limit
    highest = (saturation_effort * (1 - share)).minimum(effort_limit)
    lowest = (saturation_effort * (-1 - share)).maximum(-effort_limit)
    return wanted.clamp(lowest, highest)
