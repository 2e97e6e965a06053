"""What is evaluated, on which task, and what a report says of both."""

import hashlib
import json
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import surefoot
from surefoot.errors import CheckpointError, RunFolderError
from surefoot.evaluation.drawn import what_is_drawn
from surefoot.evaluation.held_out import declared_noise
from surefoot.evaluation.metrics import METRICS
from surefoot.evaluation.panel import Panel
from surefoot.machine import Machine
from surefoot.manifest import Manifest, compose_manifest, diff_manifests, override_manifest, validate
from surefoot.manifest.compose import is_group
from surefoot.manifest.manifest import canonical_data
from surefoot.runs.checkpoint import Checkpoint, load, without_extension

_PACKAGES = ("torch", "rsl-rl-lib", "mujoco", "mujoco-warp", "mjlab", "mjbatch", "isaaclab", "newton")


def load_and_hash(path: Path) -> tuple[Checkpoint, str]:
    """A checkpoint, and the SHA-256 of the file that it was read from.

    Raises:
        CheckpointError: As `load`, or the file was replaced meanwhile, as a training run replaces model_best.pt.
    """
    before = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    checkpoint = load(path)
    if hashlib.sha256(path.read_bytes()).hexdigest() != before:
        raise CheckpointError(f"{path}: another checkpoint took its place while it was read. Try again.")
    return checkpoint, before


def task_manifest(own: Manifest, manifests: Path, task: str | None, overrides: list[str]) -> Manifest:
    """The manifest that a policy is used on.

    Args:
        own: The one inside the checkpoint.
        manifests: Folder of the manifests.
        task: If given, that task as its files say; otherwise `own`, with what it was trained with, save what Python
            added to it.
        overrides: `key=value` and `group=option`; an option replaces the whole section.

    Raises:
        UnknownName: No such task.
        ManifestError: An override that does not fit.
    """
    if task is not None:
        return compose_manifest(manifests, task, overrides)
    own, _ = without_extension(own)
    groups = [text for text in overrides if "." not in (key := text.split("=", 1)[0]) and is_group(manifests, key)]
    if groups:
        chosen = compose_manifest(manifests, own.name, groups)
        sections = {key: getattr(chosen, key) for key in (text.split("=", 1)[0] for text in groups)}
        own = validate(own.model_copy(update=sections).to_plain(), source="command line")
    return override_manifest(own, [text for text in overrides if text not in groups])


def report_path(
    checkpoint: Checkpoint, panel: Panel, shipped: Panel, measured_on: Manifest, engine: str, overridden: bool
) -> Path:
    """Beside the checkpoint; another task, engine, seed or setting does not take the place of the one without them.

    Args:
        checkpoint: That is measured.
        panel: As it is run.
        shipped: As its file has it.
        measured_on: The task that it is measured on.
        engine: Name of the engine.
        overridden: Whether the task has overrides.
    """
    marks = [measured_on.name] if measured_on.name != checkpoint.manifest.name else []
    marks += [engine.replace(":", "_")] if engine != "mujoco" else []
    marks += [f"seed{panel.seed}"] if panel.seed != shipped.seed else []
    marks += [panel.sha256[:8]] if panel.model_copy(update={"seed": shipped.seed}).sha256 != shipped.sha256 else []
    counted = overridden and changes_that_count(checkpoint.manifest, measured_on, panel.drawn)
    marks += [measured_on.sha256[:8]] if counted else []
    return checkpoint.path.parent / ("_".join(["panel", panel.name, str(checkpoint.iteration), *marks]) + ".json")


def check_writable(path: Path) -> None:
    """Refuse a report path without a folder before the evaluation is spent on it.

    Raises:
        RunFolderError: There is no such folder, or `path` is a folder itself.
    """
    if path.is_dir() or not path.parent.is_dir():
        what = "is a folder" if path.is_dir() else f"folder {path.parent} does not exist"
        raise RunFolderError(f"{path}: {what}; expected the path of a JSON file in a folder that exists.")


def provenance(
    panel: Panel, checkpoint: Checkpoint, file_sha256: str, manifest: Manifest, machine: Machine
) -> dict[str, Any]:
    """What goes to the top of a report.

    Args:
        panel: That was run.
        checkpoint: Whose policy was measured.
        file_sha256: Of the checkpoint's file.
        manifest: That the environments were built from.
        machine: Where it was simulated.
    """
    return {
        "panel": panel.name,
        "panel_sha256": panel.sha256,
        **({"panel_extends": panel.extends.model_dump()} if panel.extends is not None else {}),
        "metric_versions": {name: metric.version for name, metric in METRICS.items()},
        "units": {name: metric.unit for name, metric in METRICS.items()},
        "checkpoint": str(checkpoint.path),
        "checkpoint_sha256": file_sha256,
        "iteration": checkpoint.iteration,
        "training_manifest_sha256": checkpoint.manifest.sha256,
        "earlier_manifests_sha256": [earlier.sha256 for earlier in checkpoint.earlier],
        "task": manifest.name,
        "manifest_sha256": manifest.sha256,
        "setting_sha256": setting_sha256(manifest, panel.drawn),
        "engine": machine.engine,
        "device": machine.device,
        "contact_model": manifest.simulation.contact_model,
        "sensor_noise": declared_noise(manifest),
        "seed": panel.seed,
        "replicates": panel.replicates,
        "duration": panel.duration,
        "warm_up": panel.warm_up,
        "success": panel.success.model_dump(),
        "versions": {"surefoot": surefoot.__version__} | package_versions(),
        **({"drawn": what_is_drawn(manifest)} if panel.drawn else {}),
    }


_UNMEASURED = (
    "name", "seed", "training.", "ppo.", "schedule.", "promotion.", "audit.", "randomization.push.", "task.rewards.",
    "task.curriculum.", "task.episode_length", "task.commands.lin_vel", "task.commands.ang_vel",
    "task.commands.resampling_time", "task.commands.standing_fraction", "task.observations.critic.",
)  # fmt: skip
"""Keys that every panel sets itself, or that nothing measured depends on."""
_IMPOSED = ("randomization.", "task.resets.", "task.terrain.")
"""Keys in whose place a panel imposes what it wants, unless it is drawn."""


def changes_that_count(trained: Manifest, measured_on: Manifest, drawn: bool = False) -> list[tuple[str, Any, Any]]:
    """Keys in which a policy is measured otherwise than it was trained, though the panel does not say so."""
    left_out = _UNMEASURED if drawn else (*_UNMEASURED, *_IMPOSED)
    return [row for row in diff_manifests(trained, measured_on) if not row[0].startswith(left_out)]


def setting_sha256(manifest: Manifest, drawn: bool = False) -> str:
    """Of what is neither the panel's nor the policy's: robot, physics, what ends an episode, and what is drawn."""
    parts = [manifest.robot, manifest.simulation]
    ends = [[name, canonical_data(term)] for name, term in manifest.task.terminations.items()]
    drawn_part = [what_is_drawn(manifest)] if drawn else []
    text = json.dumps([*(canonical_data(part) for part in parts), ends, *drawn_part], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def package_versions(names: Sequence[str] = _PACKAGES) -> dict[str, str]:
    """Versions of the packages that a result depends on, of those installed: no environment has all of them."""
    found: dict[str, str] = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
