"""Accounts on a manager-based environment that is not ours; see `surefoot.audit.managers` for what it must have.

The environment is used as before, by RSL-RL or anything else: only its reward manager's `compute` is shadowed on the
instance, and its reward terms are watched for values that are not finite.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from surefoot.audit.account_rules import AccountRules
from surefoot.audit.accounts import Accounts
from surefoot.audit.alerts import Alert, Alerts
from surefoot.audit.diagnostic_rules import DiagnosticRules
from surefoot.audit.diagnostics import diagnostic_accounts
from surefoot.audit.managers import ManagerReader
from surefoot.audit.metrics import AxisNames, Flush
from surefoot.audit.record import RunRecord
from surefoot.audit.record_file import FILE_NAME
from surefoot.audit.step import AuditLayout
from surefoot.errors import EngineError, RunFolderError
from surefoot.manifest.audit import Audit

NO_MANIFEST = "none"
"""Stands in the record where a manifest's hash would: the environment has none."""


class AttachedAccounts:
    """Accounts that follow an environment until `detach`; made by `attach_to_managers`.

    Attributes:
        layout: Terms, causes and buckets that were found.
        accounts: What every step goes to.
        iteration: Times that `end_iteration` was called.
    """

    def __init__(self, env: Any, reader: ManagerReader, config: Audit, folder: Path | None) -> None:
        self._env = env
        self._reader = reader
        self.layout: AuditLayout = reader.layout
        extra = diagnostic_accounts(reader.layout, config.diagnostics, env.device)
        self.accounts = Accounts(reader.layout, config, env.device, extra)
        self.iteration = 0
        rules = (AccountRules(reader.layout, config), DiagnosticRules(reader.layout, config.diagnostics))
        self._alerts = Alerts(config, rules)
        self._record = _new_record(folder, self.axes) if folder is not None else None
        self._compute = env.reward_manager.compute
        reader.watch()
        env.reward_manager.compute = self._compute_and_account

    @property
    def axes(self) -> AxisNames:
        """Names along each axis of the metrics."""
        return self.accounts.axes

    def _compute_and_account(self, *args: Any, **kwargs: Any) -> Tensor:
        self._reader.before_rewards()
        reward: Tensor = self._compute(*args, **kwargs)
        self.accounts.step(self._reader.read(reward))
        return reward

    def end_iteration(self) -> tuple[Flush, list[Alert]]:
        """Metrics of the steps since the last call, on the host, and the alerts that they raise.

        What an alert's `action` asks for is left to the caller. `save` writes the record, where there is one.
        """
        self.iteration += 1
        flush = self.accounts.flush()
        alerts = self._alerts.check(self.iteration, flush)
        if self._record is not None:
            self._record.add(self.iteration, flush, alerts)
        return flush, alerts

    def save(self) -> None:
        """Write the record of all iterations so far."""
        if self._record is not None:
            self._record.save(now=True)

    def detach(self) -> None:
        """Leave the environment as it was, and write the record."""
        del self._env.reward_manager.compute
        self._reader.unwatch()
        self.save()


def attach_to_managers(
    env: Any,
    config: Audit,
    *,
    folder: Path | None = None,
    command: str | None = None,
    robot: str = "robot",
    moving_threshold: float = 0.1,
    action_clip: float | None = None,
    bucket: Tensor | None = None,
    bucket_labels: Sequence[str] = ("all",),
) -> AttachedAccounts:
    """Let the accounts follow every step of `env`, from now on; arguments as of `ManagerReader`.

    Args:
        env: The environment, or any wrapper of it that has `unwrapped`.
        config: Thresholds; the shipped ones are `surefoot_tasks.audit_config()`.
        folder: Where a record of every iteration is kept, for `scripts/accounts.py`; a folder of its own for each run.
        command: Name of the velocity command.
        robot: Name of the robot in the scene.
        moving_threshold: A command longer than this asks for motion.
        action_clip: Limit of the actions; by default the wrapper's `clip_actions`, where it has one.
        bucket: Bucket id of each environment. Shape (num_envs,), int64.
        bucket_labels: One for each id.

    Raises:
        EngineError: Not a manager-based environment, an unknown command, buckets that do not fit, or the accounts are
            already attached.
        RunFolderError: The folder holds the record of another run.
    """
    clip = action_clip if action_clip is not None else getattr(env, "clip_actions", None)
    base = getattr(env, "unwrapped", env)
    needed = ("reward_manager", "termination_manager", "command_manager", "action_manager", "scene")
    if missing := [name for name in needed if not hasattr(base, name)]:
        raise EngineError(
            f"{type(base).__name__} has no {', '.join(missing)}: "
            "expected a manager-based environment of mjlab or Isaac Lab."
        )
    if "compute" in vars(base.reward_manager):
        raise EngineError("The accounts are already attached to this environment; call detach() first.")
    reader = ManagerReader(
        base,
        command=command,
        robot=robot,
        moving_threshold=moving_threshold,
        action_clip=clip,
        bucket=bucket,
        bucket_labels=bucket_labels,
    )
    return AttachedAccounts(base, reader, config, folder)


def _new_record(folder: Path, axes: AxisNames) -> RunRecord:
    if (folder / FILE_NAME).exists():
        raise RunFolderError(f"{folder}: expected a folder without a record, found {FILE_NAME}. Choose another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    return RunRecord(folder, axes, NO_MANIFEST)
