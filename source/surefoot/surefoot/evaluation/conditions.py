"""From the cells of a panel to the conditions of environments, and to the manifest that these are built from.

Axis letters: N environments, K kicks, T entries of a timetable.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from surefoot.errors import PanelError
from surefoot.evaluation.ground import tile_of, tiles_of
from surefoot.evaluation.panel import Cell, Panel
from surefoot.manifest.factors import FACTORS, FactorKind
from surefoot.manifest.manifest import Manifest
from surefoot.manifest.validate import validate
from surefoot.randomization.conditions import Conditions, Kicks, Timetable, as_keys

Spread = Callable[[Tensor], Tensor]
"""From one row a cell to one row an environment."""

SPARE = 1.0
"""s by which the environment's time-out comes after the measurement."""


def panel_manifest(task: Manifest, panel: Panel, seed: int) -> Manifest:
    """The manifest that a panel is run with: the task's own robot, physics, observations and terminations.

    Start, episode length, seed, delays and randomisation are the panel's; a factor that every cell leaves neutral is
    left out.

    Raises:
        ManifestError: A condition that the task cannot have.
    """
    plain = task.to_plain()
    plain["seed"] = seed
    plain["task"]["episode_length"] = panel.duration + SPARE
    plain["task"]["actions"]["delay_steps"] = [0, 0]  # drawn, and on top of what a cell imposes
    for term in plain["task"]["observations"]["actor"]["terms"].values():
        term["delay_steps"] = [0, 0]
    assert panel.start is not None, "a drawn panel has another manifest"
    plain["task"]["resets"] = panel.start.model_dump(mode="json") | {"randomize_episode_start": False}
    values = factor_values(panel, task)
    edges = {name: _span(name, column) for name, column in values.items()}
    factors = {name: {"edges": span, "mode": "startup"} for name, span in edges.items() if span is not None}
    # Kicks are imposed, and the manifest has none; but it refuses a factor on kicks that are none.
    scaled = any(FACTORS[name].compared == "kicks" for name in factors)
    kicks = [kick for cell in panel.cells.values() for kick in cell.kicks if scaled]
    plain["randomization"]["push"] |= {
        "lin_vel_xy": max((kick.lin_vel for kick in kicks), default=0.0),
        "ang_vel_z": max((abs(kick.ang_vel_z) for kick in kicks), default=0.0),
    }
    plain["randomization"] |= {"factors": factors, "bucket_by": []}
    return validate(plain, source=f"panel {panel.name}")


def panel_conditions(panel: Panel, task: Manifest) -> Conditions:
    """One row for each cell and replicate; replicates of a cell are neighbours, cells in the panel's order.

    Args:
        panel: The cells.
        task: For what is counted in its physics and control steps.

    Raises:
        PanelError: A delay that is no whole number of the task's steps.
    """
    cells, tiles = list(panel.cells.values()), tiles_of(panel)
    values = {name: column for name, column in factor_values(panel, task).items() if _span(name, column) is not None}
    each = panel.replicates

    def spread(rows: Tensor) -> Tensor:
        return rows.repeat_interleave(each, dim=0)

    return Conditions(
        keys=as_keys([f"{cell.sha256}/{replicate}" for cell in cells for replicate in range(each)]),
        factors={name: spread(torch.tensor(column)) for name, column in values.items()},
        tiles=spread(torch.tensor([tiles.index(tile_of(cell.terrain)) if tiles else 0 for cell in cells])),
        kicks=_kicks(cells, spread),
        timetable=_timetable(cells, spread),
        ground=tiles,
    )


def check_kicks(panel: Panel, task: Manifest) -> None:
    """Refuse a kick that may come after the end, because it waits for its phase of the gait.

    Raises:
        PanelError: Names the cell.
    """
    cycle = 1.0 / task.task.gait.frequency
    for name, cell in panel.cells.items():
        latest = 0.0
        for kick in cell.kicks:
            latest = max(latest, kick.at) + (0.0 if kick.phase is None else cycle)
        if latest >= panel.duration:
            raise PanelError(
                f"panel {panel.name}: cells.{name}.kicks: with a gait cycle of {cycle:g} s the last one may wait until "
                f"{latest:g} s, after the end at {panel.duration:g} s."
            )


def factor_values(panel: Panel, task: Manifest) -> dict[str, list[float]]:
    """Value of every factor in each cell, in the factor's unit; NaN where the robot definition has it."""
    return {
        factor: [_in_steps(kind, cell.factor(factor), task, f"cells.{name}") for name, cell in panel.cells.items()]
        for factor, kind in FACTORS.items()
    }


def _in_steps(kind: FactorKind, value: float | None, task: Manifest, cell: str) -> float:
    if value is None:
        return math.nan
    return value if kind.step is None else whole_steps(value, kind.step(task), f"{cell}.{kind.name}")


def whole_steps(seconds: float, step: float, key: str) -> float:
    """A delay as a number of steps.

    Raises:
        PanelError: It is more than a tenth of a step away from one.
    """
    steps = seconds / step
    if abs(steps - round(steps)) > 0.1:
        raise PanelError(f"{key}: {seconds:g} s is no whole number of steps of {step:g} s; expected a multiple.")
    return float(round(steps))


def _span(name: str, column: list[float]) -> list[float] | None:
    """Smallest and largest value; None where no cell needs the factor."""
    known = [value for value in column if not math.isnan(value)]
    needed = bool(known) and not all(value == FACTORS[name].neutral for value in known)
    return [min(known), max(known)] if needed else None


def _kicks(cells: list[Cell], spread: Spread) -> Kicks:
    most = max(1, *(len(cell.kicks) for cell in cells))
    at = torch.full((len(cells), most), math.inf)
    phase = torch.full((len(cells), most), math.nan)
    change = torch.zeros(len(cells), most, 3)
    for row, cell in enumerate(cells):
        for place, kick in enumerate(cell.kicks):
            angle = math.radians(kick.direction_deg)
            at[row, place] = kick.at
            phase[row, place] = math.nan if kick.phase is None else kick.phase
            x, y = kick.lin_vel * math.cos(angle), kick.lin_vel * math.sin(angle)
            change[row, place] = torch.tensor([x, y, kick.ang_vel_z])
    return Kicks(spread(at), spread(phase), spread(change))


def _timetable(cells: list[Cell], spread: Spread) -> Timetable:
    most = max(len(cell.commands) for cell in cells)
    times = torch.full((len(cells), most), math.inf)
    commands = torch.zeros(len(cells), most, 3)
    for row, cell in enumerate(cells):
        for place, (time, *command) in enumerate(cell.commands):
            times[row, place] = time
            commands[row, place] = torch.tensor(command)
    return Timetable(spread(times), spread(commands))
