"""Accounts on a manager-based environment that is not ours; see `surefoot.audit.managers` for what it must have.

The environment is used as before, by RSL-RL or anything else: only its reward manager's `compute` and its own `step`
and `close` are shadowed on the instances, and its reward terms are watched for values that are not finite.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from surefoot.audit.accounts.metrics import AxisNames, Flush
from surefoot.audit.accounts.step import AuditLayout
from surefoot.audit.accounts.tags import scalars_of
from surefoot.audit.alerts.alerts import Alert
from surefoot.audit.env_hooks import EnvHooks
from surefoot.audit.managers import ManagerReader
from surefoot.audit.record.record import RunRecord
from surefoot.audit.record.record_file import FILE_NAME
from surefoot.audit.value_buckets import BucketSource
from surefoot.audit.watch import accounts_and_alerts
from surefoot.errors import EngineError, RunFolderError
from surefoot.manifest.audit import Audit

NO_MANIFEST = "none"
"""Stands in the record where a manifest's hash would: the environment has none."""
SAVE_EVERY = 20
"""Iterations between writes of the record, which is also written after the 1st, 2nd, 4th, 8th and 16th: a short run is
kept too. `detach` and the environment's `close` write the rest."""

OnIteration = Callable[[int, Flush, list[Alert]], None]


@dataclass(frozen=True)
class Iterations:
    """When an iteration ends by itself, and what then happens."""

    steps: int | None
    then: OnIteration | None
    folder: Path | None
    before: int = 0
    """Iterations that were done before the first one here."""
    scalars: bool = False
    """Put the numbers of each into `extras["log"]`."""


def is_due(iteration: int) -> bool:
    """Whether the record is written after this many iterations: often at first, then every `SAVE_EVERY`."""
    return iteration % SAVE_EVERY == 0 or (iteration < SAVE_EVERY and iteration & (iteration - 1) == 0)


class AttachedAccounts:
    """Accounts that follow an environment until `detach`, or until it is closed; made by `attach_to_managers`.

    Attributes:
        layout: Terms, causes and buckets that were found.
        accounts: What every step goes to.
        iteration: Number of the last iteration that ended.
        notes: Sentences about what cannot be known of this environment.
    """

    def __init__(
        self, env: Any, reader: ManagerReader, config: Audit, every: Iterations, source: BucketSource | None = None
    ) -> None:
        self._rewards = env.reward_manager  # Isaac Lab deletes its managers when it closes
        self._reader = reader
        self._every = every
        self._source = source
        self._steps = 0
        self._due: dict[str, float] = {}
        self._attached = True
        self.layout: AuditLayout = reader.layout
        self.accounts, self._alerts, _ = accounts_and_alerts(reader.layout, config, env.device)
        self.iteration = every.before
        self.notes = (*reader.notes, *(source.notes if source is not None else ()))
        self._record = None
        if every.folder is not None:
            edges = source.edges if source is not None else {}
            self._record = _new_record(every.folder, self.axes, edges, every.before)
        self._compute = self._rewards.compute
        reader.watch()
        self._rewards.compute = self._compute_and_account
        self._hooks = EnvHooks(env, self._after_step, self.detach)

    @property
    def axes(self) -> AxisNames:
        """Names along each axis of the metrics."""
        return self.accounts.axes

    @property
    def failures(self) -> int:
        """Attempts to write the record that failed since the start."""
        return self._record.failures if self._record is not None else 0

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

    def _after_step(self, result: Any) -> Mapping[str, float]:
        due, self._due = self._due, {}
        return due

    def end_iteration(self) -> tuple[Flush, list[Alert]]:
        """Metrics of the steps since the last call, on the host, and the alerts that they raise.

        What an alert's `action` asks for is left to the caller.
        """
        self.iteration += 1
        flush = self.accounts.flush()
        if self._source is not None:
            flush |= self._source.metrics()
        alerts = self._alerts.check(self.iteration, flush)
        if self._record is not None:
            self._record.add(self.iteration, flush, alerts)
            if not self._attached:
                self.save()
            elif is_due(self.iteration - self._every.before):
                self._record.save()
        if self._every.scalars:
            self._due = scalars_of(flush, self.axes)
        return flush, alerts

    def restart_steps(self) -> None:
        """The next step is the first of an iteration."""
        self._steps = 0

    def save(self) -> bool:
        """Write everything into one file, now; True if the disk has it, or nothing is kept."""
        return self._record is None or self._record.save(end=True)

    def detach(self) -> None:
        """Leave the environment as it was, and finish the record; safe to call again."""
        if not self._attached:
            return
        self._attached = False
        del self._rewards.compute
        self._reader.unwatch()
        self._hooks.release()
        if self._source is not None:
            self._source.release()
        self.save()


def attach_to_managers(
    env: Any,
    config: Audit,
    *,
    steps_per_iteration: int | None = None,
    on_iteration: OnIteration | None = None,
    folder: Path | None = None,
    command: str | None = None,
    robot: str | None = None,
    moving_threshold: float = 0.1,
    action_clip: float | None = None,
    bucket: Tensor | None = None,
    bucket_labels: Sequence[str] = ("all",),
    source: BucketSource | None = None,
    scalars: bool = False,
    iterations_before: int = 0,
    report: Callable[[str], None] | None = None,
) -> AttachedAccounts:
    """Let the accounts follow every step of `env`, from now on; arguments as of `ManagerReader`.

    Args:
        env: The environment, or any wrapper of it that has `unwrapped`.
        config: Thresholds; the shipped ones are `surefoot_tasks.audit_config()`.
        steps_per_iteration: Control steps after which an iteration ends by itself, such as RSL-RL's
            `num_steps_per_env`; by default only `end_iteration` ends one.
        on_iteration: Called with the number of each iteration that ended by itself, its metrics and its alerts.
        folder: Where a record of every iteration is kept, for `surefoot accounts`; a folder of its own for each run.
        command: Name of the velocity command.
        robot: Name of the robot in the scene; by default `robot` where there is one.
        moving_threshold: A command longer than this asks for motion.
        action_clip: Limit of the actions; by default the wrapper's `clip_actions`, where it has one.
        bucket: Bucket id of each environment. Shape (num_envs,), int64.
        bucket_labels: One for each id.
        source: Where buckets come from in place of `bucket`; it is released with the accounts.
        scalars: Put the numbers of each iteration into the `extras["log"]` of its last step, which RSL-RL hands on to
            TensorBoard or W&B.
        iterations_before: Iterations that a run had done before; the first one here is the next.
        report: Takes each sentence about what cannot be known of this environment; by default it is a warning.

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
    if not isinstance(getattr(base.reward_manager, "_step_reward", None), Tensor):
        raise EngineError(
            f"{type(base.reward_manager).__name__} does not keep the reward of each term as a torch tensor, "
            "from which the accounts are made."
        )
    reader = ManagerReader(
        base,
        command=command,
        robot=robot,
        moving_threshold=moving_threshold,
        action_clip=clip,
        bucket=bucket,
        bucket_labels=bucket_labels,
        source=source,
    )
    every = Iterations(steps_per_iteration, on_iteration, folder, iterations_before, scalars)
    attached = AttachedAccounts(base, reader, config, every, source)
    for note in attached.notes:
        if report is not None:
            report(note)
        else:
            warnings.warn(note, stacklevel=2)
    return attached


def _new_record(folder: Path, axes: AxisNames, edges: Mapping[str, Sequence[float]], before: int) -> RunRecord:
    if (folder / FILE_NAME).exists():
        raise RunFolderError(f"{folder}: expected a folder without a record, found {FILE_NAME}. Choose another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    return RunRecord(folder, axes, NO_MANIFEST, bucket_edges=edges, resumed_at=before)
