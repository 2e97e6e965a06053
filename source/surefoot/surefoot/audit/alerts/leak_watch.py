"""The leak detector on an engine's observations: columns, noise and fields come from the manifest and RobotState."""

import math
from typing import Any

import torch
from torch import Tensor

from surefoot.audit.accounts.metrics import Flush
from surefoot.audit.alerts.leak import Leak, LeakDetector
from surefoot.manifest.manifest import Manifest
from surefoot.mdp.fields import FIELDS, Field
from surefoot.mdp.observation_layout import is_informative, num_rays, observation_layout
from surefoot.mdp.robot_state import RobotState


class LeakWatch:
    """Compares the actor's observations with every field that no robot measures, `allow_privileged` left out.

    Args:
        manifest: Layout and noise of the actor's observations; thresholds.
        device: Of the observations.
    """

    def __init__(self, manifest: Manifest, device: str | torch.device) -> None:
        group = manifest.task.observations.actor
        known = [f for f in FIELDS.values() if is_informative(f, manifest)]
        self._hidden = [f for f in known if not f.on_hardware and f.name not in group.allow_privileged]
        self._measurable = [f for f in known if f.on_hardware or f.name in group.allow_privileged]
        names: list[str] = []
        noise: list[float] = []
        for block in observation_layout(manifest, "actor"):
            width = block.stop - block.start
            amplitude = group.terms[block.name].noise if group.noise else 0.0
            names += [f"{block.name}[{index}]" for index in range(width)]
            noise += [amplitude / math.sqrt(3)] * width  # standard deviation of uniform noise
        hidden = [
            f"{f.name}[{index}]" for f in self._hidden for index in range(f.size(manifest.robot, num_rays(manifest)))
        ]
        config = manifest.audit.diagnostics.leak
        self._detector = LeakDetector(names, hidden, config, device, torch.tensor(noise))

    def observe(self, actor: Tensor, state: RobotState) -> None:
        """Look at the observations of one instant, once per iteration.

        Args:
            actor: What the policy is given, noise included, not normalised. Shape (num_envs, num_obs).
            state: Of the same instant.
        """
        self._detector.observe(actor, _matrix(state, self._hidden), _matrix(state, self._measurable))

    def found(self) -> list[Leak]:
        """See `LeakDetector.found`."""
        return self._detector.found()

    def metrics(self) -> Flush:
        """See `LeakDetector.metrics`."""
        return self._detector.metrics()

    def state_dict(self) -> dict[str, Any]:
        """See `LeakDetector.state_dict`."""
        return self._detector.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        self._detector.load_state_dict(state)


def _matrix(state: RobotState, fields: list[Field]) -> Tensor:
    """All fields side by side. Shape (num_envs, columns)."""
    return torch.cat([state.read(f.name).flatten(1) if f.shape else state.read(f.name).unsqueeze(1) for f in fields], 1)
