"""Faults on Isaac Lab, from RobotState alone: it reports neither warnings nor overflows by environment."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from surefoot.engines.faults import FAR, FaultDetector

if TYPE_CHECKING:
    from surefoot.engines.isaaclab.env import IsaacLabEnv


class IsaacLabFaults(FaultDetector):
    """Watches one environment batch; see `surefoot.engines.faults`."""

    def __init__(self, env: "IsaacLabEnv") -> None:
        super().__init__(env.num_envs, str(env.device))
        self._state = env.robot_state
        bounds = env.manifest.audit.fault
        joints = torch.tensor([joint.limits for joint in env.manifest.robot.joints], device=env.device)
        self._joint_center = joints.mean(dim=1)
        self._joint_half = 0.5 * (joints[:, 1] - joints[:, 0]) + bounds.joint_margin
        self._far = torch.tensor([FAR, FAR, bounds.max_height], device=env.device)
        self._bounds = bounds

    def worst(self) -> Tensor:
        read, bounds = self._state.read, self._bounds
        relative = (
            read("base_pos_w") / self._far,
            read("base_quat_w") / 2.0,  # norm 1, up to rounding
            (read("joint_pos") - self._joint_center) / self._joint_half,
            read("base_lin_vel_w") / bounds.max_lin_vel,
            read("base_ang_vel_b") / bounds.max_ang_vel,
            read("joint_vel") / bounds.max_joint_vel,
        )
        return torch.cat(relative, dim=1).abs().amax(dim=1)  # NaN wins in amax
