"""Small environments and plain MuJoCo computations that the engine tests share."""

from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
import torch
from mjlab.envs import ManagerBasedRlEnv, ManagerBasedRlEnvCfg
from mjlab.tasks.velocity.config.go1.env_cfgs import unitree_go1_flat_env_cfg, unitree_go1_rough_env_cfg
from torch import Tensor

from surefoot.engines.mujoco import make_env
from surefoot.engines.mujoco.env import MujocoEnv
from surefoot.manifest import Manifest, compose_manifest
from surefoot_tasks import manifest_root

TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
NOMINAL = ["randomization.factors.friction.edges=[0.8,0.8]", "randomization.factors.payload_mass.edges=[0,0]"]
"""Every environment as the robot definition says."""


def manifest(*overrides: str) -> Manifest:
    return compose_manifest(manifest_root(), TASK, list(overrides))


def small_env(num_envs: int = 8, *overrides: str, **kwargs: Any) -> MujocoEnv:
    return make_env(manifest(*overrides), device="cpu", num_envs=num_envs, **kwargs)


def random_actions(steps: int, num_envs: int, scale: float = 0.5, seed: int = 0) -> Tensor:
    return scale * torch.randn(steps, num_envs, 12, generator=torch.Generator().manual_seed(seed))


@dataclass
class Rollout:
    """What a sequence of actions gave. Time first."""

    qpos: Tensor
    actor: Tensor
    critic: Tensor
    reward: Tensor
    done: Tensor

    def equals(self, other: "Rollout") -> bool:
        return all(torch.equal(a, b) for a, b in zip(vars(self).values(), vars(other).values(), strict=True))


def roll(env: MujocoEnv, actions: Tensor) -> Rollout:
    rows: list[tuple[Tensor, ...]] = []
    for action in actions:
        result = env.step(action)
        observations = (result.observations["actor"], result.observations["critic"])
        done = result.terminated | result.truncated
        rows.append(tuple(x.clone() for x in (env.sim.data.qpos[:], *observations, result.reward, done)))
    return Rollout(*(torch.stack(column) for column in zip(*rows, strict=True)))


def mjlab_cfg(rough: bool = False, num_envs: int = 8, seed: int = 3) -> ManagerBasedRlEnvCfg:
    """mjlab's own Go1 velocity task; rough ground is cut down to nine patches."""
    cfg = unitree_go1_rough_env_cfg() if rough else unitree_go1_flat_env_cfg()
    cfg.scene.num_envs = num_envs
    cfg.seed = seed
    if rough:
        assert cfg.scene.terrain is not None and cfg.scene.terrain.terrain_generator is not None
        cfg.scene.terrain.terrain_generator.num_rows = cfg.scene.terrain.terrain_generator.num_cols = 3
        cfg.sim.nconmax = 200
    return cfg


def carried_by_feet(env: MujocoEnv) -> Tensor:
    """Vertical force of the ground on a standing robot, N, mean over the third second. Shape (num_envs,)."""
    forces: list[Tensor] = []
    for step in range(150):
        env.step(torch.zeros(env.num_envs, 12))
        if step >= 100:
            forces.append(env.robot_state.read("foot_force_w")[..., 2].sum(dim=1))
    return torch.stack(forces).mean(dim=0)


def plain_model(env: ManagerBasedRlEnv, index: int) -> mujoco.MjModel:
    """A MuJoCo model of its own for one environment, from what `sim.model` says about it."""
    model = env.sim.mj_model.__copy__()
    for name in env.sim.expanded_fields:
        if np.asarray(getattr(model, name)).size == 0:
            continue
        target = np.asarray(getattr(model, name))
        target[:] = getattr(env.sim.model, name)[index].numpy().reshape(target.shape)
    mujoco.mj_setConst(model, mujoco.MjData(model))
    return model


def plain_data(env: ManagerBasedRlEnv, index: int, model: mujoco.MjModel | None = None) -> mujoco.MjData:
    """One environment's state in plain MuJoCo, after mj_forward."""
    model = model or env.sim.mj_model
    data = mujoco.MjData(model)
    data.qpos = env.sim.data.qpos[index].numpy()
    data.qvel = env.sim.data.qvel[index].numpy()
    data.ctrl = env.sim.data.ctrl[index].numpy()
    data.qacc_warmstart = env.sim.data.qacc_warmstart[index].numpy()
    mujoco.mj_forward(model, data)
    return data


def largest(a: Tensor | np.ndarray, b: Tensor | np.ndarray) -> float:
    """Largest absolute difference."""
    return float((torch.as_tensor(a).double() - torch.as_tensor(b).double()).abs().max())
