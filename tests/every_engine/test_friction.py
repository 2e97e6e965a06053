"""The ground is felt with the friction that a robot has: it brakes a sliding robot by friction times gravity."""

from typing import Any

import pytest
import torch

import engines_here
from surefoot.manifest import compose_manifest
from surefoot.randomization.conditions import Conditions, Kicks, Timetable
from surefoot.replay.trace_run import replay_manifest
from surefoot_tasks import manifest_root

TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
GRAVITY, CONTROL_STEP, NUM = 9.81, 0.02, 12


@pytest.mark.parametrize(
    ("ground", "contacts"),
    [((), "lean"), ((("flat", 0.0, 0),), "lean"), ((), "richest")],
    ids=["plane", "tile", "every geometry"],
)
def test_a_sliding_robot_is_braked_by_its_own_friction(engine: str, ground: tuple[Any, ...], contacts: str) -> None:
    """So low that the robot slides upright; the ground's own friction, next to none, must not count.

    A foot that keeps its 0.8 because another geometry got the value would brake far more.
    """
    friction = torch.tensor([0.05, 0.1, 0.15]).repeat(NUM // 3)
    none, zero = torch.full((NUM, 1), torch.inf), torch.zeros(NUM)
    conditions = Conditions(
        keys=torch.arange(3).repeat(NUM // 3),
        factors={"friction": friction, "payload_mass": zero, "control_delay": zero},
        tiles=torch.zeros(NUM, dtype=torch.long),
        kicks=Kicks(none, none, torch.zeros(NUM, 1, 3)),
        timetable=Timetable(torch.zeros(NUM, 1), torch.zeros(NUM, 1, 3)),
        ground=ground,
    )
    builder = engines_here.Builder(engine)
    firm = engines_here.FIRM if ground else ()
    model = engines_here.contacts(engine) if contacts == "richest" else contacts
    # Feet that have sunk into a height field meet the sides of its prisms, which brakes by up to 0.1 g here.
    drag = 0.1 if ground and engines_here.physics(engine) in ("mujoco", "newton_mjwarp") else 0.0
    task = replay_manifest(
        compose_manifest(manifest_root(), TASK, ["randomization.bucket_by=[]", *firm, f"simulation={model}"])
    )
    env = builder(task, evaluation=True, single_steps=True, conditions=conditions)
    env.reset()
    still = torch.zeros(NUM, 12)
    for _ in range(50):
        env.step(still)
    read = env.robot_state.read
    forward = torch.stack([torch.cos(heading(env)), torch.sin(heading(env)), zero], dim=1)
    env.write_base(
        torch.arange(NUM),
        pos_w=read("base_pos_w").clone(),
        quat_w=read("base_quat_w").clone(),
        lin_vel_w=forward,
        ang_vel_b=torch.zeros(NUM, 3),
    )
    env.refresh(torch.arange(NUM))
    speed = []
    for _ in range(6):
        env.step(still)
        speed.append((read("base_lin_vel_w") * forward).sum(dim=1).clone())
    builder.close()
    felt = (speed[1] - speed[5]) / (4 * CONTROL_STEP * GRAVITY)
    assert bool(((felt > 0.85 * friction) & (felt < 1.15 * friction + drag)).all()), felt.tolist()


def heading(env: Any) -> torch.Tensor:
    """Yaw of each robot, rad. Shape (N,)."""
    w, x, y, z = env.robot_state.read("base_quat_w").unbind(dim=1)
    return torch.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
