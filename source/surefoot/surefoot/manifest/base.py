"""What every section of a manifest has in common: frozen, closed, finite."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field


class Section(BaseModel):
    """A frozen part of the manifest: unknown keys, NaN and infinity are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Ordered:
    """Marks a mapping whose order has a meaning (observation layout, tie-breaking)."""


def _pairs_to_dict(value: Any) -> Any:
    """Read an ordered mapping back from the list of pairs that canonical JSON holds."""
    if isinstance(value, list) and all(isinstance(item, list) and len(item) == 2 for item in value):
        return dict(value)
    return value


def _ascending(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise ValueError(f"expected [low, high] with low <= high, got [{value[0]}, {value[1]}]")
    return value


ordered = (Ordered(), BeforeValidator(_pairs_to_dict))
"""Annotation for `Annotated[dict[str, X], *ordered]`."""

Range = Annotated[tuple[float, float], AfterValidator(_ascending)]
"""`[low, high]`, low <= high."""

PositiveFloat = Annotated[float, Field(gt=0)]
NonNegativeFloat = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
PositiveInt = Annotated[int, Field(gt=0)]
NonNegativeInt = Annotated[int, Field(ge=0)]
