"""What all looks share: where they read, where they add up, and when something is told."""

from typing import Any

import torch
from torch import Tensor

from surefoot.audit.accounts.sums import Sums
from surefoot.audit.alerts.alerts import Finding
from surefoot.audit.second_look.draws import UniformDraws

TOLERANCE = 1e-3
"""Share of the largest value in the batch that rounding may explain; single precision leaves about 1e-6."""
PATIENCE = 3
"""Looks in a row without which rows of single environments are not taken for a defect."""
MOST = 4
"""Findings of one kind that are told; the others are counted."""


class Look:
    """Looks at one thing of environments of ours; reads them and changes nothing.

    Args:
        env: The environments.

    Attributes:
        shapes: What is added up on the device, by name.
        draws: What is held against its declared range, by name.
        sums: Of all looks; there before the first step.
    """

    of_one_iteration: tuple[str, ...] = ()
    """Sums that begin anew with every iteration; the others go on over a window of looks."""
    judged_always = False
    """Whether it has something to say of iterations without a look."""
    sums: Sums

    def __init__(self, env: Any) -> None:
        self._env, self._manifest, self._state = env, env.manifest, env.robot_state
        self._dt, self._device = env.manifest.simulation.step_dt, env.device
        # On a CPU rows can be chosen; on a GPU choosing waits for the device, so that all rows are masked there.
        self._compact = torch.device(env.device).type == "cpu"
        self._streaks: dict[tuple[str, str], int] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.draws: dict[str, UniformDraws] = {}

    def begin(self) -> None:
        """What is compared with the next step; not earlier, because a resumed run puts its environments back first."""

    def begin_window(self) -> None:
        """Sums have begun anew, from 0."""

    def settle(self) -> None:
        """Rows that were kept of the iteration's steps go into the sums."""

    def findings(self, sums: dict[str, Tensor], looks: int) -> list[Finding]:
        """What the sums say, on the host.

        Args:
            sums: Of the iteration, or of the window.
            looks: Taken in this window.
        """
        return []

    def _lasting(self, kind: str, subject: str, seen: bool, looked: bool) -> bool:
        """Whether something was seen in `PATIENCE` looks in a row."""
        if not looked:
            return False
        key = (kind, subject)
        self._streaks[key] = self._streaks.get(key, 0) + 1 if seen else 0
        return self._streaks[key] >= PATIENCE


def few(found: list[Finding]) -> list[Finding]:
    """Not every column of a vector that is wrong as a whole: the first of each kind, and how many more there are."""
    out: list[Finding] = []
    for kind in dict.fromkeys(finding.kind for finding in found):
        same = [finding for finding in found if finding.kind == kind]
        out += same[:MOST]
        if len(same) > MOST:
            others = ", ".join(finding.subject for finding in same[MOST:])
            out[-1] = Finding(kind, out[-1].subject, f"{out[-1].message}; likewise {others}")
    return out


def raise_to(total: Tensor, values: Tensor) -> None:
    """The larger of both, in place; what is not a number counts as 0."""
    total.copy_(torch.maximum(total, values.to(total.dtype).nan_to_num(0.0)))


def relative(given: Tensor, again: Tensor, valid: Tensor) -> Tensor:
    """Largest difference of each column over the column's largest value. Shape (N, K) to (K,)."""
    rows = valid.unsqueeze(1)
    size = torch.where(rows, torch.maximum(given.abs(), again.abs()), 0.0).amax(dim=0)
    off = torch.where(rows, (given - again).abs(), 0.0).amax(dim=0)
    return torch.where(size > 0, off / size.clamp(min=1e-12), 0.0)


def yaw_of(quat: Tensor) -> Tensor:
    """Heading of orientations (w, x, y, z), rad. Shape (n, 4) to (n,)."""
    w, x, y, z = quat.unbind(dim=1)
    return torch.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))


def pose_weights(env: Any) -> Tensor:
    """Irrational weights, by which poses of joints that differ anywhere have different sums. Shape (joints,)."""
    count = len(env.manifest.robot.joints)
    return torch.linspace(0.5, 1.5, count, dtype=torch.float64, device=env.device).sqrt()
