"""From an environment's RobotState to what the accounts read."""

from torch import Tensor

from surefoot.audit.accounts.fault_kinds import KINDS
from surefoot.audit.accounts.step import AuditLayout, AuditStep
from surefoot.manifest.manifest import Manifest
from surefoot.mdp import tracking
from surefoot.mdp.robot_state import RobotState, max_episode_steps
from surefoot.randomization.buckets import Buckets


def audit_layout(manifest: Manifest, buckets: Buckets) -> AuditLayout:
    """Axes of the accounts of one of our environments, terms that Python added to its task among them."""
    extension = manifest.extension
    added = extension.names if extension is not None else lambda _: ()
    time_outs = [term.kind == "time_out" for term in manifest.task.terminations.values()]
    time_outs += [name in extension.time_outs for name in added("terminations")] if extension is not None else []
    task, factors, bucket_by = manifest.task, manifest.randomization.factors, manifest.randomization.bucket_by
    return AuditLayout(
        reward_terms=(*task.rewards, *added("rewards")),
        causes=(*task.terminations, *added("terminations")),
        cause_is_time_out=tuple(time_outs),
        fault_kinds=KINDS,
        bucket_labels=buckets.labels,
        num_envs=len(buckets.ids),
        step_dt=manifest.simulation.step_dt,
        max_episode_steps=max_episode_steps(manifest),
        num_actions=len(manifest.robot.joints),
        action_clip=task.actions.clip,
        scattered_starts=task.resets.randomize_episode_start,
        factors=tuple(buckets.values),
        terrain_classes=tuple(task.terrain.generator.classes) if task.terrain.generator is not None else (),
        fixed_buckets=not any(name in factors and factors[name].mode == "reset" for name in bucket_by),
    )


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
        lin_vel_error=tracking.lin_vel_error(command, velocity),
        yaw_rate_error=tracking.yaw_rate_error(command, state.read("base_ang_vel_w")),
        is_moving=state.read("is_moving"),
        lin_speed=tracking.horizontal_speed(velocity),
        action=action,
    )
