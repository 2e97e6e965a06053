"""Evaluate what a run has scheduled and not yet evaluated, until nothing is left and nobody trains.

python scripts/worker.py runs/Surefoot-Velocity-Flat-Unitree-Go1-v0/RUN

Training starts a worker by itself. By hand it is for a run whose trainer was killed, or that ended without waiting.
"""

import argparse
from pathlib import Path

import surefoot.cli
from surefoot.runs import worker


def main() -> None:
    """Parse, work."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run folder")
    worker.main([str(parser.parse_args().run)])


if __name__ == "__main__":
    surefoot.cli.run(main)
