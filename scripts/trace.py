"""`surefoot trace`, for whoever types `python scripts/trace.py`."""

import sys

import surefoot.cli
from surefoot import commands


def main() -> None:
    """The command with this script's arguments."""
    commands.main(["trace", *sys.argv[1:]])


if __name__ == "__main__":
    surefoot.cli.run(main)
