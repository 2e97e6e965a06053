"""Observations: every column against its field, computed again, and its noise against what is declared."""

from collections.abc import Mapping
from typing import Any, get_args

import torch
from torch import Tensor

from surefoot.audit.alerts.alerts import Finding
from surefoot.audit.second_look.draws import MAX_Z, UniformDraws
from surefoot.audit.second_look.look import PATIENCE, TOLERANCE, Look, few, raise_to
from surefoot.audit.second_look.task_again import ColumnsAgain
from surefoot.mdp.observation_layout import GroupName

SLACK_OF_NOISE = 1e-3


class ObservationsLook(Look):
    """Columns of all groups."""

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self._columns = {name: ColumnsAgain(self._manifest, name, self._state) for name in get_args(GroupName)}
        self._noise_before: dict[str, Tensor] = {}
        for name, group in self._columns.items():
            self.shapes |= {f"{name}/{what}": (len(group.names),) for what in ("off", "least", "most", "lag")}
            noisy = group.known & (group.amplitude > 0)
            columns = [column for column, counts in zip(group.names, noisy.tolist(), strict=True) if counts]
            high = group.amplitude[noisy].tolist()
            self.draws[f"noise/{name}"] = UniformDraws(columns, [-value for value in high], high, self._device)

    def begin_window(self) -> None:
        for name in self._columns:
            self.sums[f"{name}/most"].fill_(-torch.inf)
            self.sums[f"{name}/least"].fill_(-torch.inf)

    def look(self, observations: Mapping[str, Tensor]) -> None:
        """At the last step of an iteration."""
        for name, group in self._columns.items():
            self._look_at(name, group, observations[name])

    def _look_at(self, name: str, group: ColumnsAgain, given: Tensor) -> None:
        sums, clean = self.sums, group.values()
        valid = torch.isfinite(given).all(dim=1)
        difference = torch.where(group.known, given - clean, 0.0).nan_to_num()
        level = self._env.buckets.values.get("noise_level")
        noisy = group.amplitude > 0
        size = difference.abs() if level is None else difference.abs() / level.clamp(min=1e-3).unsqueeze(1)
        scale = torch.where(noisy, group.amplitude, clean.abs().amax(dim=0).clamp(min=1e-2))
        # Noise has a range: what is farther from the field than its amplitude is no noise.
        allowed = torch.where(noisy, 1.0 + SLACK_OF_NOISE, TOLERANCE)
        if "sensor_bias" in self._env.buckets.values:
            allowed = torch.where(noisy, 2.0 + SLACK_OF_NOISE, allowed)
        over = torch.where(valid.unsqueeze(1), size / scale - allowed, 0.0).clamp(min=0).amax(dim=0)
        raise_to(sums[f"{name}/off"], over)
        raise_to(sums[f"{name}/most"], torch.where(valid.unsqueeze(1), given, -torch.inf).amax(dim=0))
        raise_to(sums[f"{name}/least"], torch.where(valid.unsqueeze(1), -given, -torch.inf).amax(dim=0))
        # A bias that lasts for an episode, or a clip, leaves noise without a distribution that could be judged.
        if "sensor_bias" in self._env.buckets.values or group.clipped:
            return
        noise = (difference if level is None else difference / level.clamp(min=1e-3).unsqueeze(1))[
            :, noisy & group.known
        ]
        self.draws[f"noise/{name}"].add(noise, valid)
        unit = noise * (3**0.5 / group.amplitude[noisy & group.known])
        if (before := self._noise_before.get(name)) is not None:
            sums[f"{name}/lag"][noisy & group.known] += (unit * before).sum(dim=0).double()
        self._noise_before[name] = unit.clone()

    def silent(self) -> dict[str, str]:
        """Kinds that have not been judged, and why."""
        found: dict[str, str] = {}
        bias = "sensor_bias" in self._env.buckets.values
        if bias or not any(bool((g.amplitude > 0).any()) for g in self._columns.values()):
            found["observation_noise"] = "sensor_bias hides its distribution" if bias else "no noise is declared"
        unknown = [
            name for g in self._columns.values() for name, ok in zip(g.names, g.known.tolist(), strict=True) if not ok
        ]
        if unknown:
            found["observation_value"] = f"delayed or earlier than the present step: {', '.join(unknown)}"
        return found

    def findings(self, sums: dict[str, Tensor], looks: int) -> list[Finding]:
        found: list[Finding] = []
        for name, group in self._columns.items():
            off, lag = sums[f"{name}/off"].tolist(), sums[f"{name}/lag"].tolist()
            most, least = sums[f"{name}/most"].tolist(), sums[f"{name}/least"].tolist()
            amplitude, known = group.amplitude.tolist(), group.known.tolist()
            pairs = max(looks - 1, 1) * self._env.num_envs
            for index, column in enumerate(group.names):
                if off[index] > 0:
                    noise = f", beyond its noise of {amplitude[index]:g}" if amplitude[index] > 0 else ""
                    text = f"differs from its field, computed again, by {off[index]:.2g} of its size{noise}"
                    found.append(Finding("observation_value", column, text))
                elif known[index] and abs(lag[index]) > MAX_Z * pairs**0.5 and looks > PATIENCE:
                    text = f"noise goes on from look to look: correlation {lag[index] / pairs:.2f}"
                    found.append(Finding("observation_noise", column, text))
                if looks >= 5 and most[index] == -least[index]:
                    text = f"is {most[index]:g} in all environments and {looks} looks"
                    found.append(Finding("dead_observation", column, text))
        return few(found)
