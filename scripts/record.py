"""Print what a run has done and how good it is, side by side.

python scripts/record.py runs/Surefoot-Velocity-Flat-Unitree-Go1-v0/RUN
python scripts/record.py .../RUN --json     # the document itself

docs/events.md says what each line means.
"""

import argparse
from pathlib import Path

import surefoot.cli
from surefoot.errors import RunFolderError
from surefoot.jobs.job import to_json
from surefoot.jobs.lease import trainer_lease
from surefoot.runs import show_record
from surefoot.runs.run_record import read_run_record, with_news


def main() -> None:
    """Parse, read, print; the run folder is only read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run folder")
    parser.add_argument("--json", action="store_true", help="as JSON")
    args = parser.parse_args()
    if not args.run.is_dir():
        raise RunFolderError(f"{args.run}: no run folder. Runs are in runs/<task>/<time>_seed<n>.")
    record = with_news(args.run, read_run_record(args.run))
    if args.json:
        print(to_json(record).decode(), end="")
    else:
        print(show_record.text(record, alive=trainer_lease(args.run).holder() is not None))


if __name__ == "__main__":
    surefoot.cli.run(main)
