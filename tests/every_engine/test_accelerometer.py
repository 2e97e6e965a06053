"""The accelerometer against physics that needs no simulator: stiff legs make a Go1 a rigid body."""

import math
from collections.abc import Iterator
from typing import Any

import mujoco
import pytest
import torch
from torch import Tensor

import engines_here
from surefoot.engines.isaaclab import compat
from surefoot.engines.mjcf import robot_spec
from surefoot.engines.step import PhysicalState
from surefoot.manifest import compose_manifest
from surefoot.mdp.frames import rotate
from surefoot.randomization.conditions import Conditions, Kicks, Timetable
from surefoot.replay.trace_run import replay_manifest
from surefoot_tasks import manifest_root

TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
GRAVITY, SLOPE = 9.81, 0.095  # slope_up at difficulty 0.1: 0.9 x 0.05 + 0.1 x 0.50
LEVEL = torch.tensor([[1.0, 0.0, 0.0, 0.0]]).expand(2, 4)


@pytest.fixture(scope="module")
def env(engine: str) -> Iterator[Any]:
    """One robot on a slope, one on level ground."""
    none = torch.full((2, 1), torch.inf)
    conditions = Conditions(
        keys=torch.arange(2),
        factors={"friction": torch.ones(2), "payload_mass": torch.zeros(2), "control_delay": torch.zeros(2)},
        tiles=torch.tensor([0, 1]),
        kicks=Kicks(none, none, torch.zeros(2, 1, 3)),
        timetable=Timetable(torch.zeros(2, 1), torch.zeros(2, 1, 3)),
        ground=(("slope_up", 0.1, 0), ("flat", 0.0, 0)),
    )
    builder = engines_here.Builder(engine)
    firm = engines_here.FIRM if engines_here.physics(engine) == "newton_mjwarp" else ()
    task = replay_manifest(compose_manifest(manifest_root(), TASK, ["randomization.bucket_by=[]", *firm]))
    yield builder(task, evaluation=True, single_steps=True, conditions=conditions)
    builder.close()


def run(
    env: Any,
    steps: int,
    *,
    pos: Tensor,
    quat: Tensor = LEVEL,
    ang_vel: Tensor | None = None,
    gains: tuple[float, float] = (1000.0, 50.0),
    force: float = 0.0,
) -> Tensor:
    """Start in the default pose, make physics steps, and read the accelerometer. Shape (2, 3)."""
    env.reset()
    env.write_gains(*(torch.full((2, 12), gain) for gain in gains))
    push(env, force)
    default = env.robot_state.read("default_joint_pos").expand(2, -1)
    zero = torch.zeros(2, 3)
    env.write_state(
        torch.arange(2),
        PhysicalState(
            pos_w=pos + env.ground.origins,
            quat_w=quat,
            lin_vel_w=zero,
            ang_vel_b=zero if ang_vel is None else ang_vel,
            joint_pos=default,
            joint_vel=0 * default,
        ),
    )
    for _ in range(steps):
        env.command_joints(default)
        env.physics_step()
    env.command_joints(default)
    return look(env)


def look(env: Any) -> Tensor:
    env.refresh(torch.arange(2))
    env.robot_state.invalidate()
    return env.robot_state.read("imu_lin_acc_b").clone()


def in_the_air() -> Tensor:
    return torch.tensor([0.0, 0.0, 3.0]).expand(2, 3)


def test_at_rest_it_shows_gravity_upwards_also_on_a_slope(env: Any) -> None:
    angle = math.atan(SLOPE)
    height = env.manifest.robot.base_height
    pos = torch.tensor([[3.0, 0.0, 2.25 * SLOPE + height / math.cos(angle)], [0.0, 0.0, height]])
    quat = torch.tensor([[math.cos(0.5 * angle), 0.0, -math.sin(0.5 * angle), 0.0], [1.0, 0.0, 0.0, 0.0]])
    felt = run(env, 200, pos=pos, quat=quat, gains=(60.0, 5.0))
    expected = torch.tensor([[math.sin(angle), 0.0, math.cos(angle)], [0.0, 0.0, 1.0]]) * GRAVITY
    assert torch.allclose(felt, -GRAVITY * env.robot_state.read("projected_gravity_b"), atol=0.1)
    assert torch.allclose(felt, expected, atol=0.45)  # legs give way by up to 2.5 degrees


def test_in_free_fall_it_shows_nothing(env: Any) -> None:
    assert run(env, 5, pos=in_the_air()).abs().max() < 0.02


def test_a_spin_shows_as_centripetal_acceleration(env: Any) -> None:
    """omega^2 r towards the axis through the centre of mass; the Go1's IMU is 7 cm beside it, in -y."""
    omega = 4.0
    felt = run(env, 5, pos=in_the_air(), ang_vel=torch.tensor([0.0, 0.0, omega]).expand(2, 3))
    site, com = site_and_com(env)
    expected = -(omega**2) * (site - com)[:2]
    assert expected[1] > 1.0
    assert torch.allclose(felt[:, :2], expected.expand(2, 2).float(), atol=0.06)


def site_and_com(env: Any) -> tuple[Tensor, Tensor]:
    """IMU and centre of mass of the robot in its default pose, m, base frame, by the MJCF."""
    robot = env.manifest.robot
    model = robot_spec(robot.assets.mujoco).compile()
    data = mujoco.MjData(model)
    data.qpos[:3], data.qpos[3:7] = 0.0, (1.0, 0.0, 0.0, 0.0)
    for joint in robot.joints:
        data.joint(joint.name).qpos = joint.default_pos
    mujoco.mj_forward(model, data)
    return torch.tensor(data.site(robot.imu_site).xpos), torch.tensor(data.subtree_com[1])


def test_a_force_in_free_fall_shows_as_force_over_mass(env: Any) -> None:
    """50 N upwards at the base's centre of mass, which is a centimetre from the robot's: it hardly turns."""
    felt = run(env, 3, pos=in_the_air(), force=50.0)
    up = rotate(env.robot_state.read("base_quat_w"), felt)
    assert torch.allclose(up[:, 2], 50.0 / env.total_mass(), rtol=0.05)
    assert up[:, :2].abs().max() < 0.2


def push(env: Any, force: float) -> None:
    """A lasting force upwards on the base."""
    if not hasattr(env, "handle"):  # mujoco
        env.sim.data.xfrc_applied[:, env.body_id(env.manifest.robot.base_body), 2] = force
        return
    robot = env.scene["robot"]
    base = [robot.body_names.index(env.manifest.robot.base_body)]
    forces = torch.tensor([0.0, 0.0, force]).expand(2, 1, 3).contiguous()
    if compat.isaaclab_version() == "2.3":
        robot.set_external_force_and_torque(forces, 0 * forces, body_ids=base, is_global=True)
    else:
        robot.permanent_wrench_composer.set_forces_and_torques_index(
            forces=forces, torques=0 * forces, body_ids=base, is_global=True
        )


def test_after_a_write_nothing_is_left_of_what_was_felt_before(env: Any) -> None:
    """Landing from 0.2 m on stiff legs; then in the air: nothing, or, on PhysX, gravity as if held."""
    height = env.manifest.robot.base_height
    run(env, 10, pos=torch.tensor([0.0, 0.0, height + 0.2]).expand(2, 3))
    for _ in range(60):
        env.physics_step()
        if look(env).norm(dim=1).min() > 2 * GRAVITY:
            break
    else:
        pytest.fail("the robots never landed")
    assert run(env, 0, pos=in_the_air()).norm(dim=1).max() < GRAVITY + 0.01
