"""Repeat the faults that ended a training run, or that it was warned about.

python scripts/replay_faults.py runs/Surefoot-Velocity-Flat-Unitree-Go1-v0/RUN/faults_120.pt

Puts one environment into the state before each recorded fault, takes the recorded action, and prints which kinds of
faults were recorded and which came again. docs/metrics.md says what each kind means.
"""

import argparse
from pathlib import Path

import surefoot.cli
from surefoot.rl.fault_replay import format_replay, replay


def main() -> None:
    """Parse, replay, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faults", type=Path, help="faults_<iteration>.pt of a run folder")
    parser.add_argument("--engine", default="mujoco")
    parser.add_argument("--device", default="cpu", help="cpu or cuda:N, as in the run")
    args = parser.parse_args()
    print(format_replay(replay(args.faults, engine=args.engine, device=args.device)))


if __name__ == "__main__":
    surefoot.cli.run(main)
