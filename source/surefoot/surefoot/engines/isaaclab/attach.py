"""The accounts on any manager-based environment of Isaac Lab, by one call."""

from collections.abc import Sequence
from typing import Any, Literal

from surefoot.audit.attach import AttachedAccounts, attach_to_managers
from surefoot.engines.isaaclab.event_buckets import EventBuckets
from surefoot.errors import EngineError, unknown_name
from surefoot.manifest.audit import Audit

BUCKETS = ("none", "events")


def attach_accounts(
    env: Any,
    config: Audit,
    *,
    buckets: Literal["none", "events"] = "none",
    bucket_by: Sequence[str] = (),
    **options: Any,
) -> AttachedAccounts:
    """Let the accounts follow an environment of Isaac Lab, plain or in wrappers such as `RslRlVecEnvWrapper`.

    Args:
        env: A `ManagerBasedRLEnv`, on Newton or PhysX, after its first reset.
        config: Thresholds; the shipped ones are `surefoot_tasks.audit_config()`.
        buckets: `events` makes buckets of what the task's own events have written into the simulator, and of the kind
            and level of a generated terrain; see `surefoot.engines.isaaclab.event_buckets`.
        bucket_by: With `events`, the quantities that make buckets, most important first; by default all that differ.
        options: See `surefoot.audit.attach.attach_to_managers`.

    Raises:
        EngineError: Not a manager-based environment, an unknown name, or the accounts are already attached.
    """
    if buckets not in BUCKETS:
        raise unknown_name("buckets", buckets, BUCKETS)
    if bucket_by and buckets == "none":
        raise EngineError("bucket_by chooses among what events write; say buckets='events' too.")
    base = getattr(env, "unwrapped", env)
    if buckets == "none":
        return attach_to_managers(env, config, **options)
    if "bucket" in options:
        raise EngineError("Buckets come from the events or from bucket=, not from both.")
    if not hasattr(base, "event_manager"):
        raise EngineError(f"{type(base).__name__} has no event_manager: there are no events to make buckets of.")
    source = EventBuckets(base, _on_newton(base), bucket_by)
    try:
        return attach_to_managers(env, config, source=source, **options)
    except BaseException:
        source.release()
        raise


def _on_newton(env: Any) -> bool:
    """By where the configuration of the physics comes from, as Isaac Lab's own events decide."""
    physics = getattr(env.sim.cfg, "physics", None)
    return any(kind.__module__.startswith("isaaclab_newton") for kind in type(physics).__mro__)
