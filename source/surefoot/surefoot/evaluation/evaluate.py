"""An evaluation: every refusal first, then one batch of environments under a panel, then the report."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from surefoot.engines.base import Engine, EngineEnv, load_engine, make_env
from surefoot.engines.device import check_device
from surefoot.errors import PanelError, did_you_mean
from surefoot.evaluation.conditions import check_kicks, factor_values, panel_conditions, panel_manifest
from surefoot.evaluation.drawn import drawn_manifest, drawn_memberships, in_order
from surefoot.evaluation.ground import check_reach, tiles_of
from surefoot.evaluation.held_out import Membership, memberships
from surefoot.evaluation.panel import Panel
from surefoot.evaluation.panel_files import load_panel
from surefoot.evaluation.provenance import (
    changes_that_count,
    check_writable,
    load_and_hash,
    provenance,
    task_manifest,
)
from surefoot.evaluation.report import PanelReport, panel_report
from surefoot.evaluation.rollout import run_cells
from surefoot.machine import Machine
from surefoot.manifest import Manifest
from surefoot.manifest.document import explain
from surefoot.manifest.factors import FACTORS
from surefoot.rl.policy import load_policy
from surefoot.runs.checkpoint import check_fits, without_extension

COMMAND_GRID = "command_grid_v3"
"""The panel that is run where none is named: 36 commands, everything else as in training."""


def evaluate_checkpoint(
    path: Path,
    panel: Path | str = COMMAND_GRID,
    *,
    manifests: Path,
    task: str | None = None,
    overrides: list[str] | None = None,
    machine: Machine = Machine(),
    changes: Mapping[str, Any] | None = None,
    out: Path | None = None,
) -> PanelReport:
    """Measure the deterministic policy of a checkpoint under a panel.

    Args:
        path: Checkpoint of a surefoot run; it and its folder are only read.
        panel: Name of a shipped panel, or the path of a YAML file.
        manifests: Folder of the manifests.
        task: Evaluate on this task; default: the manifest inside the checkpoint.
        overrides: `key=value` and `group=option` for the task.
        machine: Where it is simulated.
        changes: Of the panel, by key, `seed` among them; it is another panel then, and results cannot be compared.
        out: JSON file to write the report to.

    Raises:
        PanelError: The panel is malformed, for another robot, or asks for what the engine lacks.
        CheckpointError: Corrupt, foreign, or of another observation layout or joint order.
        ManifestError: A task, an override or a condition that does not fit.
        RunFolderError: `out` cannot be written.
    """
    machine = replace(machine, device=check_device(machine.device))
    if out is not None:
        check_writable(out)
    chosen = choose_panel(panel, manifests, changes)
    loaded, file_sha256 = load_and_hash(path)
    measured_on = task_manifest(loaded.manifest, manifests, task, overrides or [])
    check_fits(loaded, measured_on)
    # Weights that do not fit are refused before a simulator is asked.
    policy = load_policy(loaded, measured_on, machine.device)
    manifest = fit_panel(chosen, measured_on, load_engine(machine.engine), machine.engine)
    members = members_of(chosen, loaded.trained_on, measured_on)

    began = time.perf_counter()
    env = build_env(machine, chosen, manifest)
    try:
        result = run_cells(env, policy, chosen)
    finally:
        env.close()
    about = provenance(chosen, loaded, file_sha256, manifest, machine)
    about["caveats"] = [*without_extension(loaded.manifest)[1], *env.caveats]
    about["manifest_changes"] = changes_that_count(loaded.manifest, measured_on, chosen.drawn)
    report = panel_report(result, members, about)
    report.plain["seconds"] = round(time.perf_counter() - began, 2)
    if out is not None:
        report.write(out)
    return report


def choose_panel(panel: Path | str, manifests: Path, changes: Mapping[str, Any] | None = None) -> Panel:
    """Read a panel, with some of its keys changed.

    Raises:
        UnknownName: No such panel.
        PanelError: It is malformed, or a change does not fit.
    """
    found = load_panel(panel, manifests)
    wanted = {key: value for key, value in (changes or {}).items() if value is not None}
    try:
        changed = Panel.model_validate(dict(found) | wanted)
    except ValidationError as error:
        key, problem = explain(error.errors()[0], Panel)
        raise PanelError(f"panel {found.name}: {'.'.join(map(str, key))}: {problem}") from None
    return in_order(changed) if changed.drawn else changed


def members_of(panel: Panel, trained_on: Sequence[Manifest], measured_on: Manifest) -> dict[str, Membership]:
    """Where each cell belongs: `trained_on` is every manifest that the policy was trained with, the newest last."""
    compare = drawn_memberships if panel.drawn else memberships
    return compare(panel, trained_on, measured_on)


def build_env(machine: Machine, panel: Panel, manifest: Manifest) -> EngineEnv:
    """One environment for each cell and replicate, replicates of a cell as neighbours.

    Under a drawn panel they draw as in training, balanced over the replicates, and follow the panel's commands.
    """
    conditions = panel_conditions(panel, manifest)
    if not panel.drawn:
        return make_env(machine, manifest, evaluation=True, conditions=conditions)
    env = make_env(machine, manifest, evaluation=True, num_envs=panel.num_envs, replicates=panel.replicates)
    # Before the rollout resets them: the first observation shows the command.
    env.commands.follow(conditions.to(env.device).timetable)
    return env


def fit_panel(panel: Panel, task: Manifest, engine: Engine, engine_name: str) -> Manifest:
    """The manifest to run a panel with, if the panel fits robot, task and engine.

    Raises:
        PanelError: It does not; names the key and the cells.
        ManifestError: A condition that the task cannot have.
    """
    if round(panel.duration / task.simulation.step_dt) < 1:
        raise PanelError(
            f"panel {panel.name}: duration: {panel.duration:g} s is less than a control step of "
            f"{task.simulation.step_dt:g} s."
        )
    if panel.drawn:
        return drawn_manifest(task, panel)
    robot = task.robot.name
    if robot not in panel.robots:
        raise PanelError(
            f"panel {panel.name}: robots: it is for {', '.join(panel.robots)}, and task {task.name} has {robot!r}. "
            "Masses and speeds of a panel fit one kind of robot; write one for this robot."
        )
    for kind, _, _ in tiles_of(panel):
        if kind not in engine.TERRAINS:
            cells = [name for name, cell in panel.cells.items() if cell.terrain.kind == kind] or ["those on a plane"]
            raise PanelError(
                f"panel {panel.name}: cells {', '.join(cells)}: terrain.kind: engine {engine_name!r} has no terrain "
                f"class {kind!r}. {did_you_mean(kind, engine.TERRAINS)}"
            )
    check_reach(panel)
    check_kicks(panel, task)
    manifest = panel_manifest(task, panel, panel.seed)
    for factor in manifest.randomization.factors:
        if factor not in engine.FACTORS:
            column = factor_values(panel, task)[factor]
            neutral = FACTORS[factor].neutral
            asked = zip(panel.cells, column, strict=True)
            cells = [name for name, value in asked if value != neutral and not math.isnan(value)]
            raise PanelError(
                f"panel {panel.name}: cells {', '.join(cells)}: {factor}: engine {engine_name!r} has no such factor. "
                f"It has {', '.join(sorted(engine.FACTORS))}. Take another engine, or a panel that extends this one "
                "`without` these cells."
            )
    return manifest
