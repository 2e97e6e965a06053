"""Compare two policies that were measured under one panel, paired by cell and start.

python scripts/compare.py runs/TASK/RUN_A/panel_locomotion_v1_720.json runs/TASK/RUN_B/panel_locomotion_v1_720.json

Refused where panel, metric versions, robot, physics or terminations differ. docs/metrics.md defines the numbers.
"""

import argparse
from pathlib import Path

import surefoot.cli
from surefoot.evaluation.compare import compare, comparison_text, read_report


def main() -> None:
    """Parse, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a", type=Path, help="JSON report of scripts/evaluate.py --panel")
    parser.add_argument("b", type=Path, help="another one")
    args = parser.parse_args()
    a, b = read_report(args.a), read_report(args.b)
    print(comparison_text(a, b, compare(a, b)))


if __name__ == "__main__":
    surefoot.cli.run(main)
