"""A policy walks the command grid, all commands and replicates in one batch."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from surefoot.engines.base import EngineEnv
from surefoot.errors import SurefootError
from surefoot.evaluation.command_grid import CommandGrid
from surefoot.evaluation.episodes import EpisodeRecorder, Episodes
from surefoot.manifest.manifest import Manifest
from surefoot.manifest.validate import validate
from surefoot.mdp.robot_state import max_episode_steps
from surefoot.torch_threads import beside_physics

_CHECK_EVERY = 50
"""Control steps between looks at whether any robot is still in its episode: each look waits for the device."""


@dataclass(frozen=True)
class GridResult:
    """What a policy did on a grid."""

    grid: CommandGrid
    episodes: Episodes
    """Shape (num_commands, replicates), in the order of `grid.cells()`."""
    bucket_labels: tuple[str, ...]
    """Of the bucket ids in `episodes`."""


def grid_manifest(manifest: Manifest, grid: CommandGrid, seed: int) -> Manifest:
    """The manifest that a grid is run with: the task's own, but its time-out comes after the measurement ends.

    Args:
        manifest: The task.
        grid: Sets the duration.
        seed: Of every random draw in the evaluation.

    Raises:
        ManifestError: The seed is out of range.
    """
    task = manifest.task.model_copy(update={"episode_length": grid.duration + 1.0})
    changed = manifest.model_copy(update={"task": task, "seed": seed})
    return validate(changed.to_plain(), source="evaluation")


@torch.no_grad()
def evaluate_grid(env: EngineEnv, policy: Callable[[Tensor], Tensor], grid: CommandGrid) -> GridResult:
    """Run one episode for each command and replicate and measure it until it ends.

    Args:
        env: Built with `evaluation=True` and `grid_manifest`, with `grid.num_envs` environments.
        policy: Actor observation, shape (num_envs, num_obs), to action, shape (num_envs, num_actions).
        grid: What is commanded, and for how long.

    Raises:
        SurefootError: The environment has another size, or its own time-out would cut the measurement.
    """
    step_dt = env.manifest.simulation.step_dt
    steps = grid.steps(step_dt)
    if env.num_envs != grid.num_envs:
        raise SurefootError(f"Expected {grid.num_envs} environments for this grid, got {env.num_envs}.")
    if max_episode_steps(env.manifest) <= steps:
        raise SurefootError(
            f"Episodes time out after {env.manifest.task.episode_length} s; measuring {grid.duration} s needs longer "
            "ones. Build the environment with grid_manifest()."
        )
    with beside_physics(env.device):
        env.commands.hold(grid.env_commands().to(env.device))  # before the reset: the first observation shows it
        env.reset()
        recorder = EpisodeRecorder(env.total_mass(), env.buckets.ids, step_dt, grid.warm_up)
        actor_obs = env.get_observations()["actor"]
        for step in range(steps):
            action = policy(actor_obs)
            broken_action = ~torch.isfinite(action).all(dim=1)
            result = env.step(action)
            faulted = result.faults.any(dim=1) | broken_action
            recorder.step(env.robot_state, result.terminated, result.truncated, faulted)
            actor_obs = result.observations["actor"]
            if (step + 1) % _CHECK_EVERY == 0 and not recorder.running.any():
                break
    episodes = recorder.finish().reshape(grid.num_commands, grid.replicates)
    return GridResult(grid, episodes, env.buckets.labels)
