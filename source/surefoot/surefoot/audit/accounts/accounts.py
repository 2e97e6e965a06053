"""All accounts of a run: fed with every control step, read once per iteration."""

from collections.abc import Iterable
from typing import Any

import torch

from surefoot.audit.accounts.account import Account
from surefoot.audit.accounts.block import StepBuffer
from surefoot.audit.accounts.episode_account import EpisodeRewardAccount
from surefoot.audit.accounts.episodes import EpisodeTracker
from surefoot.audit.accounts.fault_account import FaultAccount
from surefoot.audit.accounts.metrics import AxisNames, Flush, axis_names
from surefoot.audit.accounts.reward_account import RewardAccount
from surefoot.audit.accounts.state import check_state
from surefoot.audit.accounts.step import AuditLayout, AuditStep
from surefoot.audit.accounts.termination_account import TerminationAccount
from surefoot.audit.alerts.bucket_monitor import BucketMonitor
from surefoot.audit.alerts.synchrony import SynchronyAccount
from surefoot.audit.unknown import without_velocity
from surefoot.manifest.audit import Audit


class Accounts:
    """Copies each step; every few steps the accounts add up the copies on the device; `flush` brings sums to the host.

    Args:
        layout: Names of the axes.
        config: The manifest's section `audit`.
        device: Of the environment's tensors.
        extra: Further accounts that see the same blocks.
        compact: Look at the data where that saves work; default: on a CPU, where nothing has to be waited for.
    """

    def __init__(
        self,
        layout: AuditLayout,
        config: Audit,
        device: str | torch.device,
        extra: Iterable[Account] = (),
        compact: bool | None = None,
    ) -> None:
        on_cpu = torch.device(device).type == "cpu" if compact is None else compact
        self._buffer = StepBuffer(layout, device, look=on_cpu)
        self._episodes = EpisodeTracker(layout, device, compact=on_cpu)
        self._follows_velocity = layout.follows_velocity
        self._accounts: list[Account] = [
            RewardAccount(layout, config, device),
            EpisodeRewardAccount(layout, config, device),
            TerminationAccount(layout, config, device),
            SynchronyAccount(layout, config, device),
            BucketMonitor(layout, config, device),
            FaultAccount(layout, device),
            *extra,
        ]
        width = layout.max_episode_steps * layout.step_dt / config.length_bins
        labels = (f"{width * k:.3g}-{width * (k + 1):.3g} s" for k in range(config.length_bins))
        self.axes: AxisNames = axis_names(layout, tuple(labels))
        """Names along each axis of the metrics."""

    def step(self, step: AuditStep) -> None:
        """Take in one control step. Never waits for the device."""
        if self._buffer.full:
            self._settle()
        self._buffer.append(step)

    def _settle(self) -> None:
        """Let the accounts see the steps that were only copied so far."""
        if len(self._buffer) == 0:
            return
        block = self._buffer.take()
        episodes = self._episodes.add(block)
        for account in self._accounts:
            account.add(block, episodes)

    def flush(self) -> Flush:
        """Metrics of the iteration that ends here, on the host, from one transfer. Begins the next iteration."""
        self._settle()
        pending = [account.pending() for account in self._accounts]
        host = torch.cat(pending).cpu()
        metrics: Flush = {}
        for account, values in zip(self._accounts, host.split_with_sizes([len(part) for part in pending]), strict=True):
            metrics |= account.report(values)
            account.clear()
        return metrics if self._follows_velocity else without_velocity(metrics)

    def state_dict(self) -> dict[str, Any]:
        """Everything that later metrics depend on, on the host."""
        self._settle()
        return {
            "axes": self._axis_lists(),
            "episodes": self._episodes.state_dict(),
            "accounts": {type(account).__name__: account.state_dict() for account in self._accounts},
        }

    def _axis_lists(self) -> dict[str, list[str]]:
        return {axis: list(names) for axis, names in self.axes.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state_dict` was taken.

        Raises:
            ValueError: An account of this run has no state in `state`, or one of another layout, or the axes have other
                names; nothing is changed.
        """
        check_state(state, self.state_dict(), "accounts")
        if state["axes"] != self._axis_lists():
            raise ValueError("accounts: their terms, causes, fault kinds, buckets or bins have other names.")
        self._episodes.load_state_dict(state["episodes"])
        for account in self._accounts:
            account.load_state_dict(state["accounts"][type(account).__name__])
