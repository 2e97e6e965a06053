"""Motors move the robot as plain MuJoCo C does with torques computed by hand before every physics step.

In the air, joints at speeds on either side of the no-load speed, so that every quadrant of a DC motor's curve is met;
each environment has a delay and motors of its own.
"""

from typing import Any

import mujoco
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import engines_here
from surefoot.engines.mjcf import robot_spec
from surefoot.engines.step import PhysicalState
from surefoot.manifest import Manifest, compose_manifest
from surefoot_tasks import manifest_root

NUM, STEPS = 4, 3
FACTORS = {"control_delay": [0, 1, 3, 6], "motor_strength": [0.7, 0.8, 1.0, 1.1]}
FACTORS |= {"stiffness": [1.2, 0.9, 1.1, 0.8], "damping": [1.4, 0.6, 1.0, 0.8]}
NO_LOAD = 6.0  # rad/s
TARGETS = 0.4 * np.cos(np.arange(STEPS * 12.0)).reshape(STEPS, 12)
SPEEDS = np.linspace(-1.5 * NO_LOAD, 1.5 * NO_LOAD, 12)[np.random.default_rng(0).permutation(12)]


def manifest(motors: str) -> Manifest:
    factors = ", ".join(
        f"{name}: {{edges: [{min(values)}, {max(values)}], mode: startup}}" for name, values in FACTORS.items()
    )
    joints = [f"robot.joints.{i}.{key}" for i in range(12) for key in (f"velocity_limit={NO_LOAD}", "damping=1.0")]
    # Newton and MuJoCo C do not integrate an implicit motor at its limit alike: it stays below.
    torque = "saturation_effort=40" if motors == "dc_motor" else "effort_limit=100"
    joints += [f"robot.joints.{i}.{torque}" for i in range(12)]
    physics = ["simulation.timestep=0.005", "simulation.decimation=4"]
    task = [f"randomization.factors={{{factors}}}", "randomization.bucket_by=[]", "task.actions.scale=1.0"]
    overrides = [*physics, *task, *joints, f"robot.motors={motors}"]
    return compose_manifest(manifest_root(), "Surefoot-Velocity-Flat-Unitree-Go1-v0", overrides)


def torques(task: Manifest, row: int, target: Any, pos: Any, vel: Any) -> NDArray[np.float64]:
    """N m, written out: position loop, then the two lines of the curve, then the limit; all times the strength."""
    limit = np.array([joint.effort_limit for joint in task.robot.joints])
    wanted = 35.0 * FACTORS["stiffness"][row] * (target - pos) - 1.0 * FACTORS["damping"][row] * vel
    if task.robot.motors == "dc_motor":
        wanted = np.minimum(wanted, 40.0 - 40.0 / NO_LOAD * vel)
        wanted = np.maximum(wanted, -40.0 - 40.0 / NO_LOAD * vel)
    return FACTORS["motor_strength"][row] * np.clip(wanted, -limit, limit)


def reference(task: Manifest, row: int) -> tuple[mujoco.MjModel, list[int], list[int]]:
    """The Go1 alone, with MuJoCo's position actuators or without any; where its joints are in qpos and in qvel."""
    spec, strength = robot_spec("unitree_go1"), FACTORS["motor_strength"][row]
    for joint in task.robot.joints:
        spec.joint(joint.name).range = joint.limits
        if task.robot.motors == "implicit_pd":
            motor = spec.add_actuator(name=joint.name, target=joint.name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
            stiffness = 35.0 * strength * FACTORS["stiffness"][row]
            motor.biastype, motor.gainprm[0], motor.biasprm[1] = mujoco.mjtBias.mjBIAS_AFFINE, stiffness, -stiffness
            motor.biasprm[2] = -1.0 * strength * FACTORS["damping"][row]
            motor.forcelimited, motor.ctrllimited = True, False
            motor.forcerange = np.array([-1.0, 1.0]) * strength * joint.effort_limit
    for geom in spec.geoms:
        geom.contype = geom.conaffinity = 0
    spec.option.timestep = task.simulation.timestep
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    model = spec.compile()
    ids = [model.joint(name).id for name in task.robot.joint_names]
    qvel = model.jnt_dofadr[ids].tolist()
    model.dof_damping[:], model.dof_frictionloss[:] = 0.0, 0.0
    model.dof_armature[qvel] = [joint.armature for joint in task.robot.joints]
    return model, model.jnt_qposadr[ids].tolist(), qvel


def start(env: Any) -> None:
    everyone = torch.arange(NUM)
    env.reset()
    for name, values in FACTORS.items():
        env.buckets.values[name][:] = torch.tensor(values, dtype=env.buckets.values[name].dtype)
    env.buckets.values["payload_mass"][:] = 0.0  # the task's own
    env.apply_factors(everyone)
    position = env.robot_state.episode_origins() + torch.tensor([0.0, 0.0, 2.0])
    env.write_state(
        everyone,
        PhysicalState(
            pos_w=position,
            quat_w=torch.tensor([1.0, 0, 0, 0]).expand(NUM, 4),
            lin_vel_w=torch.zeros(NUM, 3),
            ang_vel_b=torch.zeros(NUM, 3),
            joint_pos=env.robot_state.read("default_joint_pos").expand(NUM, 12),
            joint_vel=torch.tensor(SPEEDS, dtype=torch.float32).expand(NUM, 12),
        ),
    )
    env.refresh(everyone)
    env.robot_state.invalidate()


def by_hand(task: Manifest, row: int, every: int = 1) -> tuple[NDArray[np.float64], ...]:
    """Joint velocities, torques and acceleration of the base (less gravity) after each control step.

    Args:
        task: Says what kind of motors.
        row: Whose delay, strength and gains.
        every: Torques are computed in each so many-th physics step.
    """
    model, qpos, qvel = reference(task, row)
    data = mujoco.MjData(model)
    default = np.array(task.robot.default_joint_pos)
    data.qpos[:7], data.qpos[qpos] = [0, 0, 2, 1, 0, 0, 0], default
    data.qvel[:], data.qvel[qvel] = 0.0, SPEEDS
    late = np.tile(default, (FACTORS["control_delay"][row], 1))
    told = np.concatenate((late, np.repeat(default + TARGETS, 4, axis=0)))
    seen: list[Any] = []
    for step in range(4 * STEPS):
        if model.nu:
            data.ctrl[:] = told[step]
        elif step % every == 0:
            data.qfrc_applied[qvel] = torques(task, row, told[step], data.qpos[qpos], data.qvel[qvel])
        mujoco.mj_step(model, data)
        if step % 4 == 3:
            moved = data.qvel[qvel].copy()
            torque = torques(task, row, told[step], data.qpos[qpos], moved)
            if not model.nu:
                data.qfrc_applied[qvel] = torque
            mujoco.mj_forward(model, data)
            seen.append((moved, torque, data.qacc[:3] - model.opt.gravity))
    return tuple(np.array(part) for part in zip(*seen, strict=True))


@pytest.mark.parametrize("motors", ["implicit_pd", "dc_motor"])
def test_each_physics_step_has_its_own_target_and_torque(engine: str, make_env: Any, motors: str) -> None:
    task = manifest(motors)
    env = make_env(task, num_envs=NUM, evaluation=True)
    start(env)
    physics = engines_here.physics(engine)
    single = physics == "newton_mjwarp"
    expected = [by_hand(task, row) for row in range(NUM)]
    for step, target in enumerate(TARGETS):
        env.action_manager.process_action(torch.tensor(target, dtype=torch.float32).expand(NUM, 12))
        env.advance_physics()
        env.robot_state.invalidate()
        moved, torque = (env.robot_state.read(name).tolist() for name in ("joint_vel", "joint_torque"))
        felt = env.robot_state.base_acceleration()[0].tolist()
        for row, (vel, law, acceleration) in enumerate(expected):
            if physics == "ovphysx":  # integrates otherwise: stiffness implicitly, and in parts of a step
                apart = np.abs(np.array(moved[row]) - vel[step]).max()
                assert apart < 0.35 * np.abs(vel[: step + 1]).max(), (row, step)
                continue
            assert moved[row] == pytest.approx(vel[step].tolist(), abs=5e-3 if single else 5e-4), (row, step)
            assert torque[row] == pytest.approx(law[step].tolist(), abs=5e-2 if single else 5e-3), (row, step)
            if physics != "isaacsim_physx":  # that knows the mean over its last physics step
                assert felt[row] == pytest.approx(acceleration[step].tolist(), abs=0.2 if single else 0.02), (row, step)


def test_a_torque_held_for_a_control_step_would_not_pass() -> None:
    """Nor would motors without the curve."""
    task = manifest("dc_motor")
    vel = by_hand(task, 1)[0]
    assert np.abs(by_hand(task, 1, every=4)[0] - vel).max() > 0.5
    assert np.abs(by_hand(manifest("implicit_pd"), 1)[0] - vel).max() > 0.5
