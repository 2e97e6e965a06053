"""Does a factor reach the physics? One step of every environment against plain MuJoCo with the model it should have.

Reading a field back shows that the simulator holds a number, not that it computes with it. So at start the robots slide
on their feet with all joints in motion for one physics step, and for each factor the environment furthest from neutral
is compared with MuJoCo C on a model with that environment's values, and on one without the factor.
"""

from typing import TYPE_CHECKING

import mujoco
import numpy as np
import torch
from torch import Tensor

from surefoot.engines.mujoco.batch_sim import BatchSimulation
from surefoot.engines.mujoco.factors import ModelFactors
from surefoot.errors import EngineError

if TYPE_CHECKING:
    from surefoot.engines.mujoco.env import MujocoEnv

MISSING_SHARE = 0.1
"""Share of a factor's effect on the velocities that may be missing."""
_FLOOR = {"mujoco_c": 1e-4, "warp": 1e-2}
"""Effects below this share of the whole change of velocity drown in rounding and solver tolerance."""


def check_effect(env: "MujocoEnv", factors: ModelFactors) -> None:
    """Step once and compare; the simulation's state is the default one afterwards.

    Raises:
        EngineError: The simulation moves as if a factor were not there, or the model has no use for it.
    """
    if not factors.names:
        return
    qpos, qvel, ctrl = _moving_state(env)
    sim = env.sim
    sim.reset()
    sim.data.qpos[:] = qpos
    sim.data.qvel[:] = qvel
    sim.data.ctrl[:] = ctrl
    sim.step()
    got = sim.data.qvel[:].double().cpu().numpy()
    sim.reset()

    start = tuple(x.double().cpu().numpy() for x in (qpos, qvel, ctrl))
    everyone = factors.values(torch.arange(env.num_envs, device=env.device))
    for name in everyone:
        if (index := factors.furthest(name)) is None:
            continue
        own = {other: column[index : index + 1] for other, column in everyone.items()}
        # All other factors stay as they are: an effect is that of one factor in the model as it is simulated.
        without = {other: column for other, column in own.items() if other != name}
        intended = _step(sim.mj_model, factors, own, start)
        neutral = _step(sim.mj_model, factors, without, start)
        _judge(name, float(own[name]), got[index], intended, neutral, start[1], isinstance(sim, BatchSimulation))


def _judge(
    name: str, value: float, got: np.ndarray, intended: np.ndarray, neutral: np.ndarray, start: np.ndarray, exact: bool
) -> None:
    effect = np.abs(intended - neutral).max()
    whole = np.abs(intended - start).max()
    if effect < 1e-9 * whole:
        raise EngineError(
            f"randomization.factors.{name}: MuJoCo moves this robot the same with {value:g} as without; the factor "
            "does not reach the physics. Leave it out."
        )
    missing = np.abs(got - intended).max()
    if effect > _FLOOR["mujoco_c" if exact else "warp"] * whole and missing > MISSING_SHARE * effect:
        raise EngineError(
            f"randomization.factors.{name}: with {value:g} the velocities after one step should differ by {effect:.3g} "
            f"from those without, but the simulation is {missing:.3g} away from that; the factor does not reach the "
            "physics."
        )


def _moving_state(env: "MujocoEnv") -> tuple[Tensor, Tensor, Tensor]:
    """Feet 2 mm in the ground, base and joints in motion, targets off the pose: qpos, qvel, ctrl, one row for all."""
    model, state, robot = env.sim.mj_model, env.robot_state, env.manifest.robot
    wave = torch.sin(1.0 + 1.7 * torch.arange(model.nv, device=env.device))
    qpos = torch.as_tensor(model.qpos0, dtype=torch.float32, device=env.device).clone()
    qpos[0:7] = torch.tensor([0.0, 0.0, robot.base_height - 0.002, 1.0, 0.0, 0.0, 0.0], device=env.device)
    if env.ground is not None:
        qpos[0:3] += env.ground.origins[0]  # on the platform of a tile, which is level
    qpos[state.q_ids] = state.read("default_joint_pos")
    qvel = torch.zeros(model.nv, device=env.device)
    qvel[0:6] = torch.tensor([0.7, 0.5, -0.1, 0.3, -0.4, 0.5], device=env.device)
    qvel[state.v_ids] = wave[state.v_ids]
    ctrl = torch.zeros(model.nu, device=env.device)
    for index in range(model.nu):
        joint = int(model.actuator_trnid[index, 0])
        address = int(model.jnt_qposadr[joint])
        ctrl[index] = qpos[address] + 0.2 * wave[int(model.jnt_dofadr[joint])]
    return qpos, qvel, ctrl


def _step(
    nominal: mujoco.MjModel, factors: ModelFactors, values: dict[str, Tensor], start: tuple[np.ndarray, ...]
) -> np.ndarray:
    """Velocities after one step of plain MuJoCo."""
    model = nominal.__copy__()
    for write in factors.writes(values) if values else []:
        getattr(model, write.field)[write.ids.cpu().numpy()] = write.value[0].cpu().numpy()
    data = mujoco.MjData(model)
    # Constants that follow from what was written, as the simulation computes them.
    mujoco.mj_setConst(model, data)
    mujoco.mj_resetData(model, data)
    data.qpos[:], data.qvel[:], data.ctrl[:] = start
    mujoco.mj_step(model, data)
    return data.qvel.copy()
