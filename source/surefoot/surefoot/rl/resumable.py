"""Whether training can go on from a checkpoint, found out without an environment."""

from typing import Any

import torch
from torch import nn

from surefoot.errors import CheckpointError
from surefoot.manifest import Manifest
from surefoot.rl.policy import load_network
from surefoot.runs.checkpoint import Checkpoint


def check_resumable(checkpoint: Checkpoint, manifest: Manifest) -> None:
    """Load weights, optimiser and random state on trial.

    Args:
        checkpoint: Read by `surefoot.runs.checkpoint.load`.
        manifest: The experiment that is to go on.

    Raises:
        CheckpointError: Something is absent, damaged or of another network.
    """
    content, infos = checkpoint.content, checkpoint.content["infos"]
    absent = [] if "optimizer_state_dict" in content else ["the optimiser's state (optimizer_state_dict)"]
    absent += [] if "rng" in infos else ["the state of the random generator (infos.rng)"]
    if absent:
        raise CheckpointError(f"{checkpoint.path}: cannot be resumed from: it lacks {' and '.join(absent)}")
    parameters = [
        *load_network(checkpoint, manifest, "actor").parameters(),
        *load_network(checkpoint, manifest, "critic").parameters(),
    ]
    _try(checkpoint, "optimizer_state_dict", lambda: _load_optimizer(parameters, content["optimizer_state_dict"]))
    _try(checkpoint, "infos.rng", lambda: torch.Generator().set_state(infos["rng"]))
    for key, kind in (("episodes", torch.int64), ("cuda_rng", torch.uint8)):  # either may be absent
        value = infos.get(key, torch.zeros(1, dtype=kind))
        if not isinstance(value, torch.Tensor) or value.dtype != kind or value.ndim != 1:
            raise CheckpointError(
                f"{checkpoint.path}: cannot be resumed from: infos.{key} is damaged (expected one row of {kind})"
            )


def _load_optimizer(parameters: list[nn.Parameter], state: Any) -> None:
    optimizer = torch.optim.Adam(parameters)
    optimizer.load_state_dict(state)
    if not isinstance(rate := optimizer.param_groups[0]["lr"], float):
        raise TypeError(f"expected a number as learning rate, got {rate!r:.80}")
    for number, parameter in enumerate(parameters):
        moments = optimizer.state[parameter]
        for name in ("exp_avg", "exp_avg_sq") if moments else ():
            if moments[name].shape != parameter.shape:
                shapes = f"{tuple(parameter.shape)}, got {tuple(moments[name].shape)}"
                raise ValueError(f"{name} of parameter {number}: expected shape {shapes}")


def _try(checkpoint: Checkpoint, key: str, load: Any) -> None:
    try:
        load()
    except Exception as error:  # torch raises many types for one cause: this is not what it saved
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise CheckpointError(f"{checkpoint.path}: cannot be resumed from: {key} is damaged ({reason})") from None
