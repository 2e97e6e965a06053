"""MuJoCo: mjlab's environments, on CUDA through MuJoCo-Warp, on the CPU through MuJoCo C on a thread pool."""

from surefoot.engines.mujoco.make import make_env, make_mjlab_env

__all__ = ["make_env", "make_mjlab_env"]
