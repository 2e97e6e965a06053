"""Draw the accounts of a run and print its alerts.

surefoot accounts latest
surefoot accounts runs/Surefoot-Velocity-Flat-Unitree-Go1-v0/RUN --out /tmp/pictures

Writes reward.png, terminations.png, buckets.png, faults.png, and accounts.html with all of them, into RUN/accounts.
docs/accounts.md defines the numbers.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run, and where to."""
    parser.add_argument("run", type=Path, help="run folder, a checkpoint in it, or `latest`")
    parser.add_argument("--out", type=Path, help="folder for the pictures; default: RUN/accounts")


def run(args: argparse.Namespace) -> None:
    """Read, draw, print."""
    from surefoot.runs.locate import run_folder

    folder = run_folder(args.run)

    from surefoot.audit.plots.page import draw
    from surefoot.audit.record.record import read_alerts
    from surefoot.audit.record.record_file import read_record

    table, alerts = read_record(folder), read_alerts(folder)
    written = draw(table, alerts, args.out or folder / "accounts")
    print(f"{len(table.iteration)} iterations, {len(alerts)} alerts")
    for alert in alerts:
        print(f"{alert['iteration']:>6}  {alert['kind']} ({alert['subject']}): {alert['message']} [{alert['action']}]")
    print("Pictures:", *(str(path) for path in written), sep="\n  ")
