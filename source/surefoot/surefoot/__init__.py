"""Train legged robots to walk, and test them where they were not trained; on MuJoCo and Isaac Lab.

What stands here is the Python API; a name is imported when it is used, so `import surefoot` loads neither torch nor a
simulator. `surefoot.api` says what each takes.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from surefoot.api import attach_accounts as attach_accounts
    from surefoot.api import compare as compare
    from surefoot.api import evaluate as evaluate
    from surefoot.api import export as export
    from surefoot.api import list_panels as list_panels
    from surefoot.api import list_tasks as list_tasks
    from surefoot.api import load_manifest as load_manifest
    from surefoot.api import load_policy as load_policy
    from surefoot.api import make_env as make_env
    from surefoot.api import replay_trace as replay_trace
    from surefoot.api import resume as resume
    from surefoot.api import train as train
    from surefoot.mdp.registry import register_term as register_term

__version__ = "0.1.0"

_API = (
    "attach_accounts",
    "compare",
    "evaluate",
    "export",
    "list_panels",
    "list_tasks",
    "load_manifest",
    "load_policy",
    "make_env",
    "replay_trace",
    "resume",
    "train",
)
__all__ = ["__version__", "register_term", *_API]  # pyright: ignore[reportUnsupportedDunderAll]

# OpenMP threads that spin while they wait starve the physics threads: a PPO update took 9.8 s
# instead of 0.8 s (docs/performance.md). Read once, when torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# RSL-RL imports GitPython, which without a git executable refuses to be imported unless told otherwise.
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")


def __getattr__(name: str) -> Any:
    if name == "register_term":
        return importlib.import_module("surefoot.mdp.registry").register_term
    if name in _API:
        return getattr(importlib.import_module("surefoot.api"), name)
    raise AttributeError(f"module 'surefoot' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
