"""MuJoCo: mjlab's environments, on CUDA through MuJoCo-Warp, on the CPU through MuJoCo C on a thread pool."""

from typing import Any

from surefoot.engines.mujoco.factors import SUPPORTED as FACTORS
from surefoot.engines.mujoco.make import make_env, make_mjlab_env
from surefoot.manifest.terrain_classes import TERRAIN_CLASSES

__all__ = ["FACTORS", "ONE_AT_A_TIME", "TERRAINS", "make_env", "make_mjlab_env", "open_viewer"]

TERRAINS: frozenset[str] = frozenset(TERRAIN_CLASSES)
"""Terrain classes that it can build."""
ONE_AT_A_TIME = False


def open_viewer(*args: Any, **kwargs: Any) -> None:
    """See `surefoot.engines.mujoco.viewer.open_viewer`; viser is imported only for it."""
    from surefoot.engines.mujoco import viewer

    viewer.open_viewer(*args, **kwargs)
