"""Evaluation of a checkpoint: check it, build the environments, run the grid, say under which conditions."""

import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import surefoot
from surefoot.engines.base import load_engine
from surefoot.engines.device import check_device
from surefoot.errors import CheckpointError, RunFolderError
from surefoot.evaluation.command_grid import CommandGrid
from surefoot.evaluation.report import OWN_CHANGES, Provenance
from surefoot.evaluation.rollout import GridResult, evaluate_grid, grid_manifest
from surefoot.manifest import Manifest, compose_manifest, diff_manifests, override_manifest, validate
from surefoot.manifest.compose import is_group
from surefoot.rl.policy import load_policy
from surefoot.runs.checkpoint import Checkpoint, check_fits, load, without_extension

_PACKAGES = ("torch", "rsl-rl-lib", "mujoco", "mujoco-warp", "mjlab", "mjbatch", "isaaclab", "newton")


def evaluate_checkpoint(
    path: Path,
    grid: CommandGrid,
    *,
    manifests: Path,
    task: str | None = None,
    overrides: list[str] | None = None,
    engine: str = "mujoco",
    device: str = "cpu",
    seed: int = 0,
    num_threads: int = 0,
) -> tuple[Provenance, GridResult]:
    """Run the deterministic policy of a checkpoint over a grid of commands.

    Args:
        path: Checkpoint of a surefoot run; it and its folder are only read.
        grid: Commands, duration, replicates.
        manifests: Folder of the manifests, for `task` and for group overrides.
        task: Evaluate on this task; default: the manifest inside the checkpoint.
        overrides: `key=value` and `group=option`.
        engine: Name of an engine.
        device: `cpu` or `cuda:N`.
        seed: Of every random draw in the evaluation.
        num_threads: Physics threads on a CPU; 0 means all cores.

    Raises:
        CheckpointError: Corrupt, foreign, or of another observation layout; no environment was built.
        ManifestError: An override that does not fit.
    """
    device = check_device(device)
    checkpoint, file_sha256 = load_and_hash(path)
    manifest = task_manifest(checkpoint.manifest, manifests, task, overrides or [])
    check_fits(checkpoint, manifest)
    manifest = grid_manifest(manifest, grid, seed)
    grid.steps(manifest.simulation.step_dt)
    policy = load_policy(checkpoint, manifest, device)
    env = load_engine(engine).make_env(
        manifest,
        device=device,
        num_envs=grid.num_envs,
        num_threads=num_threads,
        evaluation=True,
        replicates=grid.replicates,
    )
    try:
        result = evaluate_grid(env, policy, grid)
    finally:
        env.close()
    caveats = [*without_extension(checkpoint.manifest)[1], *env.caveats]
    return _provenance(checkpoint, file_sha256, manifest, engine, device, caveats), result


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


def default_report_path(path: Path, provenance: Provenance) -> Path:
    """Beside the checkpoint; another engine, seed or overrides do not take the place of the evaluation without them."""
    p = provenance
    marks = [p.engine.replace(":", "_")] if p.engine != "mujoco" else []
    marks += [f"seed{p.seed}"] if p.seed else []
    if any(key not in OWN_CHANGES and not key.startswith("simulation.") for key, _, _ in p.manifest_changes):
        marks.append(p.manifest_sha256[:8])
    return path.parent / ("_".join(["eval", str(p.iteration), p.contact_model, *marks]) + ".json")


def check_writable(path: Path) -> None:
    """Refuse a report path without a folder before the evaluation is spent on it.

    Raises:
        RunFolderError: There is no such folder, or `path` is a folder itself.
    """
    if path.is_dir() or not path.parent.is_dir():
        what = "is a folder" if path.is_dir() else f"folder {path.parent} does not exist"
        raise RunFolderError(f"{path}: {what}; expected the path of a JSON file in a folder that exists.")


def _provenance(
    checkpoint: Checkpoint, file_sha256: str, manifest: Manifest, engine: str, device: str, caveats: list[str]
) -> Provenance:
    task = manifest.task
    resets = task.resets.model_dump(mode="json", exclude={"randomize_episode_start"})
    return Provenance(
        checkpoint=str(checkpoint.path),
        checkpoint_sha256=file_sha256,
        iteration=checkpoint.iteration,
        checkpoint_manifest_sha256=checkpoint.manifest.sha256,
        task=manifest.name,
        manifest_sha256=manifest.sha256,
        manifest_changes=diff_manifests(checkpoint.manifest, manifest),
        engine=engine,
        device=device,
        contact_model=manifest.simulation.contact_model,
        seed=manifest.seed,
        conditions={
            "policy": "deterministic",
            "sensor_noise": task.observations.actor.noise,
            "factors": {
                name: [factor.edges[0], factor.edges[-1]] for name, factor in manifest.randomization.factors.items()
            },
            "pushes": False,
            "commands": "held from the reset on",
            "start": resets,
        },
        versions={"surefoot": surefoot.__version__} | package_versions(),
        caveats=caveats,
    )


def package_versions() -> dict[str, str]:
    """Versions of the packages that a result depends on, of those installed."""
    found: dict[str, str] = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
