"""A RobotState whose raw fields are tensors that the test sets."""

import torch
from torch import Tensor

from surefoot.manifest import Manifest
from surefoot.mdp.fields import FIELDS
from surefoot.mdp.robot_state import RobotState
from surefoot.terrain.ground import Ground

RAW = (
    "base_pos_w", "base_quat_w", "base_lin_vel_w", "base_ang_vel_b", "joint_pos", "joint_vel", "joint_torque",
    "foot_pos_w", "foot_vel_w", "foot_in_contact", "foot_force_w", "base_in_contact", "limbs_in_contact",
    "action", "prev_action", "prev_prev_action", "episode_step",
)  # fmt: skip


class TableState(RobotState):
    """`state.table["joint_pos"] = ...`; every other field is derived by RobotState itself."""

    def __init__(self, manifest: Manifest, num_envs: int, ground: Ground | None = None) -> None:
        super().__init__(manifest, num_envs, "cpu", ground)
        robot = manifest.robot
        self.table = {
            name: torch.zeros(
                num_envs, *FIELDS[name].concrete_shape(robot), dtype=torch.bool if FIELDS[name].unit == "bool" else None
            )
            for name in RAW
        }
        self.table["base_quat_w"][:, 0] = 1.0
        self.table["joint_pos"] += torch.tensor(robot.default_joint_pos)
        self.origins = torch.zeros(num_envs, 3)
        self.acceleration = torch.zeros(num_envs, 3), torch.zeros(num_envs, 3)
        self.imu_offset = torch.zeros(3)

    def base_acceleration(self) -> tuple[Tensor, Tensor]:
        return self.acceleration

    def env_origins(self) -> Tensor:
        return self.origins


def _reader(name: str):
    return lambda self: self.table[name]


for _name in RAW:
    setattr(TableState, f"raw_{_name}", _reader(_name))
TableState.__abstractmethods__ = frozenset()
