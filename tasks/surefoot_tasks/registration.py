"""Every task as an id of Gymnasium, after Isaac Lab's conventions, so that its own commands can run it.

Each task has two ids: its own, and one with `-Play` before the version, for watching a policy: without pushes,
observation noise and scattered episode starts. Isaac Lab resolves an entry point `module:name` when it needs the
configuration, so nothing is imported before.

Who wants to build on a task in Python takes `env_cfg`, `env_cfg_class` and `entry_points` from here; docs/isaaclab.md
shows how.
"""

import importlib
import sys
from collections.abc import Callable
from typing import Any

from surefoot.errors import MissingExtra, unknown_name
from surefoot.manifest import Manifest, compose_manifest
from surefoot.manifest.playing import playing
from surefoot_tasks import list_tasks, manifest_root

ENTRY_POINTS = ("env_cfg_entry_point", "rsl_rl_cfg_entry_point")
MODULE = "surefoot_tasks.registered"
"""Where entry points say that they are: `isaaclab list_envs` tells a project's tasks by the module it declares."""
PLAY = "-Play"


def play_id(task: str) -> str:
    """The id for watching: `Surefoot-...-Go1-Play-v0` of `Surefoot-...-Go1-v0`."""
    name, dash, version = task.rpartition("-")
    return f"{name}{PLAY}{dash}{version}"


def task_ids() -> dict[str, tuple[str, bool]]:
    """Ids of Gymnasium: for each the task, and whether it is the one for watching."""
    return {name: (task, name != task) for task in list_tasks() for name in (task, play_id(task))}


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
            "use this project's scripts: surefoot train --task NAME"
        ) from None
    for name in task_ids():
        if name not in gymnasium.registry:
            gymnasium.register(
                id=name,
                entry_point="surefoot.engines.isaaclab.gym_env:SurefootGymEnv",
                disable_env_checker=True,
                kwargs=entry_points(name),
            )
    return sys.argv[1:]


def entry_points(name: str) -> dict[str, str]:
    """The keyword arguments with which an id is registered; those of a task of one's own replace some of them.

    Raises:
        UnknownName: No such id.
    """
    _task(name)
    return {key: f"{MODULE}:{key} {name}" for key in ENTRY_POINTS}


def env_cfg(name: str) -> Any:
    """Isaac Lab's configuration of an id, to be changed and added to.

    Raises:
        UnknownName: No such id.
    """
    module: Any = importlib.import_module("surefoot.engines.isaaclab.gym_cfg")
    return module.task_env_cfg(_manifest(name))


def env_cfg_class(name: str) -> type[Any]:
    """A class of Isaac Lab's configuration to derive from: its `__post_init__` fills in the task of an id.

    Raises:
        UnknownName: No such id.
    """
    module: Any = importlib.import_module("surefoot.engines.isaaclab.gym_cfg")
    return module.task_env_cfg_class(_manifest(name), __name__)


def rsl_rl_cfg(name: str) -> Any:
    """RSL-RL's configuration of an id.

    Raises:
        UnknownName: No such id.
    """
    from surefoot.rl.config import named_runner_config
    from surefoot.rl.watch import follow_our_tasks

    follow_our_tasks()  # whoever asks for this configuration is about to train with RSL-RL
    manifest = _manifest(name)
    module: Any = importlib.import_module("surefoot.engines.isaaclab.runner_cfg")
    return module.runner_cfg(manifest, named_runner_config(manifest))


def __getattr__(name: str) -> Callable[[], Any]:
    """`env_cfg_entry_point ID` and `rsl_rl_cfg_entry_point ID`: each builds a configuration of Isaac Lab."""
    key, _, task = name.partition(" ")
    if key not in ENTRY_POINTS or not task:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return (lambda: env_cfg(task)) if key == ENTRY_POINTS[0] else (lambda: rsl_rl_cfg(task))


def _task(name: str) -> tuple[str, bool]:
    known = task_ids()
    if name not in known:
        raise unknown_name("Task", name, known)
    return known[name]


def _manifest(name: str) -> Manifest:
    task, play = _task(name)
    manifest = compose_manifest(manifest_root(), task)
    return playing(manifest) if play else manifest
