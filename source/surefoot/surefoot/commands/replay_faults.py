"""Repeat the faults that ended a training run, or that it was warned about.

surefoot replay-faults runs/Surefoot-Velocity-Flat-Unitree-Go1-v0/RUN/faults_120.pt
surefoot replay-faults latest        # the newest faults_<iteration>.pt of the run

Puts one environment into the state before each recorded fault, takes the recorded action, and prints which kinds of
faults were recorded and which came again. docs/accounts.md says what each kind means.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The faults, and where they are repeated."""
    parser.add_argument("faults", type=Path, help="faults_<iteration>.pt, its run folder, or `latest`")
    parser.add_argument("--engine", default="mujoco")
    parser.add_argument("--device", default="cpu", help="cpu or cuda:N, as in the run")


def run(args: argparse.Namespace) -> None:
    """Replay, print."""
    path = _file(args.faults)

    from surefoot.machine import Machine
    from surefoot.rl.fault_replay import format_replay, replay

    print(format_replay(replay(path, Machine(args.engine, args.device))))


def _file(named: Path) -> Path:
    from surefoot.errors import RunFolderError
    from surefoot.runs.locate import run_folder

    if named.suffix == ".pt":
        return named
    folder = run_folder(named)
    found = sorted(folder.glob("faults_*.pt"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise RunFolderError(f"{folder}: no faults_<iteration>.pt: this run recorded no faults.")
    return found[-1]
