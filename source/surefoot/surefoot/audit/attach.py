"""Accounts on a manager-based environment that is not ours; see `surefoot.audit.managers` for what it must have.

The environment is used as before, by RSL-RL or anything else: only its reward manager's `compute` is shadowed on the
instance, and its reward terms are watched for values that are not finite.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
SAVE_EVERY = 20
"""Iterations between writes of the record; `detach` writes the rest."""

OnIteration = Callable[[int, Flush, list[Alert]], None]


@dataclass(frozen=True)
class Iterations:
    """When an iteration ends by itself, and what then happens."""

    steps: int | None
    then: OnIteration | None
    folder: Path | None


class AttachedAccounts:
    """Accounts that follow an environment until `detach`; made by `attach_to_managers`.

    Attributes:
        layout: Terms, causes and buckets that were found.
        accounts: What every step goes to.
        iteration: Times that `end_iteration` was called.
    """

    def __init__(self, env: Any, reader: ManagerReader, config: Audit, every: Iterations) -> None:
        self._env = env
        self._reader = reader
        self._every = every
        self._steps = 0
        self.layout: AuditLayout = reader.layout
        extra = diagnostic_accounts(reader.layout, config.diagnostics, env.device)
        self.accounts = Accounts(reader.layout, config, env.device, extra)
        self.iteration = 0
        rules = (AccountRules(reader.layout, config), DiagnosticRules(reader.layout, config.diagnostics))
        self._alerts = Alerts(config, rules)
        self._record = _new_record(every.folder, self.axes) if every.folder is not None else None
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
        self._steps += 1
        if self._every.steps is not None and self._steps % self._every.steps == 0:
            flush, alerts = self.end_iteration()
            if self._every.then is not None:
                self._every.then(self.iteration, flush, alerts)
        return reward

    def end_iteration(self) -> tuple[Flush, list[Alert]]:
        """Metrics of the steps since the last call, on the host, and the alerts that they raise.

        What an alert's `action` asks for is left to the caller.
        """
        self.iteration += 1
        flush = self.accounts.flush()
        alerts = self._alerts.check(self.iteration, flush)
        if self._record is not None:
            self._record.add(self.iteration, flush, alerts)
            if self.iteration % SAVE_EVERY == 0:
                self._record.save()
        return flush, alerts

    def detach(self) -> None:
        """Leave the environment as it was, and finish the record."""
        del self._env.reward_manager.compute
        self._reader.unwatch()
        if self._record is not None:
            self._record.save(end=True)


def attach_to_managers(
    env: Any,
    config: Audit,
    *,
    steps_per_iteration: int | None = None,
    on_iteration: OnIteration | None = None,
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
        steps_per_iteration: Control steps after which an iteration ends by itself, such as RSL-RL's
            `num_steps_per_env`; by default only `end_iteration` ends one.
        on_iteration: Called with the number of each iteration that ended by itself, its metrics and its alerts.
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
    every = Iterations(steps_per_iteration, on_iteration, folder)
    return AttachedAccounts(base, reader, config, every)


def _new_record(folder: Path, axes: AxisNames) -> RunRecord:
    if (folder / FILE_NAME).exists():
        raise RunFolderError(f"{folder}: expected a folder without a record, found {FILE_NAME}. Choose another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    return RunRecord(folder, axes, NO_MANIFEST)
