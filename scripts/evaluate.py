"""Measure a trained policy on a fixed grid of velocity commands.

python scripts/evaluate.py --checkpoint runs/Surefoot-Velocity-Flat-Unitree-Go1-v0/RUN/model_400.pt
python scripts/evaluate.py --checkpoint .../model_400.pt simulation=full
python scripts/evaluate.py --checkpoint .../model_400.pt --json ice.json randomization.factors.friction.edges=[0.3,0.3]

Without --task the manifest inside the checkpoint is used, with the overrides on top.
docs/metrics.md defines the numbers.
"""

import argparse
from pathlib import Path

import surefoot.cli
from surefoot.panel import CommandGrid, report
from surefoot.panel.evaluate import check_writable, default_report_path, evaluate_checkpoint
from surefoot_tasks import manifest_root


def main() -> None:
    """Parse, evaluate, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--task", help="default: the manifest inside the checkpoint")
    parser.add_argument("--engine", default="mujoco")
    parser.add_argument("--device", default="cpu", help="cpu or cuda:N")
    parser.add_argument("--replicates", type=int, default=8, help="episodes per command")
    parser.add_argument("--duration", type=float, default=10.0, help="s")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0, help="physics threads on a CPU; 0 means all cores")
    parser.add_argument("--json", type=Path, help="beside the checkpoint: eval_<iteration>_<contact model>.json")
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    args = parser.parse_intermixed_args()

    if args.json is not None:
        check_writable(args.json)
    provenance, result = evaluate_checkpoint(
        args.checkpoint,
        CommandGrid(duration=args.duration, replicates=args.replicates),
        manifests=manifest_root(),
        task=args.task,
        overrides=args.overrides,
        engine=args.engine,
        device=args.device,
        seed=args.seed,
        num_threads=args.threads,
    )
    out = args.json or default_report_path(args.checkpoint, provenance.iteration, provenance.contact_model)
    print(report.heading(provenance), report.table(result), sep="\n\n")
    report.write_json(out, provenance, result)
    print(f"Report: {out}")


if __name__ == "__main__":
    surefoot.cli.run(main)
