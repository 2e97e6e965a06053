"""Every task as an id of Gymnasium, after Isaac Lab's conventions, so that its own scripts can run it.

Isaac Lab resolves an entry point `module:name` when it needs the configuration, so nothing is imported before.
"""

import importlib
import sys
from collections.abc import Callable
from typing import Any

from surefoot.errors import MissingExtra
from surefoot.manifest import compose_manifest
from surefoot_tasks import list_tasks, manifest_root

ENTRY_POINTS = ("env_cfg_entry_point", "rsl_rl_cfg_entry_point")


def register() -> list[str]:
    """Register what is not yet registered; safe to call again.

    Returns:
        The command line's arguments, none of which it uses: Isaac Lab's `--external_callback` passes them on.

    Raises:
        MissingExtra: Gymnasium is not installed, so Isaac Lab is not either.
    """
    try:
        gymnasium: Any = importlib.import_module("gymnasium")
    except ImportError:
        raise MissingExtra(
            "Tasks are registered with gymnasium, which comes with Isaac Lab and is not installed. Without Isaac Lab "
            "use this project's scripts: python scripts/train.py --task NAME"
        ) from None
    for task in list_tasks():
        if task not in gymnasium.registry:
            gymnasium.register(
                id=task,
                entry_point="surefoot.engines.isaaclab.gym_env:SurefootGymEnv",
                disable_env_checker=True,
                kwargs={key: f"{__name__}:{key} {task}" for key in ENTRY_POINTS},
            )
    return sys.argv[1:]


def __getattr__(name: str) -> Callable[[], Any]:
    """`env_cfg_entry_point TASK` and `rsl_rl_cfg_entry_point TASK`: each builds a configuration of Isaac Lab."""
    key, _, task = name.partition(" ")
    if key not in ENTRY_POINTS or not task:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return (lambda: _env_cfg(task)) if key == ENTRY_POINTS[0] else (lambda: _runner_cfg(task))


def _env_cfg(task: str) -> Any:
    module: Any = importlib.import_module("surefoot.engines.isaaclab.gym_cfg")
    return module.task_env_cfg(compose_manifest(manifest_root(), task))


def _runner_cfg(task: str) -> Any:
    from surefoot.rl.config import named_runner_config
    from surefoot.rl.watch import follow_our_tasks

    follow_our_tasks()  # whoever asks for this configuration is about to train with RSL-RL
    manifest = compose_manifest(manifest_root(), task)
    module: Any = importlib.import_module("surefoot.engines.isaaclab.runner_cfg")
    return module.runner_cfg(manifest, named_runner_config(manifest))
