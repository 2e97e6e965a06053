"""The accounts on any mjlab environment, by one call."""

from typing import Any

from mjlab.envs import ManagerBasedRlEnv

from surefoot.audit.attach import AttachedAccounts, attach_to_managers
from surefoot.errors import EngineError
from surefoot.manifest.audit import Audit


def attach_accounts(env: Any, config: Audit, **options: Any) -> AttachedAccounts:
    """Let the accounts follow an mjlab environment, plain or in a wrapper such as mjlab's `RslRlVecEnvWrapper`.

    mjlab writes 0 for a reward term that is not finite; the accounts count it as a fault. mjlab computes rewards before
    its forward pass, so velocities are those of one physics step earlier, as its reward terms see them.

    Args:
        env: On CUDA or, through `make_mjlab_env`, on the CPU.
        config: Thresholds; the shipped ones are `surefoot_tasks.audit_config()`.
        options: See `surefoot.audit.attach.attach_to_managers`.

    Raises:
        EngineError: Not an mjlab environment, an unknown command, or the accounts are already attached.
    """
    base = getattr(env, "unwrapped", env)
    if not isinstance(base, ManagerBasedRlEnv):
        raise EngineError(f"Expected mjlab's ManagerBasedRlEnv or a wrapper of it, got {type(base).__name__}.")
    return attach_to_managers(env, config, **options)
