"""The task sections: what is simulated, commanded, observed, rewarded, ended and reset."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from surefoot.manifest.base import (
    LARGEST,
    MAX_PARTS,
    MAX_STEPS,
    Fraction,
    NonNegativeFloat,
    Number,
    OmittedByDefault,
    Ordered,
    PositiveFloat,
    PositiveRange,
    Range,
    Seconds,
    Section,
    StepRange,
    Text,
    not_tiny,
)
from surefoot.manifest.terrain import HeightScan, Terrain

_Int = Annotated[int, Field(ge=-int(LARGEST), le=int(LARGEST))]
Params = Annotated[dict[str, Number | _Int | bool | Text], Field(max_length=100)]


class Simulation(Section):
    """Physics step and contact solver."""

    timestep: Annotated[float, Field(ge=1e-5, le=0.1)]
    """s; contacts are stiffer than a tenth of a second and never need less than 10 us."""
    decimation: Annotated[int, Field(gt=0, le=1000)]
    """Physics steps per control step."""
    contact_model: str
    """Name of one of the robot's contact models."""
    solver: Literal["newton", "cg", "pgs"]
    """MuJoCo's constraint solver."""
    iterations: Annotated[int, Field(gt=0, le=10_000)]
    """Most solver iterations in a physics step."""
    ls_iterations: Annotated[int, Field(gt=0, le=10_000)]
    """Most line-search steps in a solver iteration."""
    cone: Literal["pyramidal", "elliptic"]
    """Shape of the friction cone."""
    impratio: PositiveFloat
    """Ratio of friction to normal constraint impedance."""

    @property
    def step_dt(self) -> float:
        """s, control step."""
        return self.timestep * self.decimation


class Commands(Section):
    """Velocity commands, in the base yaw frame."""

    lin_vel_x: Range
    """m/s."""
    lin_vel_y: Range
    """m/s."""
    ang_vel_z: Range
    """rad/s."""
    resampling_time: PositiveRange
    """s between new commands."""
    standing_fraction: Fraction
    """Share of commands that are exactly zero."""
    moving_threshold: NonNegativeFloat
    """Norm of (vx, vy, yaw rate) below which a command means standing still."""


class Gait(Section):
    """The reference gait clock that shapes swing and stance."""

    frequency: Annotated[float, Field(gt=0, le=100), AfterValidator(not_tiny)]
    """Hz, strides per second."""
    foot_phase: Annotated[tuple[Fraction, ...], Field(max_length=100)]
    """Start of each foot's stride, fraction of the cycle, canonical foot order."""
    swing_height: NonNegativeFloat
    """m, apex of the reference foot trajectory."""


class Actions(Section):
    """Joint position targets: default pose + scale * action."""

    scale: PositiveFloat
    """rad per unit of action."""
    clip: PositiveFloat
    """Actions are clipped to +- this value before scaling."""
    delay_steps: StepRange
    """Physics steps between command and motor, [min, max], redrawn every physics step."""


class ObservationTerm(Section):
    """One block of an observation vector."""

    func: Text
    params: Params = Field(default_factory=dict)
    noise: NonNegativeFloat = 0.0
    """Half-width of additive uniform noise, in the unit of the term, before scale."""
    clip: Range | None = None
    scale: PositiveFloat = 1.0
    history: Annotated[int, Field(gt=0, le=MAX_STEPS)] = 1
    """Number of stacked control steps, oldest first."""
    delay_steps: StepRange = (0, 0)
    """Control steps of sensor latency, [min, max]."""


class ObservationGroup(Section):
    """What one network reads."""

    noise: bool
    """False switches every term's noise off."""
    allow_privileged: Annotated[tuple[Text, ...], Field(max_length=MAX_PARTS)] = ()
    """RobotState fields that hardware cannot measure and this group may read all the same."""
    terms: Annotated[dict[Text, ObservationTerm], Field(max_length=MAX_PARTS), Ordered()]


class Observations(Section):
    """Asymmetric actor and critic."""

    actor: ObservationGroup
    critic: ObservationGroup


class RewardTerm(Section):
    """weight * func(...) per second."""

    func: Text
    weight: Annotated[float, Field(ge=-1e9, le=1e9)]
    params: Params = Field(default_factory=dict)
    ramp: bool = False
    """Whether the curriculum's penalty ramp scales this weight."""


class TerminationTerm(Section):
    """A cause that ends an episode; the first in the list is primary when several hold."""

    func: Text
    kind: Literal["time_out", "failure"]
    params: Params = Field(default_factory=dict)


class Curriculum(Section):
    """Weights that change with training progress."""

    penalty_ramp_start: Fraction
    """Factor on ramped reward weights at the first sample."""
    penalty_ramp_samples: Annotated[int, Field(ge=0, le=10**15)]
    """Environment steps (over all environments) after which the factor is 1; 0 means always 1."""


class Resets(Section):
    """State at the start of an episode, drawn uniformly."""

    position_xy: Range
    """m, offset from the environment origin."""
    yaw: Range
    """rad."""
    lin_vel: Range
    """m/s, each world axis."""
    ang_vel: Range
    """rad/s, each base axis."""
    joint_pos: Range
    """rad, offset from the default pose."""
    joint_vel: Range
    """rad/s."""
    randomize_episode_start: bool
    """Spread the first episodes over their length, so that time-outs do not come all at once."""


class Task(Section):
    """Everything about the job that the robot does not fix."""

    family: Literal["velocity"]
    episode_length: Seconds
    """s."""
    terrain: Terrain
    height_scan: Annotated[HeightScan | None, OmittedByDefault()] = None
    """What the field of that name holds; None: it cannot be read."""
    commands: Commands
    gait: Gait
    actions: Actions
    observations: Observations
    rewards: Annotated[dict[Text, RewardTerm], Field(max_length=MAX_PARTS), Ordered()]
    terminations: Annotated[dict[Text, TerminationTerm], Field(max_length=MAX_PARTS), Ordered()]
    curriculum: Curriculum
    resets: Resets
