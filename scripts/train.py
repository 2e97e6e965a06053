"""Train a policy.

python scripts/train.py --task Surefoot-Velocity-Flat-Unitree-Go1-v0
python scripts/train.py --task Surefoot-Velocity-Flat-Unitree-Go1-v0 --device cuda:0 --num_envs 4096
python scripts/train.py --task Surefoot-Velocity-Flat-Unitree-Go1-v0 task.rewards.torques.weight=-0.001 ppo.gamma=0.98
python scripts/train.py --resume runs/Surefoot-Velocity-Flat-Unitree-Go1-v0/2026-11-21_12-00-00_seed1

python scripts/train.py --task Surefoot-Velocity-Flat-Unitree-Go1-v0 logger=wandb   # WANDB_MODE=offline: no account

Overrides are Hydra's: key=value for any key of the manifest (manifests/README.md), group=option for a whole group.
"""

import argparse
from pathlib import Path

import surefoot.cli
from surefoot.engines.base import with_presets
from surefoot.errors import SurefootError
from surefoot.jobs.plan import plan_events
from surefoot.manifest import compose_manifest, override_manifest, read_manifest
from surefoot.rl.train import resume, train
from surefoot_tasks import manifest_root


def main() -> None:
    """Parse, compose the manifest, train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", help="task name; scripts/list_tasks.py lists them")
    parser.add_argument("--engine", default="mujoco")
    parser.add_argument("--device", default="cpu", help="cpu or cuda:N")
    parser.add_argument("--num_envs", type=int)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--max_iterations", type=int)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where run folders are made")
    parser.add_argument("--threads", type=int, default=0, help="physics threads on a CPU; 0 means all cores")
    parser.add_argument("--resume", type=Path, metavar="RUN", help="run folder to continue")
    parser.add_argument("--events", default="worker", help="scheduled events: worker, inline or off (docs/events.md)")
    parser.add_argument("--allow-manifest-change", action="store_true", help="resume although the manifest differs")
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    args = parser.parse_intermixed_args()
    args.engine, args.overrides = with_presets(args.engine, args.overrides)

    overrides = [f"training.{text}" if text.startswith("logger=") else text for text in args.overrides]
    for key in ("num_envs", "max_iterations"):
        if getattr(args, key) is not None:
            overrides.append(f"training.{key}={getattr(args, key)}")
    if args.seed is not None:
        overrides.append(f"seed={args.seed}")
    if args.task is not None:
        manifest = compose_manifest(manifest_root(), args.task, overrides)
    elif args.resume is not None:
        manifest = override_manifest(read_manifest(args.resume / "manifest.yaml"), overrides)
    else:
        raise SurefootError("Say what to train: --task NAME (python scripts/list_tasks.py lists them) or --resume RUN.")
    plan = plan_events(manifest, manifests=manifest_root(), engine=args.engine, device=args.device, mode=args.events)
    common = {"engine": args.engine, "device": args.device, "num_threads": args.threads, "events": plan}
    if args.resume is not None:
        resume(args.resume, manifest, allow_manifest_change=args.allow_manifest_change, **common)
    else:
        train(manifest, runs=args.runs, **common)


if __name__ == "__main__":
    surefoot.cli.run(main)
