"""Terms of the manifest, bound to RobotState once more: what rewards, ends and observations should have been."""

from typing import Any

import torch
from torch import Tensor

from surefoot.manifest.manifest import Manifest
from surefoot.mdp.fields import reads_sensor
from surefoot.mdp.observation_layout import GroupName, observation_layout
from surefoot.mdp.robot_state import RobotState
from surefoot.mdp.term_check import bind_term


class TaskAgain:
    """The task's terms without the engine's managers.

    Args:
        manifest: The experiment.
        state: What the terms read.
    """

    def __init__(self, manifest: Manifest, state: RobotState) -> None:
        task = manifest.task
        self._manifest, self._state = manifest, state
        self._rewards = [bind_term("reward", term.func, term.params, name) for name, term in task.rewards.items()]
        self._ends = [bind_term("termination", t.func, t.params, name) for name, t in task.terminations.items()]
        self._weights = torch.tensor([term.weight for term in task.rewards.values()], device=state.device)
        self._ramped = torch.tensor([term.ramp for term in task.rewards.values()], device=state.device)

    def _values(self, bindings: list[Any]) -> Tensor:
        read = self._state.read
        values = [b.func(**{name: read(name) for name in b.reads}, **b.params) for b in bindings]
        return torch.stack(values, dim=1)

    def rates(self, samples: int) -> Tensor:
        """weight * term, per second, after `samples` environment steps. Shape (N, T)."""
        curriculum = self._manifest.task.curriculum
        total, start = curriculum.penalty_ramp_samples, curriculum.penalty_ramp_start
        factor = start + (1 - start) * (1.0 if total == 0 else min(1.0, samples / total))
        return self._values(self._rewards) * torch.where(self._ramped, self._weights * factor, self._weights)

    def causes(self) -> Tensor:
        """Terminations that hold. Shape (N, C), bool."""
        return self._values(self._ends).bool()


class ColumnsAgain:
    """One observation group without noise, as far as it can be computed from one instant.

    Attributes:
        names: One for each column.
        known: Columns that can be compared; not those of delayed terms, nor earlier steps of stacked ones.
        amplitude: Declared half-width of the noise, after the scale; 0 without. Shape (columns,).
    """

    def __init__(self, manifest: Manifest, group_name: GroupName, state: RobotState) -> None:
        group = getattr(manifest.task.observations, group_name)
        self._state, self._terms = state, []
        late = group_name == "actor" and "observation_delay" in manifest.randomization.factors
        names: list[str] = []
        known: list[bool] = []
        amplitude: list[float] = []
        for block in observation_layout(manifest, group_name):
            term = group.terms[block.name]
            binding = bind_term("observation", term.func, term.params, block.name)
            self._terms.append((binding, term, block))
            now = not (late and reads_sensor(binding.reads)) and term.delay_steps[1] == 0
            width = block.stop - block.start
            names += [f"{group_name}/{block.name}[{index % block.size}]" for index in range(width)]
            known += [now and index >= width - block.size for index in range(width)]
            amplitude += [term.noise * term.scale if group.noise else 0.0] * width
        self.names = tuple(names)
        self.known = torch.tensor(known, device=state.device)
        self.amplitude = torch.tensor(amplitude, device=state.device)
        self.clipped = any(term.clip is not None and term.noise > 0 for _, term, _ in self._terms)

    def values(self) -> Tensor:
        """The whole vector, each step of a stacked term being the present one. Shape (N, columns)."""
        read, out = self._state.read, []
        for binding, term, block in self._terms:
            value = binding.func(**{name: read(name) for name in binding.reads}, **binding.params).float()
            if term.clip is not None:
                value = value.clamp(*term.clip)
            out.append((value * term.scale).repeat(1, block.history))
        return torch.cat(out, dim=1)
