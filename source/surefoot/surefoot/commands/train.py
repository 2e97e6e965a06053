"""Train a policy.

surefoot train --task Surefoot-Velocity-Flat-Unitree-Go1-v0
surefoot train --task Surefoot-Velocity-Flat-Unitree-Go1-v0 --device cuda:0 --num-envs 4096
surefoot train --task Surefoot-Velocity-Flat-Unitree-Go1-v0 task.rewards.torques.weight=-0.001 ppo.gamma=0.98
surefoot train --resume latest

surefoot train --task Surefoot-Velocity-Flat-Unitree-Go1-v0 logger=wandb --name soft-knees --tag gains
    (WANDB_MODE=offline needs no account)

Overrides are Hydra's: key=value for any key of the manifest (manifests/README.md), group=option for a whole group.
"""

import argparse
from pathlib import Path

from surefoot.errors import SurefootError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options and overrides."""
    parser.add_argument("--task", help="task name; `surefoot tasks` lists them")
    parser.add_argument("--engine", default="mujoco")
    parser.add_argument("--device", default="cpu", help="cpu or cuda:N")
    parser.add_argument("--num-envs", type=int)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--max-iterations", type=int)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where run folders are made")
    parser.add_argument("--threads", type=int, default=0, help="physics threads on a CPU; 0 means all cores")
    parser.add_argument("--resume", type=Path, metavar="RUN", help="run to continue: a folder, or `latest`")
    parser.add_argument("--events", default="worker", help="scheduled events: worker, inline or off (docs/events.md)")
    parser.add_argument("--allow-manifest-change", action="store_true", help="resume although the manifest differs")
    parser.add_argument("--name", help="of the run in Weights & Biases; default: task and run folder")
    parser.add_argument("--tag", action="append", default=[], help="of the run in Weights & Biases; may be repeated")
    parser.add_argument("overrides", nargs="*", metavar="key=value")


def run(args: argparse.Namespace) -> None:
    """Compose the manifest, train."""
    from surefoot.commands.words import overrides_in
    from surefoot.manifest.compose import check_task
    from surefoot_tasks import manifest_root

    words = [f"training.{text}" if text.startswith("logger=") else text for text in args.overrides]
    words = overrides_in(words, args.parser)
    if args.task is not None:
        check_task(manifest_root(), args.task)  # before torch is imported, which takes longer than reading the message
    elif args.resume is None:
        raise SurefootError("Say what to train: --task NAME (surefoot tasks lists them) or --resume RUN.")

    from surefoot.engines.base import with_presets
    from surefoot.jobs.plan import plan_events
    from surefoot.machine import Machine
    from surefoot.manifest import compose_manifest, override_manifest, read_manifest
    from surefoot.rl.loggers import RunLabel
    from surefoot.rl.train import resume, train
    from surefoot.runs.locate import run_folder

    engine, overrides = with_presets(args.engine, words)
    for key in ("num_envs", "max_iterations"):
        if getattr(args, key) is not None:
            overrides.append(f"training.{key}={getattr(args, key)}")
    if args.seed is not None:
        overrides.append(f"seed={args.seed}")
    folder = run_folder(args.resume, args.runs) if args.resume is not None else None
    if args.task is not None:
        manifest = compose_manifest(manifest_root(), args.task, overrides)
    else:
        assert folder is not None
        manifest = override_manifest(read_manifest(folder / "manifest.yaml"), overrides)
    label = RunLabel(args.name, tuple(args.tag))
    label.check(manifest)
    machine = Machine(engine, args.device, args.threads)
    plan = plan_events(manifest, manifests=manifest_root(), machine=machine, mode=args.events)
    common = {"machine": machine, "events": plan, "label": label}
    if folder is not None:
        resume(folder, manifest, allow_manifest_change=args.allow_manifest_change, **common)
    else:
        train(manifest, runs=args.runs, **common)
