"""An engine whose motion is written down by the test; everything else is the real interface.

Like a real engine it resets an environment that ends before `step` returns: the state that can be read then belongs to
the next episode. Here that state moves at 99 m/s, so that a sample taken from it cannot go unnoticed.
"""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from surefoot.engines.base import EngineEnv
from surefoot.evaluation import CommandGrid, grid_manifest
from surefoot.manifest import Manifest, compose_manifest
from surefoot.mdp.commands import VelocityCommands
from surefoot.mdp.frames import quat_from_yaw, rotate
from surefoot.mdp.robot_state import RobotState
from surefoot.randomization.buckets import Buckets
from surefoot.randomization.streams import Streams
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


@dataclass
class ScriptedStep:
    """See `surefoot.engines.base.StepResult`."""

    observations: dict[str, Tensor]
    reward: Tensor
    terminated: Tensor
    truncated: Tensor
    faults: Tensor


class ScriptedEnv(EngineEnv):
    """Plays `script`: moment k is what `step` number k (from 1) leads to."""

    def __init__(self, script: list[Moment], grid: CommandGrid, mass: float = 12.0) -> None:
        self.manifest = grid_manifest(go1(), grid, seed=0)
        self.num_envs, self.device = grid.num_envs, "cpu"
        self.robot_state = ScriptedState(self.manifest, self.num_envs)
        streams = Streams(0, self.num_envs, "cpu")
        self.buckets = Buckets(self.manifest.randomization, streams)
        self.commands = VelocityCommands(self.manifest.task.commands, self.robot_state.command, streams)
        self.episode_length_buf = torch.zeros(self.num_envs, dtype=torch.long)
        self.physics_seconds = 0.0
        self.ground = self.terrain_levels = None
        self._script = script
        self._mass = mass
        self._step = 0
        self._obs = torch.full((self.num_envs, 3), -1.0)

    def reset(self) -> dict[str, Tensor]:
        self._step = 0
        self._obs = self.robot_state.read("command").clone()
        return self.get_observations()

    def get_observations(self) -> dict[str, Tensor]:
        return {"actor": self._obs}

    def step(self, action: Tensor) -> ScriptedStep:
        moment = self._script[self._step]
        self._step += 1
        ended = moment.failed | moment.timed_out
        velocity = torch.where(ended.unsqueeze(1), NEXT_EPISODE, moment.lin_vel_yaw)
        self.robot_state.now = Moment(**(vars(moment) | {"lin_vel_yaw": velocity}))
        self.robot_state.invalidate()
        self._obs = self.robot_state.read("command").clone()
        reward = torch.zeros(self.num_envs)
        broken = moment.broken.unsqueeze(1)
        return ScriptedStep(self.get_observations(), reward, moment.failed, moment.timed_out, broken)

    def total_mass(self) -> Tensor:
        return torch.full((self.num_envs,), self._mass)


def idle(obs: Tensor) -> Tensor:
    """Action 0."""
    return torch.zeros(obs.shape[0], JOINTS)
