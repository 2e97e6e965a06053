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


def _ascending(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise ValueError(f"expected [low, high] with low <= high, got [{value[0]}, {value[1]}]")
    return value


def _from_above_zero(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] <= 0:
        raise ValueError(f"expected [low, high] with low > 0, got [{value[0]}, {value[1]}]")
    return value


def _from_zero(value: tuple[int, int]) -> tuple[int, int]:
    if value[0] < 0:
        raise ValueError(f"expected [min, max] with min >= 0, got [{value[0]}, {value[1]}]")
    return value


Range = Annotated[tuple[float, float], AfterValidator(_ascending)]
"""`[low, high]`, low <= high."""

PositiveRange = Annotated[tuple[float, float], AfterValidator(_ascending), AfterValidator(_from_above_zero)]
"""`[low, high]`, 0 < low <= high."""

StepRange = Annotated[tuple[int, int], AfterValidator(_ascending), AfterValidator(_from_zero)]
"""`[min, max]` in whole steps, 0 <= min <= max."""

PositiveFloat = Annotated[float, Field(gt=0)]
NonNegativeFloat = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
PositiveInt = Annotated[int, Field(gt=0)]
NonNegativeInt = Annotated[int, Field(ge=0)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=120)]
"""A name that is also a file name."""
