"""A policy under every cell of a panel, all cells and replicates in one batch."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from surefoot.engines.base import EngineEnv
from surefoot.errors import SurefootError
from surefoot.evaluation.episodes import EpisodeRecorder, Episodes
from surefoot.evaluation.panel import Panel
from surefoot.mdp.robot_state import max_episode_steps
from surefoot.torch_threads import beside_physics

_CHECK_EVERY = 50
"""Control steps between looks at whether any robot is still in its episode: each look waits for the device."""


@dataclass(frozen=True)
class PanelResult:
    """What a policy did under a panel."""

    panel: Panel
    episodes: Episodes
    """Shape (cells, replicates), in the order of `panel.cells`."""
    causes: tuple[str, ...]
    """Terminations of the task, which `episodes.cause` counts through."""
    buckets: tuple[str, ...] = ("all",)
    """Labels of the randomisation buckets, which `episodes.bucket` counts through."""


@torch.no_grad()
def run_cells(env: EngineEnv, policy: Callable[[Tensor], Tensor], panel: Panel) -> PanelResult:
    """Run one episode for each cell and replicate and measure it until it ends.

    Args:
        env: Built by `build_env`.
        policy: Actor observation, shape (num_envs, num_obs), to action, shape (num_envs, num_actions).
        panel: What the environments were built for.

    Raises:
        SurefootError: The environment has another size, or its own time-out would cut the measurement.
    """
    steps = round(panel.duration / env.manifest.simulation.step_dt)
    if env.num_envs != panel.num_envs:
        raise SurefootError(f"Expected {panel.num_envs} environments for panel {panel.name}, got {env.num_envs}.")
    if max_episode_steps(env.manifest) <= steps:
        raise SurefootError(
            f"Episodes time out after {env.manifest.task.episode_length} s; panel {panel.name} measures "
            f"{panel.duration} s. Build the environment with build_env()."
        )
    with beside_physics(env.device):
        env.reset()
        # After the reset, which draws the masses and buckets that the recorder keeps.
        recorder = EpisodeRecorder(env, panel)
        actor_obs = env.get_observations()["actor"]
        for step in range(steps):
            command = env.robot_state.read("command").clone()  # the step's end may bring the next one
            action = policy(actor_obs)
            result = env.step(action)
            recorder.step(command, result, ~torch.isfinite(action).all(dim=1))
            actor_obs = result.observations["actor"]
            if (step + 1) % _CHECK_EVERY == 0 and not recorder.running.any():
                break
    episodes = recorder.finish(steps).reshape(len(panel.cells), panel.replicates)
    return PanelResult(panel, episodes, tuple(env.manifest.task.terminations), env.buckets.labels)
