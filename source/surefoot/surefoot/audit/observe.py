"""From an environment's RobotState to what the accounts read."""

from torch import Tensor

from surefoot.audit.step import AuditStep
from surefoot.mdp.robot_state import RobotState
from surefoot.panel import metrics


def audit_step(
    state: RobotState,
    *,
    rates: Tensor,
    reward: Tensor,
    causes: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    fault: Tensor,
    bucket: Tensor,
    episode_steps: Tensor,
    action: Tensor,
) -> AuditStep:
    """See `AuditStep`; to be called after the rewards and before the resets, with the command that was followed."""
    command, velocity = state.read("command"), state.read("base_lin_vel_yaw")
    return AuditStep(
        rates=rates,
        reward=reward,
        causes=causes,
        terminated=terminated,
        truncated=truncated,
        fault=fault,
        bucket=bucket,
        episode_steps=episode_steps,
        lin_vel_error=metrics.lin_vel_error(command, velocity),
        yaw_rate_error=metrics.yaw_rate_error(command, state.read("base_ang_vel_w")),
        is_moving=state.read("is_moving"),
        lin_speed=metrics.horizontal_speed(velocity),
        action=action,
    )
