"""A trained actor without an environment: for evaluation, playing and export."""

from collections.abc import Callable
from typing import Literal

import torch
from rsl_rl.models import MLPModel
from rsl_rl.utils import resolve_callable
from tensordict import TensorDict
from torch import Tensor

from surefoot.errors import CheckpointError
from surefoot.manifest.manifest import Manifest
from surefoot.mdp.observation_layout import observation_size
from surefoot.rl.config import runner_config
from surefoot.runs.checkpoint import Checkpoint

Network = Literal["actor", "critic"]
Policy = Callable[[Tensor], Tensor]
"""Actor observation, shape (num_envs, num_obs), to action, shape (num_envs, num_actions)."""


def build_network(manifest: Manifest, which: Network, device: str = "cpu") -> MLPModel:
    """RSL-RL's actor or critic of a manifest, with fresh weights."""
    config = runner_config(manifest)
    network = config[which]
    model_class = resolve_callable(network.pop("class_name"))
    sizes = TensorDict({which: torch.zeros(1, observation_size(manifest, which))}, batch_size=[1])
    outputs = len(manifest.robot.joints) if which == "actor" else 1
    model: MLPModel = model_class(sizes, config["obs_groups"], which, outputs, **network)
    return model.to(device)


def load_actor(checkpoint: Checkpoint, manifest: Manifest, device: str = "cpu") -> MLPModel:
    """RSL-RL's actor with a checkpoint's weights and observation normaliser, in evaluation mode.

    Args:
        checkpoint: Read by `surefoot.runs.checkpoint.load`.
        manifest: The task it is used on; `check_fits` says whether it can be.
        device: `cpu` or `cuda:N`.

    Raises:
        CheckpointError: The weights are not those of the manifest's network, or not finite.
    """
    return load_network(checkpoint, manifest, "actor", device).eval().requires_grad_(False)


def load_network(checkpoint: Checkpoint, manifest: Manifest, which: Network, device: str = "cpu") -> MLPModel:
    """RSL-RL's actor or critic with a checkpoint's weights and observation normaliser, to be trained on.

    Raises:
        CheckpointError: The weights are not those of the manifest's network, or not finite.
    """
    state: dict[str, Tensor] = checkpoint.content[f"{which}_state_dict"]
    broken = [name for name, value in state.items() if not torch.isfinite(value).all()]
    if broken:
        raise CheckpointError(
            f"{checkpoint.path}: not finite: {', '.join(broken[:3])}. Training diverged; use an earlier checkpoint."
        )
    model = build_network(manifest, which, device)
    try:
        model.load_state_dict(state, strict=True)
    except RuntimeError as error:
        reason = " ".join(line.strip() for line in str(error).splitlines()[1:3])
        if (extension := checkpoint.manifest.extension) is not None:
            reason += f" Python code had added to the task: {extension.summary}; it needs that to run."
        raise CheckpointError(
            f"{checkpoint.path}: the weights of the {which} do not fit task {manifest.name!r}: {reason}"
        ) from None
    return model


def load_policy(checkpoint: Checkpoint, manifest: Manifest, device: str = "cpu") -> Policy:
    """The deterministic policy, the mean of the action distribution, as a function; see `load_actor`."""
    model = load_actor(checkpoint, manifest, device)

    def policy(actor_obs: Tensor) -> Tensor:
        with torch.no_grad():
            return model(TensorDict({"actor": actor_obs}, batch_size=[actor_obs.shape[0]]))

    return policy
