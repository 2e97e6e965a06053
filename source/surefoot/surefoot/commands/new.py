"""Make a package for a robot, a reward and a task of your own, outside of this repository.

surefoot new my_lab                                   # with a simple quadruped to begin with
surefoot new my_lab --robot path/to/spot.xml          # your MJCF, copied with its meshes
surefoot new my_lab --robot boston_dynamics_spot      # a robot of MuJoCo Menagerie, by its name there

Then: pip install -e my_lab; surefoot train --task MyLab-Velocity-Flat-Dog-v0. docs/labs.md goes through it.
Joints, limits, mirror, feet and collision geometries are read from the MJCF; what it does not say is guessed from the
mass and printed. Quadrupeds only: for a robot with two legs, change the files afterwards.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Name, robot, place."""
    parser.add_argument("name", help="of the package, such as my_lab; also the folder")
    parser.add_argument("--robot", help="an MJCF file, or a name in MuJoCo Menagerie; default: a simple quadruped")
    parser.add_argument("--robot-name", help="short name of the robot; default: that of the file")
    parser.add_argument("--into", type=Path, default=Path(), help="folder in which the package's folder is made")


def run(args: argparse.Namespace) -> None:
    """Write the package, print what to look at first."""
    from surefoot.engines.new_lab import make_lab

    made = make_lab(args.name, args.into, args.robot, args.robot_name)
    print(f"{made.folder}: {len(made.files)} files, task {made.task}\n\n{made.draft.facts}\n")
    print("Compare mass, pose, limits and torques with the data sheet; the file to correct is")
    print(f"  {made.robot_file}\nThen:\n  pip install -e {made.folder}\n  surefoot train --task {made.task}")
