"""What went wrong in a control step, per environment and kind, from RobotState alone."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from surefoot.audit.fault_kinds import KINDS, kind_index
from surefoot.errors import EngineError

if TYPE_CHECKING:
    from surefoot.engines.isaaclab.env import IsaacLabEnv

_PATIENCE = 3
"""Control steps in a row with an exception after which it is raised."""

_FAR = 1.0e5
"""m, horizontal distance from the world's origin; single precision ends here."""


class FaultDetector:
    """Called at the places of a control step where its parts are known.

    Isaac Lab reports neither warnings nor overflows of contact buffers by environment, so those two kinds stay empty.

    Attributes:
        found: Kinds found in the running control step. Shape (num_envs, num_kinds), bool.
        invalid_obs: Environments whose current observation is not finite. Shape (num_envs,), bool.
    """

    def __init__(self, env: "IsaacLabEnv") -> None:
        self._state = env.robot_state
        device, bounds = env.device, env.manifest.audit.fault
        self.found = torch.zeros(env.num_envs, len(KINDS), dtype=torch.bool, device=device)
        self.invalid_obs = torch.zeros(env.num_envs, dtype=torch.bool, device=device)
        self._exceptions_in_a_row = 0
        joints = torch.tensor([joint.limits for joint in env.manifest.robot.joints], device=device)
        self._joint_center = joints.mean(dim=1)
        self._joint_half = 0.5 * (joints[:, 1] - joints[:, 0]) + bounds.joint_margin
        self._far = torch.tensor([_FAR, _FAR, bounds.max_height], device=device)
        self._bounds = bounds

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
        return torch.where(finite.unsqueeze(1), action, 0.0)

    def after_exception(self, error: Exception) -> None:
        """The physics of this step did not end; nothing of it can be trusted.

        Raises:
            EngineError: It has happened in several steps in a row.
        """
        self._exceptions_in_a_row += 1
        if self._exceptions_in_a_row >= _PATIENCE:
            raise EngineError(
                f"The simulator raised an exception in {_PATIENCE} control steps in a row. "
                f"{type(error).__name__}: {error}"
            ) from error
        self.found[:, kind_index("exception")] = True

    def after_physics(self, completed: bool) -> None:
        """Check the state; `completed` says that the physics ended without an exception."""
        read, bounds = self._state.read, self._bounds
        relative = (
            read("base_pos_w") / self._far,
            read("base_quat_w") / 2.0,  # norm 1, up to rounding
            (read("joint_pos") - self._joint_center) / self._joint_half,
            read("base_lin_vel_w") / bounds.max_lin_vel,
            read("base_ang_vel_b") / bounds.max_ang_vel,
            read("joint_vel") / bounds.max_joint_vel,
        )
        worst = torch.cat(relative, dim=1).abs().amax(dim=1)  # NaN wins in amax
        finite = torch.isfinite(worst)
        self._mark("state", ~finite)
        self._mark("bounds", finite & (worst > 1.0))
        if completed:
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
