"""Evaluate what a run has scheduled and not yet evaluated, until nothing is left and nobody trains.

surefoot worker runs/Surefoot-Velocity-Flat-Unitree-Go1-v0/RUN

Training starts a worker by itself. By hand it is for a run whose trainer was killed, or that ended without waiting.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run."""
    parser.add_argument("run", type=Path, help="run folder, a checkpoint in it, or `latest`")


def run(args: argparse.Namespace) -> None:
    """Work."""
    from surefoot.runs import worker
    from surefoot.runs.locate import run_folder

    worker.main([str(run_folder(args.run))])
