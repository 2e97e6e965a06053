"""The Python API, re-exported at the top of `surefoot`: what the commands do, for scripts and notebooks.

A run or a policy is a run folder, a checkpoint in it, or `latest`; a task is a name of `list_tasks()` or a manifest.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from surefoot.machine import Machine
from surefoot.manifest import Manifest, compose_manifest, override_manifest, read_manifest
from surefoot.runs.locate import LATEST, RUNS, checkpoint_file, run_folder
from surefoot_tasks import audit_config, manifest_root
from surefoot_tasks import list_tasks as list_tasks

if TYPE_CHECKING:
    from surefoot.audit.attach import AttachedAccounts
    from surefoot.engines.base import EngineEnv
    from surefoot.evaluation.compare import MetricComparison
    from surefoot.evaluation.report import PanelReport
    from surefoot.replay.trace_run import ReplayResult
    from surefoot.rl.policy import Policy

Run = str | Path


def load_manifest(task: Run, *overrides: str) -> Manifest:
    """The manifest of a task, of a run or of a manifest.yaml, with overrides as on the command line.

    Raises:
        UnknownName: No such task; with the nearest.
        ManifestError: An override, or the file, does not fit.
    """
    root, path = manifest_root(), Path(task)
    if str(task) == LATEST or path.is_dir():
        return override_manifest(read_manifest(run_folder(path) / "manifest.yaml"), list(overrides))
    if path.suffix == ".yaml" and path.is_file():
        return override_manifest(read_manifest(path), list(overrides))
    return compose_manifest(root, str(task), list(overrides))


def list_panels() -> list[str]:
    """Names that `evaluate` takes, those of installed labs too."""
    from surefoot.evaluation.panel_files import panel_names

    return panel_names(manifest_root())


def make_env(
    task: Run | Manifest, *, num_envs: int = 1, engine: str = "mujoco", device: str = "cpu", num_threads: int = 0
) -> "EngineEnv":
    """A batch of environments of a task, without pushes and with commands held from outside."""
    from surefoot.engines.base import make_env as on_machine

    manifest = task if isinstance(task, Manifest) else load_manifest(task)
    return on_machine(Machine(engine, device, num_threads), manifest, num_envs=num_envs, evaluation=True)


def train(
    task: Run | Manifest,
    *overrides: str,
    runs: Run = RUNS,
    engine: str = "mujoco",
    device: str = "cpu",
    num_threads: int = 0,
    events: str = "worker",
) -> Path:
    """Train a policy to the end of its manifest.

    Args:
        task: Name of a task, or a manifest.
        overrides: `key=value`, such as `training.max_iterations=100`.
        runs: Folder in which the run's folder is made.
        engine: `mujoco` or `isaaclab`.
        device: `cpu` or `cuda:N`.
        num_threads: Physics threads on a CPU; 0 means all cores.
        events: Who does what the manifest schedules: `worker`, `inline` or `off`.

    Returns:
        The run folder.
    """
    from surefoot.jobs.plan import plan_events
    from surefoot.rl.train import train as train_manifest

    manifest = (
        override_manifest(task, list(overrides)) if isinstance(task, Manifest) else load_manifest(task, *overrides)
    )
    machine = Machine(engine, device, num_threads)
    plan = plan_events(manifest, manifests=manifest_root(), machine=machine, mode=events)
    return train_manifest(manifest, runs=Path(runs), machine=machine, events=plan)


def resume(run: Run, *overrides: str, engine: str = "mujoco", device: str = "cpu", num_threads: int = 0) -> Path:
    """Go on with an interrupted run; overrides count as a change of the manifest, which is recorded."""
    from surefoot.jobs.plan import plan_events
    from surefoot.rl.train import resume as resume_run

    folder = run_folder(Path(run))
    manifest = load_manifest(folder, *overrides)
    machine = Machine(engine, device, num_threads)
    plan = plan_events(manifest, manifests=manifest_root(), machine=machine)
    return resume_run(folder, manifest, machine=machine, events=plan, allow_manifest_change=bool(overrides))


def evaluate(
    policy: Run,
    panel: Run = "quick_v1",
    *,
    task: str | None = None,
    overrides: Sequence[str] = (),
    engine: str = "mujoco",
    device: str = "cpu",
    num_threads: int = 0,
    seed: int | None = None,
    out: Run | None = None,
) -> "PanelReport":
    """Put a policy through the conditions of a panel.

    Args:
        policy: Checkpoint or run.
        panel: Name of `list_panels()`, or a YAML file.
        task: Default: what the policy was trained on.
        overrides: For the task.
        engine: `mujoco` or `isaaclab`.
        device: `cpu` or `cuda:N`.
        num_threads: Physics threads on a CPU; 0 means all cores.
        seed: In place of the panel's.
        out: JSON file to write the report to.

    Returns:
        `report.plain` has every number, `report.score` the share of held-out episodes that succeeded.
    """
    from surefoot.evaluation.evaluate import evaluate_checkpoint

    return evaluate_checkpoint(
        checkpoint_file(Path(policy)),
        panel,
        manifests=manifest_root(),
        task=task,
        overrides=list(overrides),
        machine=Machine(engine, device, num_threads),
        changes={"seed": seed},
        out=Path(out) if out is not None else None,
    )


def compare(a: "Run | PanelReport", b: "Run | PanelReport") -> "list[MetricComparison]":
    """Compare two policies that were measured under one panel: reports of `evaluate`, or their JSON files."""
    from surefoot.evaluation.compare import compare as compare_reports
    from surefoot.evaluation.compare import read_report

    first, second = (read_report(Path(one)) if isinstance(one, (str, Path)) else one.plain for one in (a, b))
    return compare_reports(first, second)


def load_policy(policy: Run, *, device: str = "cpu") -> "Policy":
    """The deterministic policy of a checkpoint or run, as a function from actor observations to actions."""
    from surefoot.rl.policy import load_policy as from_checkpoint
    from surefoot.runs import checkpoint

    loaded = checkpoint.load(checkpoint_file(Path(policy)))
    return from_checkpoint(loaded, checkpoint.without_extension(loaded.manifest)[0], device)


def export(policy: Run, folder: Run) -> list[Path]:
    """Write the policy of a checkpoint or run as ONNX and TorchScript, with metadata for a controller."""
    from surefoot.rl.export import export_policy
    from surefoot.runs import checkpoint

    return export_policy(checkpoint.load(checkpoint_file(Path(policy))), Path(folder))


def replay_trace(
    trace: Run,
    task: Run | Manifest,
    *,
    mode: str = "open_loop",
    card: Run | None = None,
    engine: str = "mujoco",
    device: str = "cpu",
    num_threads: int = 0,
    **options: Any,
) -> "ReplayResult":
    """Replay a robot's log in all randomisation buckets of a task.

    Args:
        trace: As `surefoot trace import` writes it.
        task: Whose robot, physics and randomisation are used.
        mode: `open_loop`, `actuator` or `torque`.
        card: The trace's card: segments and gains.
        engine: `mujoco` or `isaaclab`.
        device: `cpu` or `cuda:N`.
        num_threads: Physics threads on a CPU; 0 means all cores.
        options: See `surefoot.replay.trace_run.run_replay`.
    """
    from surefoot.replay.trace_run import run_replay
    from surefoot.traces import read_card, read_trace

    manifest = task if isinstance(task, Manifest) else load_manifest(task)
    chosen: Any = mode
    known = read_card(Path(card)) if card is not None else None
    machine = Machine(engine, device, num_threads)
    return run_replay(read_trace(Path(trace)), manifest, mode=chosen, machine=machine, card=known, **options)


def attach_accounts(env: Any, **options: Any) -> "AttachedAccounts":
    """Keep the accounts of an environment of mjlab or Isaac Lab that is not surefoot's.

    Args:
        env: The environment, or a wrapper of it.
        options: See `surefoot.audit.attach.attach_to_managers`; `config` is the shipped thresholds unless given.
    """
    import importlib

    base = getattr(env, "unwrapped", env)
    above = [kind.__module__.partition(".")[0] for kind in type(base).__mro__]
    engine = "isaaclab" if "isaaclab" in above else "mujoco"
    attach: Any = importlib.import_module(f"surefoot.engines.{engine}.attach").attach_accounts
    return attach(env, options.pop("config", None) or audit_config(), **options)
