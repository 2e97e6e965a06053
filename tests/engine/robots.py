"""Facts about the robots that the engine tests compare their definitions with, and where their models are."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from cases import NOMINAL
from surefoot.engines.mjcf import robot_spec
from surefoot.errors import EngineError, MissingExtra
from surefoot.manifest import Manifest, compose_manifest
from surefoot.manifest.robot import Robot
from surefoot_tasks import manifest_root

CALM = [
    *NOMINAL, "task.resets.joint_pos=[0,0]", "task.resets.lin_vel=[0,0]", "task.resets.ang_vel=[0,0]",
    "task.resets.randomize_episode_start=false",
]  # fmt: skip
"""Nominal robots that start in the default pose, at rest."""


@dataclass(frozen=True)
class Facts:
    """What is known about a robot from elsewhere."""

    task: str
    mass: float
    """kg; see where ROBOTS is."""
    link: Callable[[str], str]
    """From a joint's name to that of the body that it moves, without the suffix `_link`."""
    twin: Callable[[str], str]
    """From a body's name to that of the other side."""
    stands: float = 2.0
    """s, for how long it stays up by itself in the default pose."""
    sunk: float = 0.0
    """m, how far `base_height` puts the soles below the ground."""


def _quadruped_link(joint: str) -> str:
    return joint.removesuffix("_joint")


def _quadruped_twin(body: str) -> str:
    sides = {"FR": "FL", "FL": "FR", "RR": "RL", "RL": "RR"}
    return sides[body[:2]] + body[2:] if body[:2] in sides else body


def _humanoid_link(joint: str) -> str:
    return {"waist_pitch_joint": "torso"}.get(joint, joint.removesuffix("_joint"))


def _humanoid_twin(body: str) -> str:
    side, _, rest = body.partition("_")
    return {"left": f"right_{rest}", "right": f"left_{rest}"}.get(side, body)


_TASK = "Surefoot-Velocity-Flat-Unitree-{}-v0"

ROBOTS = {
    # Masses: sums over the URDFs of unitree_ros. mjlab's start of the Go1, which its definition has, is low.
    "unitree_go1": Facts(_TASK.format("Go1"), 12.743, _quadruped_link, _quadruped_twin, sunk=0.0165),
    "unitree_go2": Facts(_TASK.format("Go2"), 15.206, _quadruped_link, _quadruped_twin),
    # Its ankles (28.5 N m/rad each) are softer than a pendulum of its weight and height (about 230): it tips over.
    "unitree_g1": Facts(_TASK.format("G1"), 33.341, _humanoid_link, _humanoid_twin, stands=0.6),
    # As softly. Only where MuJoCo Menagerie's copy is, or can be downloaded.
    "unitree_h1": Facts(_TASK.format("H1"), 51.437, _humanoid_link, _humanoid_twin, stands=0.4),
}


def composed(task: str, *overrides: str) -> Manifest:
    return compose_manifest(manifest_root(), task, list(overrides))


def spec_or_skip(robot: Robot) -> None:
    """Skip, with the reason, where the robot's model cannot be had."""
    try:
        robot_spec(str(robot.assets.mujoco))
    except (EngineError, MissingExtra) as error:
        pytest.skip(str(error))
