"""The accounts in a training that RSL-RL's runner does, whoever wrote its script and its task.

`OnPolicyRunner.learn` is where a trainer's pieces come together: the environment, the steps of an iteration, the folder
of its logs, and the iteration that a checkpoint ended with. So it is wrapped, once for the process. Isaac Lab calls
`surefoot_tasks.watch` before anything else where it is told `--external_callback surefoot_tasks.watch`.
"""

import functools
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from rsl_rl.runners import OnPolicyRunner

from surefoot.audit.accounts.metrics import Flush
from surefoot.audit.accounts.tags import scalars_of
from surefoot.audit.alerts.alerts import Alert
from surefoot.audit.attach import is_due
from surefoot.audit.env_hooks import EnvHooks
from surefoot.audit.record.record_file import FILE_NAME
from surefoot.errors import RunFolderError, SurefootError
from surefoot.reporting import say
from surefoot.rl.run_audit import RunAudit
from surefoot.rl.watch_options import WatchOptions


class Followed(Protocol):
    """Accounts of one environment."""

    def restart_steps(self) -> None:
        """The next step is the first of an iteration."""
        ...

    def save(self) -> bool:
        """Write everything now."""
        ...


class FollowedTask:
    """The accounts of a task of ours in somebody else's trainer: the same as in our own, from the same environment.

    Args:
        env: With `audit` among the extras of a step.
        folder: Of the record; None keeps nothing.
        steps: Control steps of an iteration.
        before: Iterations that the run had done before.
    """

    def __init__(self, env: Any, folder: Path | None, steps: int, before: int) -> None:
        self._audit = RunAudit(env, folder, before)
        self._iteration, self._before = before, before
        self._every, self._steps = steps, 0
        self._started = time.perf_counter()
        self._hooks = EnvHooks(env, self._after_step, self.close)

    def _after_step(self, result: Any) -> Mapping[str, float]:
        self._audit.step(result[-1]["audit"])
        self._steps += 1
        if self._steps % self._every != 0:
            return {}
        self._iteration += 1
        audited = self._audit.end_iteration(self._iteration, result[0]["actor"], {}, self._started)
        self._started = time.perf_counter()
        if self._audit.record is not None and is_due(self._iteration - self._before):
            self._audit.record.save()
        _show(audited.alerts)
        return scalars_of(audited.flush, self._audit.axes)

    def restart_steps(self) -> None:
        self._steps = 0

    def save(self) -> bool:
        return self._audit.record is None or self._audit.record.save(end=True)

    def close(self) -> None:
        """Leave the environment as it was, and finish the record."""
        self._hooks.release()
        self.save()


class _Trainings:
    """What is followed in this process."""

    def __init__(self) -> None:
        self.options: WatchOptions | None = None
        self._followed: WeakKeyDictionary[Any, Followed] = WeakKeyDictionary()
        self._installed = False

    def install(self) -> None:
        if self._installed:
            return
        self._installed = True
        learn: Any = OnPolicyRunner.learn
        follow = self._follow

        @functools.wraps(learn)
        def learn_and_account(self: OnPolicyRunner, *args: Any, **kwargs: Any) -> None:
            followed = follow(self)
            try:
                learn(self, *args, **kwargs)
            finally:
                if followed is not None:
                    followed.save()

        OnPolicyRunner.learn = learn_and_account  # pyright: ignore[reportAttributeAccessIssue]

    def _follow(self, runner: Any) -> Followed | None:
        """Accounts for what this runner trains on; those that it has already if it goes on."""
        env = getattr(runner.env, "unwrapped", runner.env)
        if (followed := self._followed.get(env)) is None:
            try:
                followed = self._new(env, runner)
            except SurefootError as error:
                if self.options is None or not self.options.from_shell:
                    raise
                raise SystemExit(f"error: {error}") from None
        if followed is not None:
            self._followed[env] = followed
            followed.restart_steps()
        return followed

    def _new(self, env: Any, runner: Any) -> Followed | None:
        ours, options = getattr(env, "gives_audit_step", False), self.options
        if not ours and options is None:
            return None
        wanted = options.folder if options is not None else None
        folder = _folder(wanted, runner)
        steps, before = int(runner.cfg["num_steps_per_env"]), int(runner.current_learning_iteration)
        if ours:
            if options is not None and options.buckets == "events":
                _say("This task's buckets are those of its manifest (randomization.bucket_by), not those of events.")
            followed = FollowedTask(env, folder, steps, before)
        else:
            assert options is not None
            if not hasattr(env, "reward_manager"):
                _say(
                    f"{type(env).__name__} has no reward_manager, so there are no reward terms and no causes to "
                    "account for: the training goes on without accounts."
                )
                return None
            followed = _attach(runner.env, options, folder, steps, before)
        if folder is not None:
            _say(f"accounts of every iteration: {folder / FILE_NAME}")
        else:
            _say("this training has no folder of logs, so its accounts are not kept; name one with watch.folder=")
        return followed


_trainings = _Trainings()


def follow_our_tasks() -> None:
    """From now on keep the accounts when RSL-RL's runner learns one of our tasks of Isaac Lab. Safe to call again."""
    _trainings.install()


def follow_everything(options: WatchOptions) -> None:
    """From now on keep the accounts of whatever RSL-RL's runner learns."""
    _trainings.options = options
    _trainings.install()


def _attach(env: Any, options: WatchOptions, folder: Path | None, steps: int, before: int) -> Followed:
    from surefoot.engines.isaaclab.attach import attach_accounts

    return attach_accounts(
        env,
        options.audit,
        buckets=options.buckets,
        bucket_by=options.bucket_by,
        steps_per_iteration=steps,
        on_iteration=_show_iteration,
        folder=folder,
        robot=options.robot,
        command=options.command,
        scalars=options.scalars,
        iterations_before=before,
        report=_say,
    )


def _folder(wanted: Path | None, runner: Any) -> Path | None:
    """Where the record goes: each process of a distributed training has one of its own."""
    where = wanted if wanted is not None else getattr(getattr(runner, "logger", None), "log_dir", None)
    if where is None:
        return None
    folder, rank = Path(where), int(getattr(runner, "gpu_global_rank", 0))
    folder = folder / f"rank_{rank}" if rank > 0 else folder
    if (folder / FILE_NAME).exists():
        raise RunFolderError(f"{folder}: expected a folder without a record, found {FILE_NAME}. Choose another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _show_iteration(iteration: int, flush: Flush, alerts: list[Alert]) -> None:
    _show(alerts)


def _show(alerts: Sequence[Alert]) -> None:
    """Alerts are shown; what their action asks for is left to whose training it is."""
    for alert in alerts:
        _say(f"! {alert.kind} ({alert.subject}) in iteration {alert.iteration}: {alert.message}")


def _say(sentence: str) -> None:
    say(f"[surefoot] {sentence}")
