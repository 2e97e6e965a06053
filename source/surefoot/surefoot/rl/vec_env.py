"""RSL-RL's VecEnv on top of an engine's environment."""

from typing import Any

import torch
from rsl_rl.env import VecEnv
from tensordict import TensorDict

from surefoot.engines.base import EngineEnv
from surefoot.mdp.robot_state import max_episode_steps


class SurefootVecEnv(VecEnv):
    """Observations as a TensorDict, dones as the union of failure, time-out and fault."""

    def __init__(self, env: EngineEnv) -> None:
        self.env = env
        self.num_envs = env.num_envs
        self.num_actions = len(env.manifest.robot.joints)
        self.max_episode_length = max_episode_steps(env.manifest)
        self.device = torch.device(env.device)
        self.cfg = env.manifest.to_plain()

    @property
    def episode_length_buf(self) -> torch.Tensor:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.env.episode_length_buf

    @episode_length_buf.setter
    def episode_length_buf(self, value: torch.Tensor) -> None:
        self.env.episode_length_buf[:] = value

    def get_observations(self) -> TensorDict:
        return TensorDict(dict(self.env.get_observations()), batch_size=[self.num_envs])

    def step(self, actions: torch.Tensor) -> tuple[TensorDict, torch.Tensor, torch.Tensor, dict[str, Any]]:
        result = self.env.step(actions)
        observations = TensorDict(dict(result.observations), batch_size=[self.num_envs])
        invalid = result.faults.any(dim=1)
        # A fault resets its environment, so that for RSL-RL the episode is over.
        dones = (result.terminated | result.truncated | invalid).long()
        extras = {
            "time_outs": result.truncated,
            "invalid": invalid,
            "invalid_obs": result.invalid_obs,
            "audit": result.audit,
        }
        return observations, result.reward, dones, extras
