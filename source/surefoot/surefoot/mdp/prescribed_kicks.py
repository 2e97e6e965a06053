"""Kicks that an evaluation prescribes: when, at which phase of the gait, in which direction."""

import torch
from torch import Tensor

from surefoot.mdp.frames import from_yaw_frame
from surefoot.mdp.robot_state import RobotState
from surefoot.randomization.conditions import Kicks


class PrescribedKicks:
    """Takes the place of `surefoot.randomization.pushes.Pushes`.

    A kick is due from the end of the control step at which its time has come; where it names a phase of the gait, it
    waits for the first control step in which the clock passes it, one cycle at most. One kick a control step.

    Args:
        kicks: Shapes (num_envs, K, ...).
        state: Where phase and heading are read.
    """

    def __init__(self, kicks: Kicks, state: RobotState) -> None:
        self._kicks, self._state = kicks, state
        num_envs, self._most = kicks.at.shape
        # A kick at infinity is none.
        self.enabled = bool(torch.isfinite(kicks.at).any())
        self._done = torch.zeros(num_envs, dtype=torch.int64, device=kicks.at.device)
        """Kicks of the running episode so far. Shape (num_envs,)."""
        self._time = torch.zeros(num_envs, dtype=torch.float64, device=kicks.at.device)
        """s since the reset. Shape (num_envs,)."""
        self.kicked = torch.zeros(num_envs, dtype=torch.bool, device=kicks.at.device)
        """Kicked in the last control step. Shape (num_envs,)."""

    def reset(self, env_ids: Tensor) -> None:
        """Episodes begin."""
        self._done[env_ids] = 0
        self._time[env_ids] = 0.0

    def step(self, dt: float) -> tuple[Tensor, Tensor]:
        """Advance by `dt`, s; see `Pushes.step`."""
        self._time += dt
        # After the last kick the index stays on it; `due` is false then.
        place = self._done.clamp(max=self._most - 1).unsqueeze(1)
        at = self._kicks.at.gather(1, place).squeeze(1)
        phase = self._kicks.phase.gather(1, place).squeeze(1)
        clock = self._state.gait.phase
        # Behind the clock by no more than a step: it has just passed.
        passed = torch.remainder(clock - phase, 1.0) < self._state.gait.advance + 1e-4  # rounding of the clock
        due = (self._done < self._most) & (self._time >= at - 1e-6)  # 1e-6: times are sums of control steps
        self.kicked = due & (phase.isnan() | passed)
        env_ids = self.kicked.nonzero().flatten()
        self._done[env_ids] += 1
        change = self._kicks.change[env_ids, place[env_ids, 0]]
        quat = self._state.read("base_quat_w")[env_ids]
        return env_ids, torch.cat((from_yaw_frame(quat, change[:, :2]), change[:, 2:]), dim=1)
