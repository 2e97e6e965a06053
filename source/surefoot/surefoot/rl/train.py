"""Training from a manifest: everything that surefoot train does, callable from Python."""

import json
import shutil
from pathlib import Path

from surefoot.engines import load_engine
from surefoot.engines.allocation import refusing_too_many
from surefoot.errors import ManifestError, RunFolderError
from surefoot.files import write_atomically
from surefoot.jobs.lease import Lease, trainer_lease
from surefoot.jobs.plan import EventPlan
from surefoot.jobs.queue import EventFolder
from surefoot.jobs.trainer import RunEvents
from surefoot.manifest import Manifest, write_manifest
from surefoot.manifest.validate import with_labs
from surefoot.randomization.buckets import refuse_empty_buckets
from surefoot.rl.loggers import RunLabel, make_writer
from surefoot.rl.progress import Progress
from surefoot.rl.resumable import check_resumable
from surefoot.rl.runner import TrainRunner
from surefoot.rl.vec_env import SurefootVecEnv
from surefoot.runs import run_folder
from surefoot.runs.checkpoint import check_fits
from surefoot.runs.record_keeper import RunRecordKeeper


def train(
    manifest: Manifest,
    *,
    runs: Path,
    engine: str = "mujoco",
    device: str = "cpu",
    num_threads: int = 0,
    events: EventPlan | None = None,
    label: RunLabel | None = None,
) -> Path:
    """Start a run and train it to the end; returns the run folder.

    Args:
        manifest: The experiment.
        runs: Where run folders are made.
        engine: Name of an engine.
        device: `cpu` or `cuda:N`.
        num_threads: Physics threads on a CPU; 0 means all cores.
        events: The manifest's schedule, from `surefoot.jobs.plan.plan_events`; None switches it off.
        label: Name and tags in Weights & Biases.
    """
    _refuse_extension(manifest)
    _refuse_empty_buckets(manifest)
    built = load_engine(engine)
    folder = run_folder.create(runs, manifest, device, engine)
    lease = trainer_lease(folder)
    try:
        lease.acquire()
        with refusing_too_many(manifest.training.num_envs):
            env = built.make_env(manifest, device=device, num_threads=num_threads)
            runner = TrainRunner(SurefootVecEnv(env), manifest, folder)
        write_atomically(folder / "buckets.json", json.dumps(env.buckets.to_plain()).encode())
        runner.progress = Progress(make_writer(folder, manifest, label), manifest)
        _attach(runner, folder, events)
    except BaseException:
        shutil.rmtree(folder)  # nothing has happened in it
        raise
    print(f"Run folder: {folder}\nManifest sha256: {manifest.sha256}", flush=True)
    _train(runner, lease)
    return folder


def resume(
    folder: Path,
    manifest: Manifest,
    *,
    engine: str = "mujoco",
    device: str = "cpu",
    num_threads: int = 0,
    events: EventPlan | None = None,
    allow_manifest_change: bool = False,
    label: RunLabel | None = None,
) -> Path:
    """Continue an interrupted run from its newest readable checkpoint.

    Args:
        folder: Run folder.
        manifest: What the command line asks for.
        engine: Name of an engine.
        device: `cpu` or `cuda:N`.
        num_threads: Physics threads on a CPU; 0 means all cores.
        events: The manifest's schedule, as for `train`; jobs without a result are picked up.
        allow_manifest_change: Go on although the manifest differs; the difference is recorded.
        label: Name and tags in Weights & Biases.

    Raises:
        RunFolderError: No run, no checkpoint, another manifest, nothing left to do, or another process trains it.
        CheckpointError: The checkpoint is damaged or of other networks.
            In all these cases no environment was built and the folder is as it was.
    """
    manifest = with_labs(manifest)  # a lab whose files have changed since is a change of the manifest
    _refuse_empty_buckets(manifest)
    resumable = run_folder.open_for_resume(folder)
    diff = run_folder.check_same_manifest(folder, manifest, allow_manifest_change)
    check_fits(resumable.checkpoint, manifest)
    done = resumable.checkpoint.iteration
    if done >= manifest.training.max_iterations:
        raise RunFolderError(
            f"{folder}: all {done} iterations are done. To train on: "
            f"--max_iterations {2 * done} --allow-manifest-change{_left_over(folder)}"
        )
    check_resumable(resumable.checkpoint, manifest)
    for reason in resumable.skipped:
        print(f"Skipped: {reason}", flush=True)
    lease = trainer_lease(folder)
    lease.acquire()
    try:
        with refusing_too_many(manifest.training.num_envs):
            env = load_engine(engine).make_env(manifest, device=device, num_threads=num_threads)
            runner = TrainRunner(SurefootVecEnv(env), manifest, folder, resumed_at=done)
        print(f"Resuming {folder} at iteration {done}. {runner.resume(resumable.checkpoint)}", flush=True)
        runner.progress = Progress(make_writer(folder, manifest, label), manifest)
        run_folder.record_start(folder, manifest, env.device, done, diff, engine)
        if diff is not None:
            print(f"The manifest was changed:\n{diff}", flush=True)
            write_manifest(manifest, folder)
        _attach(runner, folder, events, done)
    except BaseException:
        lease.release()
        raise
    _train(runner, lease)
    return folder


def _refuse_empty_buckets(manifest: Manifest) -> None:
    generator = manifest.task.terrain.generator
    columns = generator.columns if generator is not None else 1
    refuse_empty_buckets(manifest.randomization, manifest.training.num_envs, columns)


def _refuse_extension(manifest: Manifest) -> None:
    if manifest.extension is not None:
        raise ManifestError(
            f"Python code added {manifest.extension.summary}, which a manifest cannot hold: train it with Isaac Lab's "
            "own trainer (docs/isaaclab.md), or take it out of the manifest with ~extension",
            key="extension",
        )


def _attach(runner: TrainRunner, folder: Path, events: EventPlan | None, resumed_at: int = 0) -> None:
    """Schedule and run record."""
    if events is not None:
        runner.events = RunEvents(folder, events, runner.manifest.sha256, resumed_at)
        for event in events.events:
            for note in event.content.notes:
                print(f"{event.name}: {note}")
    elif runner.manifest.schedule.events:
        print(f"Events are off: {', '.join(runner.manifest.schedule.events)} will not be evaluated.", flush=True)
    mode = events.mode if events is not None else "off"
    runner.document = RunRecordKeeper(folder, runner.manifest, mode, resumed_at)


def _train(runner: TrainRunner, lease: Lease) -> None:
    try:
        runner.train(runner.manifest.training.max_iterations)
    finally:
        lease.release()
        runner.env.env.close()
        if runner.folder is not None and (left := _left_over(runner.folder)):
            print(left.strip(), flush=True)
    state = "Interrupted" if runner.interrupted else "Finished"
    print(f"{state} after {runner.iterations_done} iterations: {runner.folder}/model_{runner.iterations_done}.pt")
    if runner.folder is None:
        return
    best = runner.folder / "model_best.pt"
    if best.is_file():
        print(f"Best on held-out conditions: {best}")
    again = f"  surefoot train --resume {runner.folder}\n" if runner.interrupted else ""
    print(
        f"{again}  surefoot play {runner.folder}\n  surefoot evaluate {runner.folder}\n"
        f"  surefoot accounts {runner.folder}\n  tensorboard --logdir {runner.folder}",
        flush=True,
    )


def _left_over(folder: Path) -> str:
    """What to do about events without a result; empty where there are none."""
    left = len(EventFolder(folder).outstanding())
    return f"\n{left} scheduled events have no result yet: surefoot worker {folder}" if left else ""
