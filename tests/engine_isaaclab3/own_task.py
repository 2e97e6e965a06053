"""A user's own task on top of one of ours, as docs/isaaclab.md shows it; registered by `register`."""

import sys
from typing import Any

import gymnasium
from isaaclab.managers import EventTermCfg, RewardTermCfg, TerminationTermCfg
from isaaclab.utils.configclass import configclass
from torch import Tensor

from surefoot_tasks.registration import entry_points, env_cfg_class

BASE = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
ID = "Own-Velocity-Flat-Go1-v0"


def forward_speed(env: Any) -> Tensor:
    return env.scene["robot"].data.root_lin_vel_b.torch[:, 0]


def never(env: Any) -> Tensor:
    return env.episode_length_buf < 0


def count(env: Any, env_ids: Any) -> None:
    env.own_events = getattr(env, "own_events", 0) + 1


@configclass
class OwnCfg(env_cfg_class(BASE)):
    def __post_init__(self) -> None:
        super().__post_init__()
        self.rewards.forward = RewardTermCfg(func=forward_speed, weight=0.5)
        self.rewards.torques.weight = -0.002
        self.rewards.action_jerk = None
        self.terminations.never = TerminationTermCfg(func=never)
        self.events.counted = EventTermCfg(func=count, mode="interval", interval_range_s=(0.06, 0.06))


def register() -> list[str]:
    if ID not in gymnasium.registry:
        gymnasium.register(
            id=ID,
            entry_point="surefoot.engines.isaaclab.gym_env:SurefootGymEnv",
            disable_env_checker=True,
            kwargs=entry_points(BASE) | {"env_cfg_entry_point": f"{__name__}:OwnCfg"},
        )
    return sys.argv[1:]
