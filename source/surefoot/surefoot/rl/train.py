"""Training from a manifest: everything that surefoot train does, callable from Python."""

import json
import shutil
import signal
from pathlib import Path

from surefoot.engines import load_engine
from surefoot.engines.allocation import refusing_too_many
from surefoot.errors import Interrupted, ManifestError, RecordError, RunFolderError
from surefoot.files import sweep, write_atomically
from surefoot.jobs.lease import Lease, trainer_lease
from surefoot.jobs.plan import EventPlan
from surefoot.jobs.queue import EventFolder
from surefoot.jobs.reactions import read_reaction_log
from surefoot.jobs.trainer import RunEvents
from surefoot.machine import Machine
from surefoot.manifest import Manifest, write_manifest
from surefoot.manifest.validate import with_labs
from surefoot.randomization.buckets import refuse_empty_buckets
from surefoot.reporting import say
from surefoot.rl.loggers import RunLabel, make_writer
from surefoot.rl.progress import Progress
from surefoot.rl.resumable import check_resumable
from surefoot.rl.runner import TrainRunner
from surefoot.rl.vec_env import SurefootVecEnv
from surefoot.runs import run_folder
from surefoot.runs.checkpoint import check_fits
from surefoot.runs.record_keeper import RunRecordKeeper
from surefoot.runs.run_record import read_run_record


def train(
    manifest: Manifest,
    *,
    runs: Path,
    machine: Machine = Machine(),
    events: EventPlan | None = None,
    label: RunLabel | None = None,
) -> Path:
    """Start a run and train it to the end; returns the run folder.

    Args:
        manifest: The experiment.
        runs: Where run folders are made.
        machine: Where it is simulated.
        events: The manifest's schedule, from `surefoot.jobs.plan.plan_events`; None switches it off.
        label: Name and tags in Weights & Biases.
    """
    _refuse_extension(manifest)
    _refuse_empty_buckets(manifest)
    built = load_engine(machine.engine)
    folder = run_folder.create(runs, manifest, machine.device, machine.engine)
    lease = trainer_lease(folder)
    try:
        lease.acquire()
        with refusing_too_many(manifest.training.num_envs):
            env = built.make_env(manifest, device=machine.device, num_threads=machine.threads)
            runner = TrainRunner(SurefootVecEnv(env), manifest, folder)
        write_atomically(folder / "buckets.json", json.dumps(env.buckets.to_plain()).encode())
        runner.progress = Progress(make_writer(folder, manifest, label), manifest)
        _attach(runner, folder, events)
    except BaseException:
        shutil.rmtree(folder)  # nothing has happened in it
        raise
    say(f"Run folder: {folder}\nManifest sha256: {manifest.sha256}")
    _train(runner, lease)
    return folder


def resume(
    folder: Path,
    manifest: Manifest,
    *,
    machine: Machine = Machine(),
    events: EventPlan | None = None,
    allow_manifest_change: bool = False,
    label: RunLabel | None = None,
) -> Path:
    """Continue an interrupted run from its newest readable checkpoint.

    Args:
        folder: Run folder.
        manifest: What the command line asks for.
        machine: Where it is simulated.
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
    closing = done == manifest.training.max_iterations and not _is_closed(folder, events)
    if done >= manifest.training.max_iterations and not closing:
        raise RunFolderError(
            f"{folder}: all {done} iterations are done. To train on: "
            f"--max_iterations {2 * done} --allow-manifest-change{_left_over(folder)}"
        )
    check_resumable(resumable.checkpoint, manifest)
    for reason in resumable.skipped:
        say(f"Skipped: {reason}")
    lease = trainer_lease(folder)
    lease.acquire()
    try:
        sweep(folder)
        with refusing_too_many(manifest.training.num_envs):
            built = load_engine(machine.engine)
            env = built.make_env(manifest, device=machine.device, num_threads=machine.threads)
            runner = TrainRunner(SurefootVecEnv(env), manifest, folder, resumed_at=done)
        if closing:
            say(f"All {done} iterations of {folder} are done; what is missing at its end is made up for.")
        say(f"Resuming {folder} at iteration {done}. {runner.resume(resumable.checkpoint)}")
        runner.progress = Progress(make_writer(folder, manifest, label), manifest)
        run_folder.record_start(folder, manifest, env.device, done, diff, machine.engine)
        if diff is not None:
            say(f"The manifest was changed:\n{diff}")
            write_manifest(manifest, folder)
        _attach(runner, folder, events, done)
    except BaseException:
        lease.release()
        raise
    _train(runner, lease)
    return folder


def _is_closed(folder: Path, events: EventPlan | None) -> bool:
    """Whether a run whose iterations are done has nothing left: its record says so, and every result was reacted to."""
    try:
        if read_run_record(folder).status != "finished":
            return False
    except RecordError:
        return False
    if events is None:
        return True
    queue = EventFolder(folder)
    handled, _ = read_reaction_log(queue.path)
    return not queue.outstanding() and set(queue.result_ids()) <= handled.keys()


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
                say(f"{event.name}: {note}")
    elif runner.manifest.schedule.events:
        say(f"Events are off: {', '.join(runner.manifest.schedule.events)} will not be evaluated.")
    mode = events.mode if events is not None else "off"
    runner.document = RunRecordKeeper(folder, runner.manifest, mode, resumed_at)


def _train(runner: TrainRunner, lease: Lease) -> None:
    try:
        runner.train(runner.manifest.training.max_iterations)
    finally:
        lease.release()
        runner.env.env.close()
        if runner.folder is not None:
            if left := _left_over(runner.folder):
                say(left.strip())
            _into_the_ledger(runner.folder)
    state = "Interrupted" if runner.interrupted else "Finished"
    say(f"{state} after {runner.iterations_done} iterations: {runner.folder}/model_{runner.iterations_done}.pt")
    if runner.folder is None:
        return
    best = runner.folder / "model_best.pt"
    if best.is_file():
        say(f"Best on held-out conditions: {best}")
    again = f"  surefoot train --resume {runner.folder}\n" if runner.interrupted else ""
    say(
        f"{again}  surefoot play {runner.folder}\n  surefoot evaluate {runner.folder}\n"
        f"  surefoot accounts {runner.folder}\n  tensorboard --logdir {runner.folder}"
    )
    # Ctrl-C is a person's wish; who sends the others wants to know that the run is not done.
    if runner.interrupted and runner.signal is not None and runner.signal != signal.SIGINT:
        raise Interrupted(runner.signal, f"{runner.folder}: ended by {signal.Signals(runner.signal).name} and saved.")


def _into_the_ledger(folder: Path) -> None:
    try:
        from surefoot.ledger.store import fill_after_run
    except ImportError as error:
        say(f"The ledger was not filled: {error}. Later: surefoot ledger add {folder}")
        return
    fill_after_run(folder, say)


def _left_over(folder: Path) -> str:
    """What to do about events without a result; empty where there are none."""
    left = len(EventFolder(folder).outstanding())
    return f"\n{left} scheduled events have no result yet: surefoot worker {folder}" if left else ""
