"""What robots do whose motion is written down by the test, and a state that shows it."""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from surefoot.manifest import Manifest, compose_manifest
from surefoot.mdp.frames import quat_from_yaw, rotate
from surefoot.mdp.robot_state import RobotState
from surefoot_tasks import manifest_root

NEXT_EPISODE = 99.0
JOINTS, FEET = 12, 4


@cache
def go1() -> Manifest:
    """The shipped task; control step 0.02 s."""
    return compose_manifest(manifest_root(), "Surefoot-Velocity-Flat-Unitree-Go1-v0")


@dataclass
class Moment:
    """What a robot does in one control step; shapes (num_envs, ...)."""

    lin_vel_yaw: Tensor
    """m/s, yaw frame."""
    yaw_rate: Tensor
    """rad/s."""
    yaw: Tensor
    torque: Tensor
    joint_vel: Tensor
    failed: Tensor
    timed_out: Tensor
    broken: Tensor

    @classmethod
    def still(cls, n: int) -> "Moment":
        """Nothing moves, nothing ends."""
        flags = [torch.zeros(n, dtype=torch.bool) for _ in range(3)]
        joints = [torch.zeros(n, JOINTS) for _ in range(2)]
        return cls(torch.zeros(n, 3), torch.zeros(n), torch.zeros(n), *joints, *flags)


class ScriptedState(RobotState):
    """Shows the current moment."""

    def __init__(self, manifest: Manifest, num_envs: int) -> None:
        super().__init__(manifest, num_envs, "cpu")
        self.now = Moment.still(num_envs)

    def raw_base_quat_w(self) -> Tensor:
        return quat_from_yaw(self.now.yaw)

    def raw_base_lin_vel_w(self) -> Tensor:
        return rotate(self.raw_base_quat_w(), self.now.lin_vel_yaw)

    def raw_base_ang_vel_b(self) -> Tensor:
        return torch.nn.functional.pad(self.now.yaw_rate.unsqueeze(1), (2, 0))

    def raw_joint_vel(self) -> Tensor:
        return self.now.joint_vel

    def raw_joint_torque(self) -> Tensor:
        return self.now.torque

    def _zeros(self, *shape: int) -> Tensor:
        return torch.zeros(self.num_envs, *shape)

    def raw_base_pos_w(self) -> Tensor:
        return self._zeros(3)

    def raw_joint_pos(self) -> Tensor:
        return self._zeros(JOINTS)

    def raw_foot_pos_w(self) -> Tensor:
        return self._zeros(FEET, 3)

    def raw_foot_vel_w(self) -> Tensor:
        return self._zeros(FEET, 3)

    def raw_foot_in_contact(self) -> Tensor:
        return self._zeros(FEET) > 0

    def raw_foot_force_w(self) -> Tensor:
        return self._zeros(FEET, 3)

    def raw_base_in_contact(self) -> Tensor:
        return self._zeros() > 0

    def raw_limbs_in_contact(self) -> Tensor:
        return self._zeros()

    def raw_action(self) -> Tensor:
        return self._zeros(JOINTS)

    def raw_prev_action(self) -> Tensor:
        return self._zeros(JOINTS)

    def raw_prev_prev_action(self) -> Tensor:
        return self._zeros(JOINTS)

    def raw_episode_step(self) -> Tensor:
        return self._zeros().long()

    def env_origins(self) -> Tensor:
        return self._zeros(3)

    def base_acceleration(self) -> tuple[Tensor, Tensor]:
        return self._zeros(3), self._zeros(3)
