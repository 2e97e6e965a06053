"""Environments with factors of a test's choice in place of the shipped ones."""

from typing import Any

from cases import small_env
from surefoot.engines.mujoco.env import MujocoEnv

MODEL = {
    "friction": (0.4, 1.2), "payload_mass": (0.0, 2.0), "payload_x": (-0.1, 0.1), "payload_y": (-0.05, 0.05),
    "payload_z": (0.0, 0.1), "com_shift_x": (-0.03, 0.03), "com_shift_y": (-0.03, 0.03), "com_shift_z": (-0.03, 0.03),
    "link_mass": (0.8, 1.2), "motor_strength": (0.5, 1.2), "stiffness": (0.8, 1.2), "damping": (0.5, 1.5),
    "joint_friction": (0.0, 0.3), "armature": (0.5, 1.5),
}  # fmt: skip
"""Every factor that is a number of the model, with a range that a robot may have."""
OUTSIDE = {"control_delay": (0, 8), "observation_delay": (0, 3), "noise_level": (0.5, 1.5), "push_strength": (0.0, 2.0)}
"""The others."""


def only(factors: dict[str, tuple[float, ...]], mode: str = "startup", bucket_by: tuple[str, ...] = ()) -> list[str]:
    """Manifest overrides that leave these factors and no others."""
    shipped = ["~randomization.factors.friction", "~randomization.factors.payload_mass"]
    new = [f"+randomization.factors.{name}={{edges: {list(edges)}, mode: {mode}}}" for name, edges in factors.items()]
    return [*shipped, *new, f"randomization.bucket_by=[{','.join(bucket_by)}]"]


def env_with(
    num_envs: int, factors: dict[str, tuple[float, ...]], *overrides: str, mode: str = "startup", **kwargs: Any
) -> MujocoEnv:
    return small_env(num_envs, *only(factors, mode), *overrides, **kwargs)
