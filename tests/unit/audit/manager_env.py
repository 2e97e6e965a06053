"""A manager-based environment in miniature: the names that mjlab and Isaac Lab share, and nothing else.

As Isaac Lab's, its reward manager leaves NaN in place and keeps its time-outs apart from its failures.
"""

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

DT = 0.02


class Rewards:
    def __init__(self, env: Any, terms: dict[str, tuple[Any, float]], scale_by_dt: bool) -> None:
        self._env = env
        self._scale_by_dt = scale_by_dt
        self._cfgs = {name: SimpleNamespace(func=func, weight=weight) for name, (func, weight) in terms.items()}
        self.active_terms = list(terms)
        self._step_reward = torch.zeros(env.num_envs, len(terms), device=env.device)

    def get_term_cfg(self, name: str) -> Any:
        return self._cfgs[name]

    def compute(self, dt: float) -> Tensor:
        scale = dt if self._scale_by_dt else 1.0
        total = torch.zeros(self._env.num_envs, device=self._env.device)
        for index, cfg in enumerate(self._cfgs.values()):
            value = cfg.func(self._env) * cfg.weight * scale
            total += value
            self._step_reward[:, index] = value / scale
        return total


class Terminations:
    active_terms = ("time_out", "fell")

    def __init__(self, env: Any) -> None:
        self._env = env

    def get_term_cfg(self, name: str) -> Any:
        return SimpleNamespace(time_out=name == "time_out")

    def get_term(self, name: str) -> Tensor:
        return self._env.late if name == "time_out" else self._env.fell

    @property
    def terminated(self) -> Tensor:
        return self._env.fell

    @property
    def time_outs(self) -> Tensor:
        return self._env.late


class ManagerEnv:
    """Robots that drift along the world's x axis at 1 m/s; the test writes everything else."""

    def __init__(
        self, num_envs: int = 4, device: str = "cpu", command: str = "base_velocity", scale_by_dt: bool = True
    ) -> None:
        self.num_envs = num_envs
        self.device = device
        self.step_dt = DT
        self.max_episode_length = 100
        self.fell, self.late = (torch.zeros(num_envs, dtype=torch.bool, device=device) for _ in range(2))
        self.episode_length_buf = torch.zeros(num_envs, dtype=torch.int64, device=device)
        self.height = torch.full((num_envs,), 0.3, device=device)
        self.command = torch.zeros(num_envs, 3, device=device)
        forward = torch.tensor([1.0, 0.0, 0.0, 0.0, 0.0, 0.5], device=device).repeat(num_envs, 1)
        data = SimpleNamespace(
            heading_w=torch.zeros(num_envs, device=device),
            root_link_pose_w=torch.zeros(num_envs, 7, device=device),
            root_link_vel_w=forward,
            root_link_lin_vel_w=forward[:, :3],
            root_link_ang_vel_w=forward[:, 3:],
            joint_pos=torch.zeros(num_envs, 12, device=device),
            joint_vel=torch.zeros(num_envs, 12, device=device),
        )
        self.scene = {"robot": SimpleNamespace(data=data)}
        self.action_manager = SimpleNamespace(action=torch.zeros(num_envs, 12, device=device), total_action_dim=12)
        self.command_manager = SimpleNamespace(active_terms=[command], get_command=lambda name: self.command)
        terms = {"height": (lambda env: env.height, 2.0), "one": (lambda env: torch.ones_like(env.height), -1.0)}
        self.reward_manager = Rewards(self, terms, scale_by_dt)
        self.termination_manager = Terminations(self)
        self.extras: dict[str, Any] = {}
        self.closed = False

    @property
    def robot(self) -> Any:
        return self.scene["robot"].data

    def step(self) -> Tensor:
        """Rewards of a control step, then the resets."""
        self.episode_length_buf = self.episode_length_buf + 1
        reward = self.reward_manager.compute(dt=self.step_dt)
        self.episode_length_buf = torch.where(self.fell | self.late, 0, self.episode_length_buf)
        return reward

    def close(self) -> None:
        """As Isaac Lab's, which deletes the managers."""
        del self.reward_manager, self.termination_manager
        self.closed = True


class SteppedEnv(ManagerEnv):
    """Its step returns what Isaac Lab's does; a reset writes a new `log`, which stays until the next one."""

    def step(self, action: Any = None) -> Any:
        terminated, late = self.fell.clone(), self.late.clone()
        reward = super().step()
        if bool((terminated | late).any()):
            self.extras["log"] = {"Episode_Reward/height": 1.0}
        return {"policy": torch.zeros(self.num_envs, 1)}, reward, terminated, late, self.extras
