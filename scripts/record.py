"""`surefoot record`, for whoever types `python scripts/record.py`."""

import sys

import surefoot.cli
from surefoot import commands


def main() -> None:
    """The command with this script's arguments."""
    commands.main(["record", *sys.argv[1:]])


if __name__ == "__main__":
    surefoot.cli.run(main)
