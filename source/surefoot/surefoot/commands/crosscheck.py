"""Do two engines simulate the same task? Exit code 2 where a definition differs; physics may.

surefoot crosscheck --task Surefoot-Velocity-Flat-Unitree-Go1-v0 --engines mujoco,mujoco
surefoot crosscheck --task ... --engines mujoco,isaaclab --python isaaclab=/opt/isaaclab/bin/python
surefoot crosscheck --task ... --engines mujoco,isaaclab --checkpoint runs/.../model_720.pt simulation=lean
surefoot crosscheck --task ... --engines mujoco,mujoco --override b:task.rewards.torques.weight=-1

Each engine is probed twice, each time in a process of its own. docs/crosscheck.md says what is asked.
"""

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options."""
    parser.add_argument("--task", required=True)
    parser.add_argument("--engines", required=True, metavar="A,B", help="as --engine takes them elsewhere")
    parser.add_argument("--python", action="append", default=[], metavar="ENGINE=PATH", help="interpreter of an engine")
    parser.add_argument("--override", action="append", default=[], metavar="b:KEY=VALUE", help="for one side, a or b")
    parser.add_argument("--checkpoint", type=Path, help="evaluate this policy on both")
    parser.add_argument("--replicates", type=int, default=2, help="episodes per command of that evaluation")
    parser.add_argument("--duration", type=float, default=10.0, help="s, of its episodes")
    parser.add_argument("--device", default="cpu", help="cpu or cuda:N")
    parser.add_argument("--num-envs", type=int, default=24)
    parser.add_argument("--threads", type=int, default=1, help="physics threads on a CPU")
    parser.add_argument(
        "--out", type=Path, default=Path("outputs/crosscheck"), help="folder of probes, logs and report"
    )
    parser.add_argument("--verbose", action="store_true", help="a line for every check")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="for both")


def run(args: argparse.Namespace) -> None:
    """Probe, compare, print and write."""
    from surefoot.commands.words import overrides_in
    from surefoot.manifest.compose import check_task
    from surefoot.runs.locate import checkpoint_file
    from surefoot_tasks import manifest_root

    check_task(manifest_root(), args.task)
    overrides = overrides_in(args.overrides, args.parser)

    from surefoot.crosscheck import report
    from surefoot.crosscheck.run import PolicyCheck, Question, crosscheck, parse_sides
    from surefoot.reporting import write_json

    evaluation = None
    if args.checkpoint is not None:
        evaluation = PolicyCheck(checkpoint_file(args.checkpoint), args.replicates, args.duration)
    question = Question(
        task=args.task,
        manifests=manifest_root(),
        sides=parse_sides(args.engines, args.python, args.override, args.device),
        overrides=tuple(overrides),
        num_envs=args.num_envs,
        num_threads=args.threads,
        evaluation=evaluation,
    )
    outcome = crosscheck(question, args.out)
    print(report.table(outcome, every=args.verbose))
    write_json(args.out / "crosscheck.json", report.to_plain(outcome))
    print(f"Report: {args.out / 'crosscheck.json'}")
    if outcome.different:
        sys.exit(2)
