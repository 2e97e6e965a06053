"""A cell of a panel imposes any factor: read back from the simulator, in every environment of every cell.

All factors are imposed at once, each by a cell of its own, so that what one cell imposes and another one gets is seen
too. The cases come from the records of the factors: a new one is tested here without a new test.
"""

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

import engines_here
from surefoot.engines import load_engine
from surefoot.engines.factors import PLACE, SHIFT
from surefoot.errors import PanelError
from surefoot.evaluation.conditions import panel_conditions, panel_manifest
from surefoot.evaluation.evaluate import fit_panel
from surefoot.evaluation.panel import Panel
from surefoot.evaluation.panel_files import read_panel
from surefoot.manifest import Manifest, compose_manifest
from surefoot.manifest.factors import FACTORS
from surefoot_tasks import manifest_root

TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
EACH = 2


def task() -> Manifest:
    return compose_manifest(manifest_root(), TASK)


def panel_of(names: list[str]) -> Panel:
    """A cell for each factor, and one that imposes nothing."""
    cells: dict[str, dict[str, Any]] = {"as_it_is": {}}
    for name in names:
        kind = FACTORS[name]
        cells[name] = {name: kind.example if kind.step is None else kind.example * kind.step(task())}
        cells[name] |= {kind.needs: FACTORS[kind.needs].example} if kind.needs else {}
        cells[name] |= {"kicks": [{"at": 0.1, "lin_vel": 0.5}]} if kind.compared == "kicks" else {}
    zero = [0.0, 0.0]
    return read_panel({
        "schema_version": 1, "name": "every_factor_v1", "why": "a panel that a test made for itself", "seed": 0,
        "robots": ["unitree_go1"], "replicates": EACH, "duration": 1.0, "warm_up": 0.0,
        "success": {"lin_vel_error": 0.3, "yaw_rate_error": 0.3},
        "start": dict.fromkeys(("position_xy", "yaw", "lin_vel", "ang_vel", "joint_pos", "joint_vel"), zero),
        "nominal": {"why": "a cell that a test made for itself", "commands": [[0, 0.5, 0, 0]]}, "cells": cells,
    })  # fmt: skip


@pytest.fixture(scope="module")
def panel(engine: str) -> Panel:
    return panel_of([name for name in FACTORS if name in load_engine(engine).FACTORS])


@pytest.fixture(scope="module")
def env(engine: str, panel: Panel) -> Iterator[Any]:
    manifest = panel_manifest(task(), panel, panel.seed)
    builder = engines_here.Builder(engine)
    yield builder(manifest, evaluation=True, conditions=panel_conditions(panel, manifest))
    builder.close()


def imposed(panel: Panel, name: str) -> Tensor:
    """Value of a factor in each environment, in its own unit; NaN where the robot has its own. Shape (N,)."""
    kind, rows = FACTORS[name], []
    for cell in panel.cells.values():
        value = cell.factor(name)
        rows.append(math.nan if value is None else value if kind.step is None else value / kind.step(task()))
    return torch.tensor(rows).repeat_interleave(EACH)


def base_as_it_should_be(env: Any, panel: Panel) -> dict[str, Tensor]:
    """Mass and centre of mass of the base: two masses and their common centre. Shapes (N, 1) and (N, 1, 3)."""
    own, added = env.factors.base, imposed(panel, "payload_mass").unsqueeze(1)
    place = torch.stack([imposed(panel, name) for name in PLACE], dim=1)
    place = torch.where(place.isnan(), own.com.float(), place)
    shift = torch.stack([imposed(panel, name) for name in SHIFT], dim=1)
    com = (own.mass * own.com + added * place) / (own.mass + added) + shift
    return {"mass": own.mass + added, "com": com.unsqueeze(1)}


@pytest.mark.parametrize("name", FACTORS)
def test_a_cell_that_imposes_a_factor_is_simulated_with_it(env: Any, panel: Panel, name: str) -> None:
    if name not in panel.cells:
        pytest.skip("a factor that this engine lacks; refused: see below")
    kind, held, nominal = FACTORS[name], env.factors.held, env.factors.nominal
    wanted = imposed(panel, name)
    value = env.buckets.values[name].float()
    assert torch.allclose(value, torch.where(wanted.isnan(), value, wanted))
    assert (value != value[0]).sum() >= EACH  # beside the cell that imposes nothing
    for quantity in (quantity for quantity in kind.scales if quantity in nominal):
        factors = [other for other in FACTORS if quantity in FACTORS[other].scales]
        factor = torch.stack([imposed(panel, other) for other in factors]).prod(dim=0)
        expected = nominal[quantity] * factor.view(-1, *[1] * nominal[quantity].dim())
        assert torch.allclose(held(quantity).double(), expected, rtol=1e-5, atol=1e-9), quantity
    for quantity in kind.sets:
        column = wanted.view(-1, *[1] * nominal[quantity].dim())
        expected = torch.where(column.isnan(), nominal[quantity], column.double())
        assert torch.allclose(held(quantity).double(), expected, rtol=1e-5), quantity
    for quantity in set(kind.loads) & {"mass", "com"}:
        expected = base_as_it_should_be(env, panel)[quantity]
        assert torch.allclose(held(quantity).double(), expected.double(), atol=1e-6), quantity


def test_an_engine_without_a_factor_names_cell_factor_engine_and_way_out(engine: str) -> None:
    class Lacking:
        FACTORS = load_engine(engine).FACTORS - {"link_mass"}
        TERRAINS = load_engine(engine).TERRAINS

    panel = panel_of(["stiffness", "link_mass"])
    with pytest.raises(PanelError) as refused:
        fit_panel(panel, task(), Lacking, engine)  # pyright: ignore[reportArgumentType]
    said = str(refused.value)
    assert said.startswith(f"panel every_factor_v1: cells link_mass: link_mass: engine {engine!r} has no such factor.")
    assert said.endswith("Take another engine, or a panel that extends this one `without` these cells.")
    assert "\n" not in said
