"""The ground of cells: compared with the ground of training, and as a list of tiles."""

import math
from collections.abc import Callable
from typing import Any, TypeVar

from surefoot.errors import PanelError
from surefoot.evaluation.panel import PLANE, Cell, Ground, Panel
from surefoot.manifest.manifest import Manifest
from surefoot.terrain.layout import EVALUATION_TILE

F = TypeVar("F")
Tile = tuple[str, float, int]
"""Terrain class, difficulty, seed."""

LEVEL = "flat"
"""The terrain class that is a plane."""
_MARGIN = 1.0
"""m that are kept to a tile's edge."""
_OVERSHOOT = 1.1
"""How much faster than commanded a robot may be."""
SEEDLESS = frozenset({LEVEL, "slope_up", "slope_down", "stairs_up", "stairs_down", "gaps", "rails"})
"""Classes whose shape follows from the difficulty alone: another seed is the same ground."""


def tiles_of(panel: Panel) -> tuple[Tile, ...]:
    """Every ground that a cell stands on, once, in an order that cells do not change; empty if all are planes."""
    grounds = [cell.terrain for cell in panel.cells.values()]
    if all(ground.kind == PLANE for ground in grounds):
        return ()
    return tuple(sorted({tile_of(ground) for ground in grounds}))


def farthest(cell: Cell, duration: float) -> float:
    """m that a robot covers that follows a cell's commands for `duration` s straight ahead."""
    ends = [*(entry[0] for entry in cell.commands[1:]), duration]
    return sum(
        math.hypot(vx, vy) * max(0.0, min(end, duration) - start)
        for (start, vx, vy, _), end in zip(cell.commands, ends, strict=True)
    )


def check_reach(panel: Panel) -> None:
    """Refuse commands that lead beyond a tile: an episode that ends at its edge would count as no success.

    Raises:
        PanelError: Names the cell.
    """
    if not tiles_of(panel) or panel.start is None:
        return
    start = max(abs(bound) for bound in panel.start.position_xy)
    reach = (0.5 * EVALUATION_TILE.size - _MARGIN - start) / _OVERSHOOT
    for name, cell in panel.cells.items():
        if (distance := farthest(cell, panel.duration)) > reach:
            raise PanelError(
                f"panel {panel.name}: cells.{name}.commands: they lead {distance:.1f} m away in {panel.duration:g} s; "
                f"a tile has room for {reach:.1f} m. Command less speed, or shorten the panel's duration."
            )


def tile_of(ground: Ground) -> Tile:
    """A ground as the terrain's tile; beside others a plane is a level tile."""
    return (LEVEL, 0.0, 0) if ground.kind == PLANE else (ground.kind, ground.difficulty, ground.seed)


def ground_finding(ground: Ground, training: Manifest, finding: Callable[[str, str, str, bool, float | None], F]) -> F:
    """Compare a cell's ground with training's.

    A plane is never held out: wherever training was, episodes began on level ground. Of a class that training knows, a
    ground is held out if a measure of it (height, width ...) is outside training's, or if its shape is drawn and was
    drawn from another seed.
    """
    if ground.kind in (PLANE, LEVEL):
        return finding("terrain", ground.kind, trained_on(training), False, 0.0)
    cell = f"{ground.kind}, difficulty {ground.difficulty:g}, seed {ground.seed}"
    generator: Any = getattr(training.task.terrain, "generator", None)
    if generator is None or ground.kind not in generator.classes:
        return finding("terrain", cell, trained_on(training), True, None)
    measures, beyond = _measures_outside(ground, generator)
    if measures:
        return finding("terrain", f"{cell}: {measures}", trained_on(training), True, beyond)
    other_shape = ground.kind not in SEEDLESS and ground.seed != generator.seed
    return finding("terrain", cell, trained_on(training), other_shape, None if other_shape else 0.0)


def trained_on(training: Manifest) -> str:
    """Training's ground in words."""
    generator: Any = getattr(training.task.terrain, "generator", None)
    if generator is None:
        return "plane"
    low, high = generator.difficulty
    return f"{', '.join(generator.classes)}, difficulty {low:g} to {high:g}, seed {generator.seed}"


def _measures_outside(ground: Ground, generator: Any) -> tuple[str, float]:
    """Measures of a ground that are not within training's, in words, and how far outside over training's width."""
    from surefoot.manifest.terrain_classes import TERRAIN_CLASSES

    first, last = generator.difficulty
    outside: list[str] = []
    beyond = 0.0
    for name, param in TERRAIN_CLASSES[ground.kind].params.items():
        here = _at(param.default, ground.difficulty)
        ends = generator.classes[ground.kind].params.get(name, param.default)
        low, high = sorted((_at(ends, first), _at(ends, last)))
        if not low - 1e-9 <= here <= high + 1e-9:
            outside.append(f"{name} {here:g} {param.unit} (trained on {low:g} to {high:g})")
            beyond = max(beyond, max(low - here, here - high) / (high - low or abs(high) or 1.0))
    return ", ".join(outside), beyond


def _at(ends: tuple[float, float], difficulty: float) -> float:
    return ends[0] + (ends[1] - ends[0]) * difficulty
