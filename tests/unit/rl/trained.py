"""What a training run would have written, from fresh networks."""

from pathlib import Path
from typing import Any

import torch

from surefoot.manifest import Manifest
from surefoot.rl.policy import build_network
from surefoot.runs import checkpoint


def checkpoint_content(manifest: Manifest) -> dict[str, Any]:
    """A checkpoint after 3 iterations, one optimiser step taken."""
    networks = {which: build_network(manifest, which) for which in ("actor", "critic")}
    parameters = [parameter for network in networks.values() for parameter in network.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-3)
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    return {
        **{f"{which}_state_dict": network.state_dict() for which, network in networks.items()},
        "optimizer_state_dict": optimizer.state_dict(),
        "iter": 3,
        "infos": {
            "format": checkpoint.FORMAT,
            "task": manifest.name,
            "manifest": manifest.canonical_json,
            "manifest_sha256": manifest.sha256,
            "rng": torch.get_rng_state(),
            "episodes": torch.arange(1, manifest.training.num_envs + 1),
            "samples": 3 * manifest.training.num_envs * manifest.ppo.num_steps_per_env,
        },
    }


def content_of(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def deeply_nested() -> str:
    """JSON that exceeds Python's recursion limit."""
    depth = 100_000
    text = "[" * depth + "]" * depth
    return text
