"""Does a factor reach the physics? One step of every environment with it, and one without it.

On Newton the step is compared with plain MuJoCo and the model that it should have, as `engines/mujoco/probe.py` does:
Isaac Lab's solver there is MuJoCo-Warp, and Newton keeps the MuJoCo model that it was made from. PhysX has no such
reference, and of friction two solvers make different things: there the robots must move otherwise with the factor than
without it.

Axis letters: n environments.
"""

import re
from typing import TYPE_CHECKING, Any

import mujoco
import numpy as np
import torch
from torch import Tensor

from surefoot.engines.isaaclab.compat.joint_parameters import JOINT_PARAMETERS
from surefoot.engines.isaaclab.compat.newton import manager
from surefoot.engines.isaaclab.factors import MOTOR_QUANTITIES
from surefoot.engines.motor_law import dc_motor_torque
from surefoot.engines.step import PhysicalState
from surefoot.errors import EngineError

if TYPE_CHECKING:
    from surefoot.engines.isaaclab.env import IsaacLabEnv

MISSING_SHARE = 0.1
"""Share of a factor's effect on the velocities that may be missing."""
_FLOOR = 1e-2
"""Effects below this share of the whole change of velocity drown in the solver's tolerance and single precision."""
_FELT = 1e-5
"""Share of a robot's velocities that a factor has to change where there is no reference."""
_PRESSED, _IN_THE_AIR = -0.002, 0.5
"""m, over the ground: a Go1 on its default start has feet a few millimetres in it already."""


def check_effect(env: "IsaacLabEnv", has_reference: bool) -> None:
    """Step and compare; every environment has to be reset afterwards.

    Args:
        env: With its factors written.
        has_reference: Whether the solver is MuJoCo's.

    Raises:
        EngineError: The simulation moves as if a factor were not there, or the model has no use for it.
    """
    names = list(env.factors.names)
    others, friction = [name for name in names if name != "friction"], [name for name in names if name == "friction"]
    # Feet that slide are beyond the solver's few iterations, which end somewhere else in each implementation.
    (_compare if has_reference else _feel)(env, others, _IN_THE_AIR)
    _feel(env, friction, _PRESSED)


def _feel(env: "IsaacLabEnv", names: list[str], height: float) -> None:
    """Step with all factors, and again with one of them at its neutral value."""
    factors, everyone = env.factors, torch.arange(env.num_envs, device=env.device)
    values = factors.values(everyone)
    touched = {name: index for name in names if (index := factors.furthest(name)) is not None}
    if not touched:
        return
    same = []
    for _ in range(3):  # writing the same again moves PhysX a little, and so does a first contact
        factors.write(everyone, values)
        same.append(_stepped(env, height))
    whole, unlike = same[2], (same[2] - same[1]).abs().amax(dim=1)
    for name, most in touched.items():
        factors.write(everyone, factors.without(name, values))
        effect = (_stepped(env, height) - whole).abs().amax(dim=1)
        if not effect[most] > _FELT * whole[most].abs().max() + 3.0 * unlike[most]:
            raise EngineError(
                f"randomization.factors.{name}: the simulation moves a robot with {float(values[name][most]):g} as it "
                "moves one without; the factor does not reach the physics. Leave it out."
            )
    factors.apply(everyone)


def _stepped(env: "IsaacLabEnv", height: float) -> Tensor:
    """Velocities of base and joints, m/s and rad/s, one physics step after `_set_moving`. Shape (num_envs, 6 + J)."""
    _set_moving(env, height, by_feet=True)
    env.physics_step()
    read = env.robot_state.read
    return torch.cat([read("base_lin_vel_w"), read("base_ang_vel_w"), read("joint_vel")], dim=1)


def _compare(env: "IsaacLabEnv", names: list[str], height: float) -> None:
    if not names:
        return
    factors = env.factors
    _set_moving(env, height)
    newton: Any = manager()
    solver = newton._solver
    solver._update_mjc_data(solver.mjw_data, solver.model, newton.get_state_0())
    qpos, qvel = solver.mjw_data.qpos.numpy().copy(), solver.mjw_data.qvel.numpy().copy()
    env.sim.step(render=False)
    got, ctrl = solver.mjw_data.qvel.numpy(), solver.mjw_data.ctrl.numpy()

    everyone = factors.values(torch.arange(env.num_envs, device=env.device))
    for name in names:
        if (index := factors.furthest(name)) is None:
            continue
        own = {other: column[index : index + 1] for other, column in everyone.items()}
        start = (qpos[index], qvel[index], ctrl[index])
        intended = _step(env, own, start)
        without = _step(env, factors.without(name, own), start)
        _judge(name, float(own[name]), got[index], intended, without, qvel[index])


def _judge(
    name: str,
    value: float,
    got: np.ndarray,
    intended: np.ndarray,
    without: np.ndarray,
    start: np.ndarray,
) -> None:
    effect, whole = np.abs(intended - without).max(), np.abs(intended - start).max()
    if effect < 1e-9 * whole:
        raise EngineError(
            f"randomization.factors.{name}: MuJoCo moves this robot the same with {value:g} as without; the factor "
            "does not reach the physics. Leave it out."
        )
    missing = np.abs(got - intended).max()
    if effect > _FLOOR * whole and missing > MISSING_SHARE * effect:
        raise EngineError(
            f"randomization.factors.{name}: with {value:g} the velocities after one step should differ by {effect:.3g} "
            f"from those without, but the simulation is {missing:.3g} away from that; the factor does not reach the "
            "physics."
        )


def _set_moving(env: "IsaacLabEnv", height: float, by_feet: bool = False) -> None:
    """Base and joints in motion, targets off the pose.

    Args:
        env: All of its robots.
        height: m, over the default start.
        by_feet: Of the lowest foot over the ground instead.
    """
    robot, default = env.manifest.robot, env.robot_state.read("default_joint_pos")
    moving, targets = _motion(env)
    ids = torch.arange(env.num_envs, device=env.device)
    position = env.scene.env_origins.clone()
    position[:, 2] += robot.base_height
    row = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.7, 0.5, -0.1, 0.0], [0.3, -0.4, 0.5, 0.0]], device=env.device)
    quat, lin_vel, ang_vel = (part.expand(env.num_envs, 4) for part in row)
    state = PhysicalState(
        pos_w=position,
        quat_w=quat,
        lin_vel_w=lin_vel[:, :3],
        ang_vel_b=ang_vel[:, :3],
        joint_pos=default.expand(env.num_envs, -1),
        joint_vel=moving.expand(env.num_envs, -1),
    )
    if by_feet:
        env.write_state(ids, state)
        env.refresh(ids)
        lowest = env.robot_state.read("foot_height").amin(dim=1)
        position[:, 2] -= (lowest * 1e5).round() / 1e5  # PhysX makes a velocity of what two readings differ by
    position[:, 2] += height
    env.write_state(ids, state)
    env.refresh(ids)
    env.handle.set_targets(targets.expand(env.num_envs, -1))
    env.scene.write_data_to_sim()


def _step(env: "IsaacLabEnv", values: dict[str, Tensor], start: tuple[np.ndarray, ...]) -> np.ndarray:
    """Velocities after one step of plain MuJoCo."""
    model = manager()._solver.mj_model.__copy__()
    model.opt.timestep = env.physics_dt
    written = env.factors.arrays(values)
    for name, value in written.items():
        if not (env.handle.has_dc_motors and name in MOTOR_QUANTITIES):
            _write(model, env, name, value[0].double().cpu().numpy())
    data = mujoco.MjData(model)
    mujoco.mj_setConst(model, data)
    mujoco.mj_resetData(model, data)
    data.qpos[:], data.qvel[:], data.ctrl[:] = start
    if env.handle.has_dc_motors:
        for joint, torque in zip(env.scene["robot"].joint_names, _dc_torques(env, written), strict=True):
            data.qfrc_applied[model.jnt_dofadr[_find(model, "joint", f"_{joint}")]] = torque
    mujoco.mj_step(model, data)
    return data.qvel.copy()


def _dc_torques(env: "IsaacLabEnv", written: dict[str, Tensor]) -> list[float]:
    """N m, of the robots that `_set_moving` leaves, Isaac Lab's joint order."""
    held = {name: written.get(name, env.factors.whole[name]).double() for name in MOTOR_QUANTITIES}
    default = env.robot_state.read("default_joint_pos")[env.handle.to_isaac].double()
    moving, targets = (part[env.handle.to_isaac].double() for part in _motion(env))
    wanted = held["stiffness"] * (targets - default) - held["damping"] * moving
    speed = env.handle.joint_parameter("velocity_limit")[0].double()
    torque = dc_motor_torque(wanted, moving, held["saturation_effort"], held["effort_limit"], speed)
    return torque.flatten().tolist()


def _motion(env: "IsaacLabEnv") -> tuple[Tensor, Tensor]:
    """Joint velocities, rad/s, and targets off the pose, rad. Shapes (num_joints,)."""
    default = env.robot_state.read("default_joint_pos")
    wave = torch.sin(1.0 + 1.7 * torch.arange(len(default), device=env.device))
    return wave, default + 0.2 * wave


def _write(model: mujoco.MjModel, env: "IsaacLabEnv", name: str, value: np.ndarray) -> None:
    """One quantity of one robot, in Isaac Lab's order, into MuJoCo's model."""
    robot = env.scene["robot"]
    if name == "friction":
        geoms = [env.handle.geom_names[column] for column in env.factors.feet.tolist()]
        for geom, friction in zip(geoms, value, strict=True):
            model.geom_friction[_find(model, "geom", f"/{geom}_"), 0] = friction
        return
    if name in ("mass", "inertia", "com"):
        for body, quantity in zip(robot.body_names, value, strict=True):
            _write_body(model, _find(model, "body", f"_{body}"), name, quantity)
        return
    for joint, quantity in zip(robot.joint_names, value, strict=True):
        index = _find(model, "joint", f"_{joint}")
        dof, motors = model.jnt_dofadr[index], np.flatnonzero(model.actuator_trnid[:, 0] == index)
        if name == "stiffness":
            motor = motors[np.abs(model.actuator_biasprm[motors, 1]).argmax()]
            model.actuator_gainprm[motor, 0], model.actuator_biasprm[motor, 1] = quantity, -quantity
        elif name == "damping":  # Newton 1.6 has an actuator of its own for it
            motor = motors[np.abs(model.actuator_biasprm[motors, 2]).argmax()]
            model.actuator_biasprm[motor, 2] = -quantity
            if model.actuator_biasprm[motor, 1] == 0.0:
                model.actuator_gainprm[motor, 0] = quantity
        elif name == "effort_limit":
            model.jnt_actfrcrange[index] = -quantity, quantity
        else:
            getattr(model, JOINT_PARAMETERS[name].mujoco)[dof] = quantity


def _write_body(model: mujoco.MjModel, body: int, name: str, value: np.ndarray) -> None:
    if name == "mass":
        model.body_mass[body] = value
    elif name == "com":
        model.body_ipos[body] = value
    else:
        _write_inertia(model, body, value.reshape(3, 3))


def _write_inertia(model: mujoco.MjModel, body: int, inertia: np.ndarray) -> None:
    """Principal axes stay next to those that were: MuJoCo keeps the boxes that it looks for contacts with in them."""
    before = np.zeros(9)
    mujoco.mju_quat2Mat(before, model.body_iquat[body])
    before = before.reshape(3, 3)
    moments, axes = np.linalg.eigh(before.T @ inertia @ before)
    order = np.abs(axes).argmax(axis=0).argsort()
    moments, axes = moments[order], axes[:, order]
    axes = axes * np.where(np.diag(axes) < 0, -1.0, 1.0)
    axes[:, 2] *= np.sign(np.linalg.det(axes))
    model.body_inertia[body] = moments
    mujoco.mju_mat2Quat(model.body_iquat[body], (before @ axes).flatten())


def _find(model: mujoco.MjModel, kind: str, part: str) -> int:
    """Newton names things by their path in the stage, geometries with a number behind."""
    count = {"body": model.nbody, "joint": model.njnt, "geom": model.ngeom}[kind]
    names = [getattr(model, kind)(index).name for index in range(count)]
    pattern = re.compile(re.escape(part) + (r"\d+$" if kind == "geom" else "$"))
    found = [i for i, name in enumerate(names) if pattern.search(name)]
    if len(found) != 1:
        raise EngineError(f"Newton's model: expected one {kind} {part.strip('_/')!r}, found {len(found)} in {names}.")
    return found[0]
