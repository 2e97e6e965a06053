"""Training from a manifest: everything that scripts/train.py does, callable from Python."""

import json
import shutil
from pathlib import Path

from surefoot.engines import load_engine
from surefoot.engines.allocation import refusing_too_many
from surefoot.errors import RunFolderError
from surefoot.files import write_atomically
from surefoot.manifest import Manifest, write_manifest
from surefoot.randomization.buckets import refuse_empty_buckets
from surefoot.rl import run_folder
from surefoot.rl.checkpoint import check_fits
from surefoot.rl.progress import Progress, make_writer
from surefoot.rl.resumable import check_resumable
from surefoot.rl.runner import TrainRunner
from surefoot.rl.vec_env import SurefootVecEnv


def train(manifest: Manifest, *, runs: Path, engine: str = "mujoco", device: str = "cpu", num_threads: int = 0) -> Path:
    """Start a run and train it to the end; returns the run folder."""
    _refuse_empty_buckets(manifest)
    built = load_engine(engine)
    folder = run_folder.create(runs, manifest, device)
    try:
        with refusing_too_many(manifest.training.num_envs):
            env = built.make_env(manifest, device=device, num_threads=num_threads)
            runner = TrainRunner(SurefootVecEnv(env), manifest, folder)
        write_atomically(folder / "buckets.json", json.dumps(env.buckets.to_plain()).encode())
        runner.progress = Progress(make_writer(folder, manifest))
    except BaseException:
        shutil.rmtree(folder)  # nothing has happened in it
        raise
    print(f"Run folder: {folder}\nManifest sha256: {manifest.sha256}", flush=True)
    _train(runner)
    return folder


def resume(
    folder: Path,
    manifest: Manifest,
    *,
    engine: str = "mujoco",
    device: str = "cpu",
    num_threads: int = 0,
    allow_manifest_change: bool = False,
) -> Path:
    """Continue an interrupted run from its newest readable checkpoint.

    Args:
        folder: Run folder.
        manifest: What the command line asks for.
        allow_manifest_change: Go on although the manifest differs; the difference is recorded.

    Raises:
        RunFolderError: No run, no checkpoint, another manifest, or nothing left to do.
        CheckpointError: The checkpoint is damaged or of other networks.
            In all these cases no environment was built and the folder is as it was.
    """
    _refuse_empty_buckets(manifest)
    resumable = run_folder.open_for_resume(folder)
    diff = run_folder.check_same_manifest(folder, manifest, allow_manifest_change)
    check_fits(resumable.checkpoint, manifest)
    done = resumable.checkpoint.iteration
    if done >= manifest.training.max_iterations:
        raise RunFolderError(
            f"{folder}: all {done} iterations are done. To train on: "
            f"--max_iterations {2 * done} --allow-manifest-change"
        )
    check_resumable(resumable.checkpoint, manifest)
    for reason in resumable.skipped:
        print(f"Skipped: {reason}", flush=True)
    with refusing_too_many(manifest.training.num_envs):
        env = load_engine(engine).make_env(manifest, device=device, num_threads=num_threads)
        runner = TrainRunner(SurefootVecEnv(env), manifest, folder, resumed_at=done)
    print(f"Resuming {folder} at iteration {done}. {runner.resume(resumable.checkpoint)}", flush=True)
    runner.progress = Progress(make_writer(folder, manifest))
    run_folder.record_start(folder, manifest, env.device, done, diff)
    if diff is not None:
        print(f"The manifest was changed:\n{diff}", flush=True)
        write_manifest(manifest, folder)
    _train(runner)
    return folder


def _refuse_empty_buckets(manifest: Manifest) -> None:
    generator = manifest.task.terrain.generator
    columns = generator.columns if generator is not None else 1
    refuse_empty_buckets(manifest.randomization, manifest.training.num_envs, columns)


def _train(runner: TrainRunner) -> None:
    try:
        runner.train(runner.manifest.training.max_iterations)
    finally:
        runner.env.env.close()
    state = "Interrupted" if runner.interrupted else "Finished"
    print(f"{state} after {runner.iterations_done} iterations: {runner.folder}/model_{runner.iterations_done}.pt")
