"""Whether training can go on from a checkpoint, found out without an environment."""

from typing import Any

import torch
from torch import nn

from surefoot.errors import CheckpointError
from surefoot.manifest import Manifest
from surefoot.manifest.base import LARGEST
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
    # torch's own check is about the number of parameters alone.
    _check_groups(state["param_groups"], optimizer.state_dict()["param_groups"])
    if unknown := set(state) - {"state", "param_groups"} or set(state["state"]) - set(range(len(parameters))):
        raise ValueError(f"unknown entries {sorted(map(str, unknown))[:3]}")
    for number, moments in state["state"].items():
        _check_moments(number, moments, parameters[number])
    optimizer.load_state_dict(state)


def _check_groups(groups: Any, fresh: list[dict[str, Any]]) -> None:
    """Refuse settings that Adam does not have, or of another type or size than Adam's own."""
    (group,), (own,) = groups, fresh
    if not isinstance(rate := group["lr"], float):
        raise TypeError(f"expected a number as learning rate, got {rate!r:.80}")
    if list(group["params"]) != own["params"]:
        raise ValueError(f"expected {len(own['params'])} parameters by number")
    for name, value in group.items():
        if name in ("params", "initial_lr"):
            continue
        if name not in own:
            raise ValueError(f"unknown setting {name!r:.60}")
        numbers = value if name == "betas" and len(value) == 2 else (value,)
        if isinstance(own[name], float | tuple):
            most = 1.0 if name == "betas" else LARGEST
            if not all(isinstance(one, float | int) and 0 <= one <= most for one in numbers):
                raise ValueError(f"{name}: expected numbers from 0 to {most:g}, got {value!r:.60}")
        elif value is not own[name]:
            raise ValueError(f"{name}: expected {own[name]}, got {value!r:.60}")


def _check_moments(number: int, moments: Any, parameter: nn.Parameter) -> None:
    if not moments:
        return
    if unknown := set(moments) - {"step", "exp_avg", "exp_avg_sq"}:
        raise ValueError(f"unknown moments {sorted(map(str, unknown))[:3]} of parameter {number}")
    for name, shape in (("step", torch.Size()), ("exp_avg", parameter.shape), ("exp_avg_sq", parameter.shape)):
        value = moments[name]
        if not isinstance(value, torch.Tensor) or value.dtype != torch.float32:
            got = str(value.dtype) if isinstance(value, torch.Tensor) else type(value).__name__
            raise TypeError(f"{name} of parameter {number}: expected numbers of single precision, got {got}")
        if value.shape != shape:
            raise ValueError(f"{name} of parameter {number}: expected shape {tuple(shape)}, got {tuple(value.shape)}")
        if not bool(torch.isfinite(value).all()) or (name != "exp_avg" and bool((value < 0).any())):
            raise ValueError(f"{name} of parameter {number}: holds numbers that are not finite, or negative")


def _try(checkpoint: Checkpoint, key: str, load: Any) -> None:
    try:
        load()
    except Exception as error:  # torch raises many types for one cause: this is not what it saved
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise CheckpointError(f"{checkpoint.path}: cannot be resumed from: {key} is damaged ({reason})") from None
