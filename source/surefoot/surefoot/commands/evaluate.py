"""Measure a trained policy on a fixed grid of velocity commands, or under a panel of held-out conditions.

surefoot evaluate latest
surefoot evaluate --checkpoint .../model_400.pt simulation=full
surefoot evaluate --checkpoint .../model_400.pt --json ice.json randomization.factors.friction.edges=[0.3,0.3]
surefoot evaluate --checkpoint .../model_400.pt --panel locomotion_v1 --films 3

Without --task the manifest inside the checkpoint is used, with the overrides on top.
docs/metrics.md defines the numbers, docs/panels.md the panels.
"""

import argparse
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options and overrides."""
    parser.add_argument("--checkpoint", type=Path, help="a file, a run folder (its newest checkpoint), or `latest`")
    parser.add_argument("--task", help="default: the manifest inside the checkpoint")
    parser.add_argument(
        "--panel", help="name of a panel in manifests/panels, or a YAML file; default: the command grid"
    )
    parser.add_argument("--engine", default="mujoco")
    parser.add_argument("--device", default="cpu", help="cpu or cuda:N")
    parser.add_argument("--replicates", type=int, help="episodes per command, 8; a panel has its own")
    parser.add_argument("--duration", type=float, help="s, 10; a panel has its own")
    parser.add_argument("--films", type=int, default=0, help="with --panel: film so many of the worst cells")
    parser.add_argument("--seed", type=int, help="default: 0, or the panel's")
    parser.add_argument("--threads", type=int, default=0, help="physics threads on a CPU; 0 means all cores")
    parser.add_argument("--json", type=Path, help="beside the checkpoint: eval_<iteration>_<contact model>.json")
    parser.add_argument("overrides", nargs="*", metavar="RUN key=value")


def run(args: argparse.Namespace) -> None:
    """Evaluate, print and write."""
    from surefoot.commands.words import one_run, overrides_in
    from surefoot.manifest.compose import check_task
    from surefoot.runs.locate import checkpoint_file
    from surefoot_tasks import manifest_root

    parser = args.parser
    named, words = one_run(args.checkpoint, args.overrides, "policy to evaluate")
    args.checkpoint, args.overrides = checkpoint_file(named), overrides_in(words, parser)
    if args.task is not None:
        check_task(manifest_root(), args.task)

    from surefoot.engines.base import with_presets
    from surefoot.evaluation.evaluate import check_writable

    args.engine, args.overrides = with_presets(args.engine, args.overrides)
    if args.panel is None and args.films:
        parser.error("--films needs --panel")
    if args.panel is not None and (args.replicates is not None or args.duration is not None):
        parser.error("--panel has its own replicates and duration")
    if args.json is not None:
        check_writable(args.json)
    where = {"manifests": manifest_root(), "task": args.task, "overrides": args.overrides}
    machine = {"engine": args.engine, "device": args.device, "num_threads": args.threads}
    if args.panel is not None:
        from surefoot.evaluation.evaluate_panel import evaluate_panel

        evaluate_panel(args.checkpoint, args.panel, **where, **machine, seed=args.seed, out=args.json, films=args.films)
    else:
        _grid(args, where | machine)


def _grid(args: argparse.Namespace, settings: dict[str, Any]) -> None:
    from surefoot.evaluation import CommandGrid, report
    from surefoot.evaluation.evaluate import default_report_path, evaluate_checkpoint

    duration = 10.0 if args.duration is None else args.duration
    replicates = 8 if args.replicates is None else args.replicates
    provenance, result = evaluate_checkpoint(
        args.checkpoint, CommandGrid(duration=duration, replicates=replicates), seed=args.seed or 0, **settings
    )
    out = args.json or default_report_path(args.checkpoint, provenance)
    print(report.heading(provenance), report.table(result), sep="\n\n")
    report.write_json(out, provenance, result)
    print(f"Report: {out}")
