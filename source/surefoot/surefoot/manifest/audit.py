"""The audit section: what counts as a success, and from where on a number of a training run is an alert."""

from typing import Annotated, Literal

from pydantic import Field

from surefoot.manifest.base import (
    MAX_WINDOW,
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    OmittedByDefault,
    PositiveFloat,
    PositiveInt,
    Section,
    Window,
)
from surefoot.manifest.diagnostics import Diagnostics

Action = Literal["ignore", "log", "pause", "stop"]
"""Say nothing; write it down; write a checkpoint and wait for somebody; write a checkpoint and end the run."""
Later = Annotated[Action, OmittedByDefault()]
"""Of a kind of alert that came later than the first manifests."""

Probability = Annotated[float, Field(gt=0, lt=1)]


class RewardAudit(Section):
    """When a reward term is suspicious."""

    max_residual: PositiveFloat
    """Largest |reward - sum of terms| / sum of |terms| of a step that rounding explains."""
    saturation_margin: Probability
    """Distance from a term's largest value, as share of it, within which it counts as saturated."""
    expected_sign: dict[str, Literal["reward", "penalty", "any"]]
    """What a term may do, by term; default by the name of its function: `_exp` pays, `_l1` and `_l2` cost."""
    sign_correlation: Fraction
    """A term that pays is suspicious where the interval of its correlation with success lies below minus this."""
    min_episodes: PositiveInt
    """Successful episodes, and other episodes, that a correlation needs."""


class SynchronyAudit(Section):
    """When episodes end together."""

    half_window: Window
    """Control steps before and after a step that it is compared with."""
    p_value: Probability
    """Probability, under the null hypothesis, from which on a step is suspicious."""
    min_share: Fraction
    """Share of all environments that must end in one step."""


class BucketAudit(Section):
    """When buckets differ as if one of them could be exploited."""

    min_episodes: PositiveInt
    """Episodes in the window without which a bucket is left out."""
    min_icc: Fraction
    """Lower 95 % bound of the intraclass correlation of the return."""
    min_gap: NonNegativeFloat
    """Distance of a bucket's mean return from the median bucket's over the root mean square return."""
    max_within: NonNegativeFloat
    """Largest standard deviation within a bucket over the root mean square return of the bucket."""


class FaultAudit(Section):
    """When the simulator breaks too often."""

    max_share: Fraction
    """Share of an iteration's steps that may be invalid."""
    max_lin_vel: PositiveFloat
    """m/s, speed of the base on one axis beyond which the state is broken."""
    max_ang_vel: PositiveFloat
    """rad/s, rate of the base on one axis."""
    max_joint_vel: PositiveFloat
    """rad/s."""
    max_height: PositiveFloat
    """m, of the base above or below the world's origin."""
    joint_margin: PositiveFloat
    """rad beyond a joint's hard limit."""


class MemoryAudit(Section):
    """When memory keeps growing."""

    window: Annotated[int, Field(ge=30, le=MAX_WINDOW)]
    """Iterations that a trend is taken over."""
    warm_up: NonNegativeInt
    """Iterations at the start of the process that are not looked at."""
    min_growth: PositiveFloat
    """MB per iteration, median slope over the window."""
    min_z: PositiveFloat
    """Standard deviations by which the Mann-Kendall statistic must exceed that of no trend."""


class Actions(Section):
    """What an alert does, by kind."""

    reward_residual: Action
    reward_sign: Action
    reward_against_success: Action
    synchronised_resets: Action
    bucket_exploitation: Action
    fault: Action
    too_many_faults: Action
    constant_term: Action
    standing_pays: Action
    standing: Action
    action_saturation: Action
    observation_leak: Action
    memory_growth: Action
    reward_term: Later = "log"
    dead_term: Later = "log"
    drowning_term: Later = "log"
    episode_ends: Later = "log"
    episode_clock: Later = "log"
    lying_robots: Later = "log"
    ppo_reward: Later = "log"
    ppo_bootstrap: Later = "log"
    ppo_ends: Later = "log"
    ppo_storage: Later = "log"
    ppo_advantages: Later = "log"
    ppo_settings: Later = "log"
    policy_age: Later = "log"
    mini_batches: Later = "log"
    normaliser: Later = "log"
    kl: Later = "log"
    exploration: Later = "log"
    critic: Later = "log"
    objective: Later = "log"
    still_network: Later = "log"
    observation_value: Later = "log"
    observation_noise: Later = "log"
    dead_observation: Later = "log"
    command_draws: Later = "log"
    command_timing: Later = "log"
    start_draws: Later = "log"
    factor_draws: Later = "log"
    factor_value: Later = "log"
    bucket_label: Later = "log"
    kicks: Later = "log"
    motor_law: Later = "log"
    frozen_robots: Later = "log"
    same_robots: Later = "log"
    dead_contact: Later = "log"
    state_field: Later = "log"
    easy_success: Later = "log"
    step_count: Later = "log"
    cross_bucket_variance: Later = "log"
    preflight: Later = "log"


class Audit(Section):
    """Thresholds of the accounts."""

    success_error: PositiveFloat
    """m/s; a success is an episode that a time-out ended with a mean velocity error up to this."""
    window: PositiveInt
    """Iterations over which episodes are pooled where one iteration has too few."""
    length_bins: Annotated[int, Field(gt=0, le=1000)]
    """Bins of the histograms of episode length."""
    repeat_after: PositiveInt
    """Iterations before the same alert is raised again."""
    reward: RewardAudit
    synchrony: SynchronyAudit
    bucket: BucketAudit
    fault: FaultAudit
    diagnostics: Diagnostics
    memory: MemoryAudit
    actions: Actions
