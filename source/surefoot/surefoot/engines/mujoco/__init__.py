"""MuJoCo: mjlab's environments, on CUDA through MuJoCo-Warp, on the CPU through MuJoCo C on a thread pool."""

from typing import Any

from surefoot.engines.mujoco.make import make_env, make_mjlab_env

__all__ = ["make_env", "make_mjlab_env", "open_viewer"]


def open_viewer(*args: Any, **kwargs: Any) -> None:
    """See `surefoot.engines.mujoco.viewer.open_viewer`; viser is imported only for it."""
    from surefoot.engines.mujoco import viewer

    viewer.open_viewer(*args, **kwargs)
