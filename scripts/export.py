"""`surefoot export`, for whoever types `python scripts/export.py`."""

import sys

import surefoot.cli
from surefoot import commands


def main() -> None:
    """The command with this script's arguments."""
    commands.main(["export", *sys.argv[1:]])


if __name__ == "__main__":
    surefoot.cli.run(main)
