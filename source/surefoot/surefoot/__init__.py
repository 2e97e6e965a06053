"""Legged-locomotion policies with evidence, on Isaac Lab and MuJoCo."""

import os

__version__ = "0.1.0"

# OpenMP threads that spin while they wait starve the physics threads: a PPO update took 9.8 s
# instead of 0.8 s (docs/performance.md). Read once, when torch is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# RSL-RL imports GitPython, which without a git executable refuses to be imported unless told otherwise.
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
