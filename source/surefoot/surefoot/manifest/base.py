"""What every section of a manifest has in common: frozen, closed, finite, and strict about types."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A frozen part of the manifest: unknown keys, NaN, infinity and values of another type are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class KeyedError(ValueError):
    """A problem between several keys of a section, blamed on one of them.

    Attributes:
        key: Dotted key within the section that raises.
    """

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


class Ordered:
    """Marks a mapping whose order has a meaning (observation layout, tie-breaking)."""


class OmittedByDefault:
    """Marks a section that came later: left at its default it is not hashed, and hashes of before hold."""


LARGEST = 1.0e6
"""Largest number of any physical quantity, in its SI unit: single precision has steps of 0.06 there, in which a robot's
position would be lost, and squares summed over a million robots stay finite. A motor of 10^5 N m is below."""
SMALLEST = 1.0e-12
"""Smallest positive number, so that 1 / x^2 is finite in every formula; far below what single precision adds to 1."""
MAX_ITERATIONS = 10_000_000
"""PPO iterations, or anything else that is counted: at one a second a third of a year."""
MAX_WINDOW = 100_000
"""Iterations or steps that are held at once: a window is a list in memory."""
MAX_STEPS = 1_000
"""Steps of a delay or a history: each is a copy of what is delayed, for every robot."""
MAX_PARTS = 500
"""Joints, terms, geometries: parts of one robot or task; a humanoid with hands has 60 joints."""
MAX_SECONDS = 86_400.0
"""s of an episode or of a wait: a day. A control step is 0.02 s."""


def not_tiny(value: float) -> float:
    """Refuse positive numbers whose square has no reciprocal."""
    if value < SMALLEST:
        raise ValueError(f"expected at least {SMALLEST:g}, got {value:g}")
    return value


def _ascending(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise ValueError(f"expected [low, high] with low <= high, got [{value[0]}, {value[1]}]")
    return value


def _from_above_zero(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] < 1e-3:
        least = "> 0" if value[0] <= 0 else ">= 0.001"
        raise ValueError(f"expected [low, high] with low {least}, got [{value[0]}, {value[1]}]")
    return value


def _from_zero(value: tuple[int, int]) -> tuple[int, int]:
    if value[0] < 0:
        raise ValueError(f"expected [min, max] with min >= 0, got [{value[0]}, {value[1]}]")
    return value


Number = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]
Range = Annotated[tuple[Number, Number], AfterValidator(_ascending)]
"""`[low, high]`, low <= high."""

PositiveRange = Annotated[tuple[Number, Number], AfterValidator(_ascending), AfterValidator(_from_above_zero)]
"""`[low, high]`, 0.001 <= low <= high: s between two occasions, more than a physics step."""

_Step = Annotated[int, Field(ge=-MAX_STEPS, le=MAX_STEPS)]
StepRange = Annotated[tuple[_Step, _Step], AfterValidator(_ascending), AfterValidator(_from_zero)]
"""`[min, max]` in whole steps, 0 <= min <= max."""

PositiveFloat = Annotated[float, Field(gt=0, le=LARGEST), AfterValidator(not_tiny)]
NonNegativeFloat = Annotated[float, Field(ge=0, le=LARGEST)]
Seconds = Annotated[float, Field(gt=0, le=MAX_SECONDS), AfterValidator(not_tiny)]
Fraction = Annotated[float, Field(ge=0, le=1)]
PositiveInt = Annotated[int, Field(gt=0, le=MAX_ITERATIONS)]
NonNegativeInt = Annotated[int, Field(ge=0, le=MAX_ITERATIONS)]
Amount = Annotated[int, Field(ge=0, le=2**53)]
"""Bytes, samples, rows: whole numbers that a double holds too."""
Window = Annotated[int, Field(gt=0, le=MAX_WINDOW)]
Threads = Annotated[int, Field(gt=0, le=1024)]
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
Text = Annotated[str, Field(max_length=1000)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=120)]
"""A name that is also a file name."""
