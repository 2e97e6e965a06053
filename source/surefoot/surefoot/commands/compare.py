"""Compare two policies that were measured under one panel, paired by cell and start.

surefoot compare runs/TASK/RUN_A/panel_locomotion_v1_720.json runs/TASK/RUN_B/panel_locomotion_v1_720.json

Refused where panel, metric versions, robot, physics or terminations differ. docs/metrics.md defines the numbers.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Two reports."""
    parser.add_argument("a", type=Path, help="JSON report of `surefoot evaluate --panel`")
    parser.add_argument("b", type=Path, help="another one")


def run(args: argparse.Namespace) -> None:
    """Compare and print."""
    from surefoot.evaluation.compare import compare, comparison_text, read_report

    a, b = read_report(args.a), read_report(args.b)
    print(comparison_text(a, b, compare(a, b)))
