"""Faults on MuJoCo: bounds on qpos and qvel, the simulator's warnings, overflows of contact buffers."""

from typing import TYPE_CHECKING

import torch
import warp as wp
from torch import Tensor

from surefoot.engines.faults import FAR, FaultDetector
from surefoot.engines.mujoco.batch_sim import BatchSimulation

if TYPE_CHECKING:
    from surefoot.engines.mujoco.env import MujocoEnv


class MujocoFaults(FaultDetector):
    """Watches one environment batch; see `surefoot.engines.faults`."""

    def __init__(self, env: "MujocoEnv") -> None:
        super().__init__(env.num_envs, str(env.device))
        self._data = env.sim.data
        robot, bounds, state = env.manifest.robot, env.manifest.audit.fault, env.robot_state
        joints = torch.tensor([joint.limits for joint in robot.joints], device=env.device)
        nq, nv = env.sim.mj_model.nq, env.sim.mj_model.nv
        self._center = torch.zeros(nq, device=env.device)
        self._half = torch.full((nq,), 2.0, device=env.device)  # quaternions: norm 1, up to rounding
        self._half[:2], self._half[2] = FAR, bounds.max_height
        self._center[state.q_ids] = joints.mean(dim=1)
        self._half[state.q_ids] = 0.5 * (joints[:, 1] - joints[:, 0]) + bounds.joint_margin
        self._fastest = torch.full((nv,), bounds.max_joint_vel, device=env.device)
        self._fastest[:3], self._fastest[3:6] = bounds.max_lin_vel, bounds.max_ang_vel
        self._warnings: Tensor | None = None
        self._overflow: Tensor | None = None
        sim = env.sim
        if isinstance(sim, BatchSimulation):
            # Number of each kind of warning since the reset of mjData; MuJoCo C resets a broken state by itself.
            self._warnings = torch.from_numpy(sim.batch.bind("warning"))[:, :, 1]
        elif hasattr(sim.wp_data, "overflow"):
            self._overflow = wp.to_torch(sim.wp_data.overflow)
        self._warned = torch.zeros(env.num_envs, dtype=torch.long, device=env.device)

    def start(self, action: Tensor) -> Tensor:
        if self._warnings is not None:
            self._warned = self._warnings.sum(dim=1)
        return super().start(action)

    def worst(self) -> Tensor:
        position = ((self._data.qpos[:] - self._center) / self._half).abs().amax(dim=1)  # NaN wins in amax
        velocity = (self._data.qvel[:] / self._fastest).abs().amax(dim=1)
        return torch.maximum(position, velocity)

    def mark_reported(self) -> None:
        if self._warnings is not None:
            self.mark("warning", self._warnings.sum(dim=1) > self._warned)
        if self._overflow is not None:
            self.mark("overflow", self._overflow != 0)
            self._overflow.zero_()
