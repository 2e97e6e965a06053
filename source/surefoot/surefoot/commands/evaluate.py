"""Measure a trained policy: under 36 commands in what it was trained on, or under a panel of held-out conditions.

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
    parser.add_argument("--panel", help="name of a panel, or a YAML file; default: command_grid_v3")
    parser.add_argument("--engine", default="mujoco")
    parser.add_argument("--device", default="cpu", help="cpu or cuda:N")
    parser.add_argument("--replicates", type=int, help="episodes per command, 8; a panel has its own")
    parser.add_argument("--duration", type=float, help="s, 10; a panel has its own")
    parser.add_argument("--warm-up", type=float, help="s at the start that no mean counts, 0; a panel has its own")
    parser.add_argument("--films", type=int, default=0, help="with --panel: film so many of the worst cells")
    parser.add_argument("--seed", type=int, help="in place of the panel's")
    parser.add_argument("--threads", type=int, default=0, help="physics threads on a CPU; 0 means all cores")
    parser.add_argument("--json", type=Path, help="beside the checkpoint: panel_<panel>_<iteration>.json")
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
    from surefoot.evaluation.evaluate import COMMAND_GRID

    args.engine, args.overrides = with_presets(args.engine, args.overrides)
    changes = {key: getattr(args, key) for key in ("replicates", "duration", "warm_up")}
    if args.panel is not None and any(value is not None for value in changes.values()):
        parser.error("--panel has its own replicates, duration and warm-up")
    _evaluate(args, args.panel or COMMAND_GRID, changes | {"seed": args.seed})


def _evaluate(args: argparse.Namespace, panel: str, changes: dict[str, Any]) -> None:
    from surefoot.errors import PanelError
    from surefoot.evaluation.evaluate import choose_panel, evaluate_checkpoint
    from surefoot.evaluation.films import check_films, film_worst
    from surefoot.evaluation.provenance import check_writable, report_path, task_manifest
    from surefoot.evaluation.report_files import write_heatmap, write_parquet
    from surefoot.evaluation.report_text import MOST_CELLS, report_text
    from surefoot.files import write_atomically
    from surefoot.machine import Machine
    from surefoot.runs.checkpoint import load
    from surefoot_tasks import manifest_root

    manifests, machine = manifest_root(), Machine(args.engine, args.device, args.threads)
    shipped, chosen = choose_panel(panel, manifests), choose_panel(panel, manifests, changes)
    if args.json is not None:
        check_writable(args.json)
    loaded = load(args.checkpoint)
    task = task_manifest(loaded.manifest, manifests, args.task, args.overrides)
    out = args.json or report_path(loaded, chosen, shipped, task, args.engine, bool(args.overrides))
    check_writable(out)
    if out.suffix != ".json":
        raise PanelError(f"--json {out}: expected a name that ends in .json; the other files take its name.")
    if args.films:
        check_films(args.films, chosen, out)
    report = evaluate_checkpoint(
        args.checkpoint,
        panel,
        manifests=manifests,
        task=args.task,
        overrides=args.overrides,
        machine=machine,
        changes=changes,
        out=out,
    )
    print(report_text(report, MOST_CELLS))
    write_atomically(out.with_suffix(".txt"), (report_text(report) + "\n").encode())
    parquet, heatmap = out.with_suffix(".parquet"), out.with_suffix(".png")
    write_parquet(parquet, report)
    write_heatmap(heatmap, report)
    print(f"Every cell: {out.with_suffix('.txt')}\nReport: {out}, {parquet.name}, {heatmap.name}")
    if args.films:
        for path in film_worst(loaded, task, report, machine, args.films, out):
            print(f"Film: {path}")
