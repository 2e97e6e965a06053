"""A panel on a checkpoint: every refusal first, then one batch of environments, then the report."""

import hashlib
import json
import math
import time
from pathlib import Path
from typing import Any

import surefoot
from surefoot.engines.base import Engine, load_engine
from surefoot.engines.device import check_device
from surefoot.errors import PanelError, did_you_mean
from surefoot.evaluation.cell_rollout import PanelResult, run_cells
from surefoot.evaluation.conditions import check_kicks, factor_values, panel_conditions, panel_manifest
from surefoot.evaluation.evaluate import check_writable, load_and_hash, package_versions, task_manifest
from surefoot.evaluation.ground import check_reach, tiles_of
from surefoot.evaluation.held_out import declared_noise, memberships
from surefoot.evaluation.metrics import PANEL_METRICS
from surefoot.evaluation.panel import Panel
from surefoot.evaluation.panel_files import load_panel
from surefoot.evaluation.panel_report import PanelReport, panel_report
from surefoot.manifest import Manifest, diff_manifests
from surefoot.manifest.factors import FACTORS
from surefoot.manifest.manifest import canonical_data
from surefoot.rl.policy import load_policy
from surefoot.runs.checkpoint import Checkpoint, check_fits, without_extension


def run_panel(
    checkpoint: Path,
    panel: Path | str,
    *,
    manifests: Path,
    task: str | None = None,
    overrides: list[str] | None = None,
    engine: str = "mujoco",
    device: str = "cpu",
    seed: int | None = None,
    num_threads: int = 0,
    out: Path | None = None,
) -> PanelReport:
    """Measure the deterministic policy of a checkpoint under a panel.

    Args:
        checkpoint: Of a surefoot run; it and its folder are only read.
        panel: Name of a shipped panel, or the path of a YAML file.
        manifests: Folder of the manifests.
        task: Evaluate on this task; default: the manifest inside the checkpoint.
        overrides: `key=value` and `group=option` for the task.
        engine: Name of an engine.
        device: `cpu` or `cuda:N`.
        seed: In place of the panel's; results of two seeds cannot be compared.
        num_threads: Physics threads on a CPU; 0 means all cores.
        out: JSON file to write the report to.

    Raises:
        PanelError: The panel is malformed, for another robot, or asks for what the engine lacks.
        CheckpointError: Corrupt, foreign, or of another observation layout or joint order.
        ManifestError: A task, an override or a condition that does not fit.
        RunFolderError: `out` cannot be written.
    """
    report, _ = run_and_keep(
        checkpoint,
        panel,
        manifests=manifests,
        task=task,
        overrides=overrides,
        engine=engine,
        device=device,
        seed=seed,
        num_threads=num_threads,
        out=out,
    )
    return report


def run_and_keep(
    checkpoint: Path,
    panel: Path | str,
    *,
    manifests: Path,
    task: str | None,
    overrides: list[str] | None,
    engine: str,
    device: str,
    seed: int | None,
    num_threads: int,
    out: Path | None,
) -> tuple[PanelReport, PanelResult]:
    """`run_panel`, and the episodes behind the report."""
    device = check_device(device)
    if out is not None:
        check_writable(out)
    chosen = load_panel(panel, manifests)
    if seed is not None:
        chosen = chosen.model_copy(update={"seed": seed})
    loaded, file_sha256 = load_and_hash(checkpoint)
    measured_on = task_manifest(loaded.manifest, manifests, task, overrides or [])
    check_fits(loaded, measured_on)
    simulator = load_engine(engine)
    manifest = fit_panel(chosen, measured_on, simulator, engine)
    members = memberships(chosen, loaded.trained_on, measured_on)
    policy = load_policy(loaded, manifest, device)

    began = time.perf_counter()
    conditions = panel_conditions(chosen, manifest)
    env = simulator.make_env(manifest, device=device, num_threads=num_threads, evaluation=True, conditions=conditions)
    try:
        result = run_cells(env, policy, chosen)
    finally:
        env.close()
    provenance = _provenance(chosen, loaded, file_sha256, manifest, engine, device)
    provenance["caveats"] = [*without_extension(loaded.manifest)[1], *env.caveats]
    provenance["manifest_changes"] = changes_that_count(loaded.manifest, measured_on)
    report = panel_report(result, members, provenance)
    report.plain["seconds"] = round(time.perf_counter() - began, 2)
    if out is not None:
        report.write(out)
    return report, result


def fit_panel(panel: Panel, task: Manifest, engine: Engine, engine_name: str) -> Manifest:
    """The manifest to run a panel with, if the panel fits robot, task and engine.

    Raises:
        PanelError: It does not; names the key and the cells.
        ManifestError: A condition that the task cannot have.
    """
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


def _provenance(
    panel: Panel, checkpoint: Checkpoint, file_sha256: str, manifest: Manifest, engine: str, device: str
) -> dict[str, Any]:
    return {
        "panel": panel.name,
        "panel_sha256": panel.sha256,
        **({"panel_extends": panel.extends.model_dump()} if panel.extends is not None else {}),
        "metric_versions": {name: metric.version for name, metric in PANEL_METRICS.items()},
        "units": {name: metric.unit for name, metric in PANEL_METRICS.items()},
        "checkpoint": str(checkpoint.path),
        "checkpoint_sha256": file_sha256,
        "iteration": checkpoint.iteration,
        "training_manifest_sha256": checkpoint.manifest.sha256,
        "earlier_manifests_sha256": [earlier.sha256 for earlier in checkpoint.earlier],
        "task": manifest.name,
        "manifest_sha256": manifest.sha256,
        "setting_sha256": setting_sha256(manifest),
        "engine": engine,
        "device": device,
        "contact_model": manifest.simulation.contact_model,
        "sensor_noise": declared_noise(manifest),
        "seed": panel.seed,
        "replicates": panel.replicates,
        "duration": panel.duration,
        "warm_up": panel.warm_up,
        "success": panel.success.model_dump(),
        "versions": {"surefoot": surefoot.__version__} | package_versions(),
    }


_PANELS_OWN = (
    "name", "seed", "training.", "ppo.", "schedule.", "audit.", "randomization.", "task.rewards.", "task.curriculum.",
    "task.resets.", "task.episode_length", "task.terrain.", "task.commands.lin_vel", "task.commands.ang_vel",
    "task.commands.resampling_time", "task.commands.standing_fraction", "task.observations.critic.",
)  # fmt: skip
"""Keys that a panel sets itself, or that nothing measured depends on."""


def changes_that_count(trained: Manifest, measured_on: Manifest) -> list[tuple[str, Any, Any]]:
    """Keys in which a policy is measured otherwise than it was trained, though the panel does not say so."""
    return [row for row in diff_manifests(trained, measured_on) if not row[0].startswith(_PANELS_OWN)]


def setting_sha256(manifest: Manifest) -> str:
    """Of what is neither the panel's nor the policy's: robot, physics and what ends an episode."""
    parts = [manifest.robot, manifest.simulation]
    ends = [[name, canonical_data(term)] for name, term in manifest.task.terminations.items()]
    text = json.dumps([*(canonical_data(part) for part in parts), ends], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
