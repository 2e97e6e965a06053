"""Numbers that mean nothing where nobody commands a velocity: they are NaN there, never 0."""

import torch

from surefoot.audit.accounts.metrics import Flush

NEED_VELOCITY = (
    "episode/success_rate",
    "episode/lin_vel_error",
    "episode/yaw_rate_error",
    "bucket/success_rate",
    "bucket/lin_vel_error",
    "bucket/lin_vel_error_std",
    "bucket/yaw_rate_error",
    "reward/success_correlation",
    "reward/success_correlation_high",
    "reward/error_correlation",
    "reward/pooled_successes",
    "reward/pooled_others",
    "reward_by_bucket/success_correlation",
    "standing/rate",
    "standing/following_rate",
    "standing/rows",
    "standing/following_rows",
    "standing/moving_rows",
    "standing/envs",
    "standing/following_envs",
)
"""Metrics that compare a velocity with its command, or count successes, which are defined by that comparison."""


def without_velocity(flush: Flush) -> Flush:
    """The same metrics, NaN where they need a velocity command."""
    return {
        name: torch.full_like(value, torch.nan) if name in NEED_VELOCITY else value for name, value in flush.items()
    }
