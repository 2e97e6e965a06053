"""The promotion section: what the gate asks of a policy that is to take a champion's place."""

from typing import Annotated, Literal

from pydantic import Field

from surefoot.manifest.base import Fraction, Name, NonNegativeFloat, NonNegativeInt, PositiveInt, Section
from surefoot.manifest.schedule import Label


class Guard(Section):
    """Cells in which a candidate must not be worse than the champion by more than a margin."""

    cells: Annotated[tuple[str, ...], Field(min_length=1)]
    """Names of cells; `*` stands for any letters: `payload_*`."""
    margin: Fraction = 0.1
    """Of the success rate over these cells."""


class Promotion(Section):
    """The rule; without this section its defaults hold."""

    panel: Name = "locomotion_v1"
    """What both are put through."""
    seeds: PositiveInt = 3
    """Trainings that should speak for a candidate; fewer are said in the verdict."""
    min_score: Fraction = 0.5
    """Held-out score that the first champion of a task needs; later ones have to beat the one before."""
    control_margin: Fraction = 0.1
    """By which success in cells inside of the training distribution may fall."""
    guards: dict[Label, Guard] = Field(default_factory=dict[str, Guard])
    transfer: Literal["required", "where_measured", "ignored"] = "where_measured"
    """Whether recordings of robots must speak for the candidate too."""
    transfer_margin: NonNegativeFloat = 0.1
    """By which the gap to recordings may grow where both are below the floor of the measurement."""
    max_invalid_share: Fraction = 0.01
    """Environment steps of the training with a fault."""
    max_alerts: NonNegativeInt = 100
    """Alerts of the training."""
