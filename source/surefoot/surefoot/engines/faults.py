"""What went wrong in a control step, per environment and kind; the part that every engine shares."""

import torch
from torch import Tensor

from surefoot.audit.accounts.fault_kinds import KINDS, kind_index
from surefoot.errors import EngineError

PATIENCE = 3
"""Control steps in a row with an exception after which it is raised."""

FAR = 1.0e5
"""m, horizontal distance from the world's origin; single precision ends here."""


class FaultDetector:
    """Called at the places of a control step where its parts are known.

    An engine says how far its state is from the bounds (`worst`) and what its simulator reports (`mark_reported`).

    Args:
        num_envs: Environments watched.
        device: Where they are.

    Attributes:
        found: Kinds found in the running control step. Shape (num_envs, num_kinds), bool.
        invalid_obs: Environments whose current observation is not finite. Shape (num_envs,), bool.
    """

    def __init__(self, num_envs: int, device: str) -> None:
        self.found = torch.zeros(num_envs, len(KINDS), dtype=torch.bool, device=device)
        self.invalid_obs = torch.zeros(num_envs, dtype=torch.bool, device=device)
        self._exceptions_in_a_row = 0

    @property
    def invalid(self) -> Tensor:
        """Environments with any fault in this step. Shape (num_envs,), bool."""
        return self.found.any(dim=1)

    def worst(self) -> Tensor:
        """Largest share of its bound that any part of the state takes; NaN wins. Shape (num_envs,)."""
        raise NotImplementedError

    def mark_reported(self) -> None:
        """Mark what the simulator itself reports."""

    def reported(self) -> Tensor:
        """Environments of which the simulator has reported anything since `start`. Shape (num_envs,), bool."""
        self.mark_reported()
        return self.found[:, [kind_index("warning"), kind_index("overflow")]].any(dim=1)

    def start(self, action: Tensor) -> Tensor:
        """Before the physics; returns the action with zeros where it is not finite."""
        self.found.zero_()
        # Of the step before: no valid step starts from an observation that is not finite.
        self.mark("observation", self.invalid_obs)
        finite = torch.isfinite(action).all(dim=1)
        self.mark("action", ~finite)
        return torch.where(finite.unsqueeze(1), action, 0.0)

    def after_exception(self, error: Exception) -> None:
        """The physics of this step did not end; nothing of it can be trusted.

        Raises:
            EngineError: It has happened in several steps in a row.
        """
        self._exceptions_in_a_row += 1
        if self._exceptions_in_a_row >= PATIENCE:
            raise EngineError(
                f"The simulator raised an exception in {PATIENCE} control steps in a row. "
                f"{type(error).__name__}: {error}"
            ) from error
        self.found[:, kind_index("exception")] = True

    def after_physics(self, completed: bool) -> None:
        """Check the state; `completed` says that the physics ended without an exception."""
        worst = self.worst()
        finite = torch.isfinite(worst)
        self.mark("state", ~finite)
        self.mark("bounds", finite & (worst > 1.0))
        self.mark_reported()
        if completed:
            self._exceptions_in_a_row = 0

    def after_rewards(self, rates: Tensor) -> None:
        """Reward terms, per second. Shape (num_envs, num_terms)."""
        # One number that is not finite makes the sum so, and sums are cheaper than a look at each number.
        self.mark("reward", ~torch.isfinite(rates.sum(dim=1)))

    def after_observations(self, observations: dict[str, Tensor]) -> None:
        """What the next action will be taken from."""
        sums = torch.stack([group.sum(dim=1) for group in observations.values()])
        self.invalid_obs = ~torch.isfinite(sums).all(dim=0)
        self.mark("observation", self.invalid_obs)

    def mark(self, kind: str, rows: Tensor) -> None:
        """Add a kind of fault to some environments. Shape (num_envs,), bool."""
        self.found[:, kind_index(kind)] |= rows
