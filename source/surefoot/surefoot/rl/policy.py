"""A trained actor without an environment: for evaluation, playing and export."""

from collections.abc import Callable

import torch
from rsl_rl.models import MLPModel
from rsl_rl.utils import resolve_callable
from tensordict import TensorDict
from torch import Tensor

from surefoot.errors import CheckpointError
from surefoot.manifest.manifest import Manifest
from surefoot.mdp.layout import observation_size
from surefoot.rl.checkpoint import Checkpoint
from surefoot.rl.config import runner_config

Policy = Callable[[Tensor], Tensor]
"""Actor observation, shape (num_envs, num_obs), to action, shape (num_envs, num_actions)."""


def build_actor(manifest: Manifest, device: str = "cpu") -> MLPModel:
    """RSL-RL's actor of a manifest, with fresh weights."""
    config = runner_config(manifest)
    actor = config["actor"]
    model_class = resolve_callable(actor.pop("class_name"))
    sizes = TensorDict({"actor": torch.zeros(1, observation_size(manifest, "actor"))}, batch_size=[1])
    model: MLPModel = model_class(sizes, config["obs_groups"], "actor", len(manifest.robot.joints), **actor)
    return model.to(device)


def load_actor(checkpoint: Checkpoint, manifest: Manifest, device: str = "cpu") -> MLPModel:
    """RSL-RL's actor with a checkpoint's weights and observation normaliser, in evaluation mode.

    Args:
        checkpoint: Read by `surefoot.rl.checkpoint.load`.
        manifest: The task it is used on; `check_fits` says whether it can be.
        device: `cpu` or `cuda:N`.

    Raises:
        CheckpointError: The weights are not those of the manifest's network, or not finite.
    """
    state: dict[str, Tensor] = checkpoint.content["actor_state_dict"]
    broken = [name for name, value in state.items() if not torch.isfinite(value).all()]
    if broken:
        raise CheckpointError(
            f"{checkpoint.path}: not finite: {', '.join(broken[:3])}. Training diverged; use an earlier checkpoint."
        )
    model = build_actor(manifest, device)
    try:
        model.load_state_dict(state, strict=True)
    except RuntimeError as error:
        reason = " ".join(line.strip() for line in str(error).splitlines()[1:3])
        raise CheckpointError(f"{checkpoint.path}: the weights do not fit task {manifest.name!r}: {reason}") from None
    return model.eval().requires_grad_(False)


def load_policy(checkpoint: Checkpoint, manifest: Manifest, device: str = "cpu") -> Policy:
    """The deterministic policy, the mean of the action distribution, as a function; see `load_actor`."""
    model = load_actor(checkpoint, manifest, device)

    def policy(actor_obs: Tensor) -> Tensor:
        with torch.no_grad():
            return model(TensorDict({"actor": actor_obs}, batch_size=[actor_obs.shape[0]]))

    return policy
