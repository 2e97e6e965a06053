"""How long each foot has been in the air, at the resolution of the control step."""

import torch
from torch import Tensor


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
        torch.logical_and(in_contact, self.air_time > 0, out=self.touchdown)
        torch.where(self.touchdown, self.air_time + self._dt, self.last_air_time, out=self.last_air_time)
        self.air_time.add_(self._dt).masked_fill_(in_contact, 0.0)

    def reset(self, env_ids: Tensor) -> None:
        """Forget the history of some environments."""
        self.air_time[env_ids] = 0
        self.last_air_time[env_ids] = 0
        self.touchdown[env_ids] = False
