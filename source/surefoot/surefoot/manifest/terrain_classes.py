"""The vocabulary of terrain classes: names, parameters, and their values at difficulty 0 and 1."""

from dataclasses import dataclass

Ends = tuple[float, float]
"""Value at difficulty 0 and at difficulty 1; linear between."""


@dataclass(frozen=True)
class ShapeParam:
    """A number that shapes a terrain class."""

    unit: str
    default: Ends
    meaning: str
    may_be_zero: bool = False
    """Otherwise it must be positive."""

    def problem(self, ends: Ends) -> str:
        """What is wrong with values; empty where nothing is."""
        if min(ends) < 0 or (min(ends) == 0 and not self.may_be_zero):
            return f"expected values {'>= 0' if self.may_be_zero else '> 0'} {self.unit}, got {list(ends)}"
        if max(ends) > 1000 or 0 < min(ends) < 0.001:
            return f"expected values from 0.001 to 1000 {self.unit}, got {list(ends)}"
        return ""


@dataclass(frozen=True)
class TerrainKind:
    """A terrain class: what it looks like, and what its difficulty changes."""

    meaning: str
    params: dict[str, ShapeParam]


_DEPTH = ShapeParam("m", (0.5, 0.5), "how far down the holes go")

TERRAIN_CLASSES: dict[str, TerrainKind] = {
    "flat": TerrainKind("level ground", {}),
    "random_rough": TerrainKind(
        "heights uniform within plus and minus amplitude at points `spacing` apart, bilinear between",
        {
            "amplitude": ShapeParam("m", (0.01, 0.08), "largest height, up or down", may_be_zero=True),
            "spacing": ShapeParam("m", (0.2, 0.2), "distance of the points"),
        },
    ),
    "slope_up": TerrainKind(
        "a pyramid upside down: the ground rises from the platform to all four sides",
        {"slope": ShapeParam("m/m", (0.05, 0.5), "rise over run", may_be_zero=True)},
    ),
    "slope_down": TerrainKind(
        "a pyramid: the ground falls from the platform to all four sides",
        {"slope": ShapeParam("m/m", (0.05, 0.5), "fall over run", may_be_zero=True)},
    ),
    "stairs_up": TerrainKind(
        "square rings of steps that climb away from the platform",
        {
            "step_height": ShapeParam("m", (0.03, 0.20), "height of a step", may_be_zero=True),
            "step_depth": ShapeParam("m", (0.30, 0.30), "depth of a tread"),
        },
    ),
    "stairs_down": TerrainKind(
        "square rings of steps that descend from the platform",
        {
            "step_height": ShapeParam("m", (0.03, 0.20), "height of a step", may_be_zero=True),
            "step_depth": ShapeParam("m", (0.30, 0.30), "depth of a tread"),
        },
    ),
    "boxes": TerrainKind(
        "a chessboard of squares, each at its own height, uniform within plus and minus height",
        {
            "height": ShapeParam("m", (0.02, 0.15), "largest height, up or down", may_be_zero=True),
            "width": ShapeParam("m", (0.45, 0.45), "side of a square"),
        },
    ),
    "discrete_obstacles": TerrainKind(
        "blocks on level ground, at random places; height uniform between half of `height` and all of it",
        {
            "height": ShapeParam("m", (0.03, 0.20), "largest height of a block", may_be_zero=True),
            "width": ShapeParam("m", (0.60, 0.60), "largest side of a block; the smallest is half of it"),
            "density": ShapeParam("1/m^2", (0.5, 0.5), "blocks for each square metre", may_be_zero=True),
        },
    ),
    "stepping_stones": TerrainKind(
        "square stones at one height, holes between them; each stone is moved by up to a quarter of the gap",
        {
            "stone_width": ShapeParam("m", (0.80, 0.30), "side of a stone"),
            "gap": ShapeParam("m", (0.05, 0.20), "between two stones"),
            "depth": _DEPTH,
        },
    ),
    "gaps": TerrainKind(
        "square rings of gaps around the platform",
        {
            "gap": ShapeParam("m", (0.05, 0.30), "width of a gap"),
            "spacing": ShapeParam("m", (1.0, 1.0), "ground between two gaps"),
            "depth": _DEPTH,
        },
    ),
    "rails": TerrainKind(
        "square rings of low walls around the platform",
        {
            "height": ShapeParam("m", (0.03, 0.15), "height of a rail", may_be_zero=True),
            "width": ShapeParam("m", (0.15, 0.15), "width of a rail"),
            "spacing": ShapeParam("m", (0.8, 0.8), "ground between two rails"),
        },
    ),
    "waves": TerrainKind(
        "the mean of a sine along x and one along y, with random phases",
        {
            "amplitude": ShapeParam("m", (0.02, 0.20), "largest height, up or down", may_be_zero=True),
            "wavelength": ShapeParam("m", (2.0, 2.0), "length of a wave"),
        },
    ),
}
"""By name. The order is that of nothing: tiles are keyed by class name."""

TERRAIN_CLASS = "terrain_class"
"""Its name in `randomization.bucket_by`."""
