"""Clocks of the feet, advanced once a control step: the reference gait, and how long each foot has been in the air."""

import math

import torch
from torch import Tensor

from surefoot.manifest.task import Gait


class GaitClock:
    """Phase of each foot's stride: 0 to 0.5 swing, 0.5 to 1 stance. Advances with time, also while standing."""

    def __init__(self, gait: Gait, num_envs: int, step_dt: float, device: str) -> None:
        self.advance = gait.frequency * step_dt
        """Fraction of the cycle in a control step."""
        self._offset = torch.tensor(gait.foot_phase, device=device)
        self._swing_height = gait.swing_height
        self.phase = torch.zeros(num_envs, device=device)
        """Fraction of the cycle, shape (num_envs,)."""

    def reset(self, env_ids: Tensor, phase: Tensor) -> None:
        """Start the cycle of some environments at `phase`, shape (len(env_ids),)."""
        self.phase[env_ids] = phase

    def step(self) -> None:
        """Advance all clocks by one control step."""
        self.phase.add_(self.advance).remainder_(1.0)

    def foot_phase(self) -> Tensor:
        """Shape (num_envs, num_feet), in [0, 1)."""
        return torch.remainder(self.phase.unsqueeze(1) + self._offset, 1.0)

    def foot_height_target(self, is_moving: Tensor) -> Tensor:
        """Height of each foot over the ground, m: half a sine in swing, 0 in stance and while standing."""
        # In stance, the second half of the cycle, the sine is negative.
        lift = torch.sin(2 * math.pi * self.foot_phase()).clamp(min=0)
        return self._swing_height * lift * is_moving.unsqueeze(1)


class ContactTime:
    """Air time, swing length and touchdown of feet from contact flags, the same on every engine."""

    def __init__(self, num_envs: int, num_feet: int, step_dt: float, device: str) -> None:
        self._dt = step_dt
        self.air_time = torch.zeros(num_envs, num_feet, device=device)
        """s since the foot left the ground, 0 in contact."""
        self.last_air_time = torch.zeros_like(self.air_time)
        """s, length of the swing that ended last."""
        self.touchdown = torch.zeros(num_envs, num_feet, dtype=torch.bool, device=device)
        """Landed in this control step."""

    def step(self, in_contact: Tensor) -> None:
        """Advance by one control step; `in_contact` has shape (num_envs, num_feet)."""
        # Before the time advances: a foot that stood has 0, and lands nowhere.
        torch.logical_and(in_contact, self.air_time > 0, out=self.touchdown)
        # The step that ends with the landing is part of the swing.
        torch.where(self.touchdown, self.air_time + self._dt, self.last_air_time, out=self.last_air_time)
        self.air_time.add_(self._dt).masked_fill_(in_contact, 0.0)

    def reset(self, env_ids: Tensor) -> None:
        """Forget the history of some environments."""
        # With 0 in the air the first contact of the new episode is no touchdown.
        self.air_time[env_ids] = 0
        self.last_air_time[env_ids] = 0
        self.touchdown[env_ids] = False
