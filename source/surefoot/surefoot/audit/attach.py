"""Accounts on a manager-based environment that is not ours; see `surefoot.audit.managers` for what it must have.

The environment is used as before, by RSL-RL or anything else: only its reward manager's `compute` is shadowed on the
instance, and its reward terms are watched for values that are not finite.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from surefoot.audit.accounts import Accounts
from surefoot.audit.diagnostic_rules import DiagnosticRules, Finding
from surefoot.audit.diagnostics import diagnostic_accounts
from surefoot.audit.managers import ManagerReader
from surefoot.audit.metrics import AxisNames, Flush
from surefoot.audit.step import AuditLayout
from surefoot.errors import EngineError
from surefoot.manifest.audit import Audit


class AttachedAccounts:
    """Accounts that follow an environment until `detach`; made by `attach_to_managers`.

    Attributes:
        layout: Terms, causes and buckets that were found.
        accounts: What every step goes to.
    """

    def __init__(self, env: Any, reader: ManagerReader, config: Audit) -> None:
        self._env = env
        self._reader = reader
        self.layout: AuditLayout = reader.layout
        extra = diagnostic_accounts(reader.layout, config.diagnostics, env.device)
        self.accounts = Accounts(reader.layout, config, env.device, extra)
        self._rules = DiagnosticRules(reader.layout, config.diagnostics)
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

    def end_iteration(self) -> tuple[Flush, list[Finding]]:
        """Metrics of the steps since the last call, on the host, and what the rules say about them."""
        flush = self.accounts.flush()
        return flush, self._rules.check(flush)

    def detach(self) -> None:
        """Leave the environment as it was."""
        del self._env.reward_manager.compute
        self._reader.unwatch()


def attach_to_managers(
    env: Any,
    config: Audit,
    *,
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
        command: Name of the velocity command.
        robot: Name of the robot in the scene.
        moving_threshold: A command longer than this asks for motion.
        action_clip: Limit of the actions; by default the wrapper's `clip_actions`, where it has one.
        bucket: Bucket id of each environment. Shape (num_envs,), int64.
        bucket_labels: One for each id.

    Raises:
        EngineError: Not a manager-based environment, or the accounts are already attached.
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
    return AttachedAccounts(base, reader, config)
