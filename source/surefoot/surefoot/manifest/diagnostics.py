"""The diagnostics section of the audit: when a reward, an observation or an action looks like a mistake."""

from typing import Annotated

from pydantic import Field

from surefoot.manifest.base import (
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    OmittedByDefault,
    PositiveFloat,
    PositiveInt,
    Section,
    Window,
)

Share = Annotated[float, Field(gt=0, le=1)]


class ConstantTermAudit(Section):
    """When a reward term gives every environment the same, changing value."""

    window: Window
    """Iterations that are pooled."""
    min_share: Share
    """Share of the term's non-zero steps in which all environments have one value."""
    min_steps: PositiveInt
    """Non-zero steps in the window without which nothing is said."""
    min_turns: PositiveInt
    """Times that the shared value must have risen, and times that it must have fallen, in the window."""
    min_envs: PositiveInt
    """Environments without which nothing is said."""


class StandingAudit(Section):
    """When standing still under a command to move pays."""

    window: Window
    """Iterations that are pooled; nothing is said before there are that many."""
    speed: PositiveFloat
    """m/s; a robot stands below this speed."""
    warm_up: NonNegativeFloat
    """s at the start of an episode that are not counted."""
    min_rows: PositiveInt
    """Steps of standing, and steps of following, in the window."""
    min_envs: PositiveInt
    """Environments that must stand, and that must follow, within one iteration."""
    max_cancelled: PositiveFloat
    """A term that pays standing better than following may cancel up to this share of what following earns."""
    max_standing: Share
    """Share of steps under a command to move that may be spent standing."""


class ActionAudit(Section):
    """When the policy lives at the limit of its actions."""

    window: Window
    """Iterations that are pooled; nothing is said before there are that many."""
    max_saturation: Fraction
    """Share of actions that may be at the clip limit."""


class LeakAudit(Section):
    """When an actor observation is a copy of something that no robot can measure."""

    max_residual: PositiveFloat
    """Share of a column's variance that an affine copy may leave unexplained, beside the declared noise."""
    every: PositiveInt
    """Iterations between two looks."""
    patience: Window
    """Looks in a row that must show the copy."""
    min_envs: PositiveInt
    """Environments that must differ from each other in both columns."""


class LearnerAudit(Section):
    """When the learner does not learn, or learns something else."""

    window: Window = 10
    """Iterations that are pooled; nothing is said before there are that many."""
    warm_up: NonNegativeInt = 30
    """Iterations at the start of a run before critic, objective and log ratio are judged."""
    max_kl: PositiveFloat = 0.2
    """Mean KL divergence of an iteration's updates from the policy that acted, nat."""
    min_kl: NonNegativeFloat = 1.0e-6
    """Likewise, below which nothing is learned, nat."""
    min_std: PositiveFloat = 0.02
    """Smallest standard deviation of an action."""
    max_std_growth: Annotated[float, Field(gt=1, le=1000)] = 1.5
    """Mean standard deviation of the actions over `ppo.init_std`."""
    min_explained_variance: Annotated[float, Field(ge=-1, le=1)] = 0.1
    """Share of the returns' variance that the critic explains."""
    max_log_ratio: PositiveFloat = 1.0
    """Mean |log probability now - when acted|, before the first step of an update."""


class TermAudit(Section):
    """When a reward term is dead, or drowns the others."""

    window: Window = 10
    """Iterations that are pooled; nothing is said before there are that many."""
    penalty_window: Window = 200
    """Likewise for a penalty that never costs: limits may not be touched for long."""
    max_share: Share = 0.8
    """Share of the sum of all terms' sizes that one term may have."""


class CrossBucketAudit(Section):
    """When the reward differs too much between buckets."""

    max_variance: Share = 0.5
    """Share of the mean square reward that is differences between buckets."""
    max_climb: Share = 0.2
    """What that share may climb by within `audit.window` iterations."""


class Diagnostics(Section):
    """Thresholds of the diagnostics."""

    constant_term: ConstantTermAudit
    standing: StandingAudit
    action: ActionAudit
    leak: LeakAudit
    learner: Annotated[LearnerAudit, OmittedByDefault()] = LearnerAudit()
    term: Annotated[TermAudit, OmittedByDefault()] = TermAudit()
    cross_bucket: Annotated[CrossBucketAudit, OmittedByDefault()] = CrossBucketAudit()
