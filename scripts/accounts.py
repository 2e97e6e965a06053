"""Draw the accounts of a run and print its alerts.

python scripts/accounts.py runs/Surefoot-Velocity-Flat-Unitree-Go1-v0/RUN
python scripts/accounts.py .../RUN --out /tmp/pictures

Writes reward.png, terminations.png, buckets.png, faults.png, and accounts.html with all of them, into RUN/accounts.
docs/metrics.md defines the numbers.
"""

import argparse
from pathlib import Path

import surefoot.cli
from surefoot.audit.plots.page import draw
from surefoot.audit.record.record import read_alerts
from surefoot.audit.record.record_file import read_record


def main() -> None:
    """Parse, read, draw, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run folder")
    parser.add_argument("--out", type=Path, help="folder for the pictures; default: RUN/accounts")
    args = parser.parse_args()

    table, alerts = read_record(args.run), read_alerts(args.run)
    written = draw(table, alerts, args.out or args.run / "accounts")
    print(f"{len(table.iteration)} iterations, {len(alerts)} alerts")
    for alert in alerts:
        print(f"{alert['iteration']:>6}  {alert['kind']} ({alert['subject']}): {alert['message']} [{alert['action']}]")
    print("Pictures:", *(str(path) for path in written), sep="\n  ")


if __name__ == "__main__":
    surefoot.cli.run(main)
