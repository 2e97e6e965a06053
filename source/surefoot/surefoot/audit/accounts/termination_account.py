"""Why episodes ended: one primary cause each, causes that held together, and how long episodes were.

Time-out, failure and fault are three classes. A fault's causes are not looked at: its state is not to be trusted.
"""

from typing import Any

import torch
from torch import Tensor

from surefoot.audit.accounts.account import Account
from surefoot.audit.accounts.block import Block
from surefoot.audit.accounts.episodes import Episodes
from surefoot.audit.accounts.metrics import Flush, define
from surefoot.audit.accounts.step import AuditLayout
from surefoot.manifest.audit import Audit

_ENDS = "valid episodes that ended in the iteration"
define("termination/episodes", "episodes", f"number of {_ENDS}: by failure or time-out")
define("termination/failures", "episodes", f"{_ENDS}, by failure; failure wins over a time-out in the same step")
define("termination/time_outs", "episodes", f"{_ENDS}, by time-out")
define(
    "termination/faults",
    "episodes",
    "episodes with a fault: invalid steps of the iteration, without those after an invalid step of the same episode; "
    "such episodes count nowhere else",
)
define("termination/failure_rate", "-", "failures / episodes; NaN without an episode")
define(
    "termination/primary",
    "episodes",
    f"{_ENDS}, by primary cause: of the causes that hold in the last step the first in the manifest's order, those of "
    "kind failure before those of kind time_out",
    axes=("cause",),
)
define("termination/primary_share", "-", "primary / episodes; NaN without an episode", axes=("cause",))
define(
    "termination/together",
    "episodes",
    f"{_ENDS}, with both causes holding in the last step; the diagonal counts the cause itself",
    axes=("cause", "cause"),
)
define("termination/unexplained", "episodes", f"{_ENDS}, with no cause that holds")
define("termination/partial", "episodes", f"{_ENDS}, whose first step the account did not see (scattered start)")
define("termination/length_mean", "s", f"mean length of whole {_ENDS}; NaN without one")
_BIN = "bin k of K holds lengths above k/K and up to (k + 1)/K of the longest episode"
define("termination/length_histogram", "episodes", f"whole {_ENDS}, by length; {_BIN}", axes=("bin",))
define(
    "termination/length_by_cause",
    "episodes",
    f"whole {_ENDS}, by primary cause and length; {_BIN}",
    axes=("cause", "bin"),
)
define("termination_by_bucket/episodes", "episodes", f"{_ENDS}, of the bucket", axes=("bucket",))
define("termination_by_bucket/failure_rate", "-", "failures / episodes in the bucket", axes=("bucket",))
define("termination_by_bucket/primary", "episodes", "see termination/primary", axes=("bucket", "cause"))
define(
    "termination_by_bucket/length_histogram",
    "episodes",
    "see termination/length_histogram; episodes of the bucket",
    axes=("bucket", "bin"),
)


class TerminationAccount(Account):
    """Ends by class, cause, bucket and length."""

    def __init__(self, layout: AuditLayout, config: Audit, device: str | torch.device) -> None:
        causes, slots, bins = len(layout.causes), len(layout.bucket_labels) + 1, config.length_bins
        shapes = {
            "episodes": (slots,),
            "failures": (slots,),
            "primary": (slots, causes + 1),
            "together": (causes, causes),
            "lengths": (slots, bins),
            "lengths_by_cause": (causes + 1, bins),
            "steps": (),
            "whole": (),
            "partial": (),
            "faults": (),
        }
        super().__init__(shapes, device)
        self._buckets, self._causes, self._bins = slots - 1, causes, bins
        self._dt, self._longest = layout.step_dt, layout.max_episode_steps
        ranking = sorted(range(causes), key=lambda cause: layout.cause_is_time_out[cause])  # stable: else layout order
        self._ranking = ranking
        self._last_valid = torch.ones(1, layout.num_envs, dtype=torch.bool, device=device)

    def add(self, block: Block, episodes: Episodes) -> None:
        sums, buckets, causes = self.sums, self._buckets, self._causes
        ended, whole = episodes.failed | episodes.timed_out, episodes.whole
        rows = episodes.rows(ended, buckets)
        _count(sums["episodes"], rows)
        _count(sums["failures"], episodes.rows(episodes.failed, buckets))
        holds = episodes.of(block.causes)
        cause = self._primary(holds)
        _count(sums["primary"], rows * (causes + 1) + cause)
        counted = (holds & ended.unsqueeze(1)).to(torch.float64)
        sums["together"].add_(counted.T @ counted)

        length = episodes.of(block.episode_steps)
        bins = ((length - 1) * self._bins).div(self._longest, rounding_mode="floor").clamp(0, self._bins - 1)
        _count(sums["lengths"], episodes.rows(whole, buckets) * self._bins + bins)
        _count(sums["lengths_by_cause"], torch.where(whole, cause, causes) * self._bins + bins)
        sums["steps"].add_((length * whole).sum())
        sums["whole"].add_(whole.sum())
        sums["partial"].add_(episodes.partial.sum())
        if not block.clean:
            valid_before = torch.cat((self._last_valid, block.valid[:-1]))
            sums["faults"].add_((~block.valid & (valid_before | (block.episode_steps == 1))).sum())
        self._last_valid.copy_(block.valid[-1:])

    def _primary(self, holds: Tensor) -> Tensor:
        """First cause in rank that holds, C where none does. Shape (E,), int64."""
        first = torch.full(holds.shape[:1], self._causes, dtype=torch.int64, device=holds.device)
        for cause in reversed(self._ranking):
            first.masked_fill_(holds[..., cause], cause)
        return first

    def metrics(self, sums: dict[str, Tensor]) -> Flush:
        by_bucket = {name: sums[name][: self._buckets] for name in ("episodes", "failures", "primary", "lengths")}
        overall = {name: table.sum(dim=0) for name, table in by_bucket.items()}
        episodes, failures = overall["episodes"], overall["failures"]
        primary, unexplained = overall["primary"][:-1], overall["primary"][-1]
        return {
            "termination/episodes": episodes,
            "termination/failures": failures,
            "termination/time_outs": episodes - failures,
            "termination/faults": sums["faults"],
            "termination/failure_rate": failures / episodes,
            "termination/primary": primary,
            "termination/primary_share": primary / episodes,
            "termination/together": sums["together"],
            "termination/unexplained": unexplained,
            "termination/partial": sums["partial"],
            "termination/length_mean": self._dt * sums["steps"] / sums["whole"],
            "termination/length_histogram": overall["lengths"],
            "termination/length_by_cause": sums["lengths_by_cause"][:-1],
            "termination_by_bucket/episodes": by_bucket["episodes"],
            "termination_by_bucket/failure_rate": by_bucket["failures"] / by_bucket["episodes"],
            "termination_by_bucket/primary": by_bucket["primary"][:, :-1],
            "termination_by_bucket/length_histogram": by_bucket["lengths"],
        }

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"last_valid": self._last_valid.cpu().clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._last_valid.copy_(state["last_valid"])


def _count(table: Tensor, index: Tensor) -> None:
    """Add 1 to the table's element at each index into its flat view."""
    table.view(-1).index_add_(0, index, torch.ones_like(index, dtype=table.dtype))
