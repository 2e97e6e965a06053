"""What went wrong in a control step, per environment and kind."""

from typing import TYPE_CHECKING

import torch
import warp as wp
from torch import Tensor

from surefoot.audit.fault_kinds import KINDS, kind_index
from surefoot.engines.mujoco.batch_sim import BatchSimulation
from surefoot.errors import EngineError

if TYPE_CHECKING:
    from surefoot.engines.mujoco.env import MujocoEnv

_PATIENCE = 3
"""Control steps in a row with an exception after which it is raised."""

_FAR = 1.0e5
"""m, horizontal distance from the world's origin; single precision ends here."""


class FaultDetector:
    """Watches one environment batch; called at the places of a control step where its parts are known.

    Attributes:
        found: Kinds found in the running control step. Shape (num_envs, num_kinds), bool.
        invalid_obs: Environments whose current observation is not finite. Shape (num_envs,), bool.
        last_exception: Text of the simulator's last exception, or None.
    """

    def __init__(self, env: "MujocoEnv") -> None:
        self._env = env
        self.found = torch.zeros(env.num_envs, len(KINDS), dtype=torch.bool, device=env.device)
        self.invalid_obs = torch.zeros(env.num_envs, dtype=torch.bool, device=env.device)
        self.last_exception: str | None = None
        self._exceptions_in_a_row = 0
        robot, bounds, state = env.manifest.robot, env.manifest.audit.fault, env.robot_state
        joints = torch.tensor([joint.limits for joint in robot.joints], device=env.device)
        nq, nv = env.sim.mj_model.nq, env.sim.mj_model.nv
        self._center = torch.zeros(nq, device=env.device)
        self._half = torch.full((nq,), 2.0, device=env.device)  # quaternions: norm 1, up to rounding
        self._half[:2], self._half[2] = _FAR, bounds.max_height
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

    @property
    def invalid(self) -> Tensor:
        """Environments with any fault in this step. Shape (num_envs,), bool."""
        return self.found.any(dim=1)

    def start(self, action: Tensor) -> Tensor:
        """Before the physics; returns the action with zeros where it is not finite."""
        self.found.zero_()
        self._mark("observation", self.invalid_obs)
        finite = torch.isfinite(action).all(dim=1)
        self._mark("action", ~finite)
        if self._warnings is not None:
            self._warned = self._warnings.sum(dim=1)
        return torch.where(finite.unsqueeze(1), action, 0.0)

    def after_exception(self, error: Exception) -> None:
        """The physics of this step did not end; nothing of it can be trusted.

        Raises:
            EngineError: It has happened in several steps in a row.
        """
        self.last_exception = f"{type(error).__name__}: {error}"
        self._exceptions_in_a_row += 1
        if self._exceptions_in_a_row >= _PATIENCE:
            raise EngineError(
                f"The simulator raised an exception in {_PATIENCE} control steps in a row. {self.last_exception}"
            ) from error
        self.found[:, kind_index("exception")] = True

    def after_physics(self) -> None:
        """State and simulator warnings."""
        data = self._env.sim.data
        position = ((data.qpos[:] - self._center) / self._half).abs().amax(dim=1)  # NaN wins in amax
        velocity = (data.qvel[:] / self._fastest).abs().amax(dim=1)
        worst = torch.maximum(position, velocity)
        finite = torch.isfinite(worst)
        self._mark("state", ~finite)
        self._mark("bounds", finite & (worst > 1.0))
        if self._warnings is not None:
            self._mark("warning", self._warnings.sum(dim=1) > self._warned)
        if self._overflow is not None:
            self._mark("overflow", self._overflow != 0)
            self._overflow.zero_()
        if not self.last_exception or not self.found[0, kind_index("exception")]:
            self._exceptions_in_a_row = 0

    def after_rewards(self, rates: Tensor) -> None:
        """Reward terms, per second. Shape (num_envs, num_terms)."""
        self._mark("reward", ~torch.isfinite(rates.sum(dim=1)))

    def after_observations(self, observations: dict[str, Tensor]) -> None:
        """What the next action will be taken from."""
        sums = torch.stack([group.sum(dim=1) for group in observations.values()])
        self.invalid_obs = ~torch.isfinite(sums).all(dim=0)
        self._mark("observation", self.invalid_obs)

    def _mark(self, kind: str, rows: Tensor) -> None:
        self.found[:, kind_index(kind)] |= rows
