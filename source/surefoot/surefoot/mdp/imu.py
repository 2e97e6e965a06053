"""What an accelerometer on the base measures, from the motion of the base."""

from torch import Tensor

from surefoot.mdp.frames import cross, rotate_inverse


def specific_force(
    base_quat_w: Tensor, base_ang_vel_b: Tensor, base_lin_acc_w: Tensor, base_ang_acc_b: Tensor, offset_b: Tensor
) -> Tensor:
    """Acceleration minus gravity at a point that is fixed to the base: 9.81 upwards at rest, 0 in free fall.

    Args:
        base_quat_w: (w, x, y, z), base to world. Shape (n, 4).
        base_ang_vel_b: rad/s, base frame. Shape (n, 3).
        base_lin_acc_w: Acceleration of the base's origin minus gravity, m/s^2, world frame. Shape (n, 3).
        base_ang_acc_b: rad/s^2, base frame. Shape (n, 3).
        offset_b: From the base's origin to the point, m, base frame. Shape (3,).

    Returns:
        m/s^2, base frame. Shape (n, 3).
    """
    # Of a point in a rigid body: a + alpha x r + omega x (omega x r).
    offset = offset_b.expand_as(base_ang_vel_b)
    tangential = cross(base_ang_acc_b, offset)
    centripetal = cross(base_ang_vel_b, cross(base_ang_vel_b, offset))
    return rotate_inverse(base_quat_w, base_lin_acc_w) + tangential + centripetal
