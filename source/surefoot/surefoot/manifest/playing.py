"""The manifest to watch a policy with, as Isaac Lab's users know it from `play`."""

from surefoot.manifest.manifest import Manifest
from surefoot.manifest.validate import validate

MOST_ENVS = 50
"""Environments at most; Isaac Lab's number."""


def playing(manifest: Manifest) -> Manifest:
    """Without pushes, observation noise and scattered episode starts, and with 50 environments at most.

    Factors, resets and the ground stay: they belong to the task. On generated ground the level of each episode is
    drawn, so that all of it is seen.
    """
    plain = manifest.to_plain()
    for group in ("actor", "critic"):
        plain["task"]["observations"][group]["noise"] = False
    plain["randomization"]["push"] |= {"lin_vel_xy": 0.0, "ang_vel_z": 0.0}
    plain["task"]["resets"]["randomize_episode_start"] = False
    plain["training"]["num_envs"] = min(manifest.training.num_envs, MOST_ENVS)
    if plain["task"]["terrain"]["generator"] is not None:
        plain["task"]["terrain"]["generator"]["curriculum"] = None
    batch = plain["training"]["num_envs"] * manifest.ppo.num_steps_per_env
    plain["ppo"]["num_mini_batches"] = min(manifest.ppo.num_mini_batches, batch)
    return validate(plain, "the manifest for playing")
