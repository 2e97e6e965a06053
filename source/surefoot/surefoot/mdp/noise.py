"""Noise of an observation group: all of its terms in one draw per control step."""

import torch
from torch import Tensor

from surefoot.manifest.manifest import Manifest
from surefoot.mdp.observation_layout import GroupName, observation_layout
from surefoot.randomization.streams import Streams


class ObservationNoise:
    """Uniform noise, each term within plus or minus its amplitude, keyed by the episode and its step.

    Args:
        manifest: Amplitudes, in the unit of each term.
        group_name: Names the stream.
        streams: Where it is drawn from.
    """

    def __init__(self, manifest: Manifest, group_name: GroupName, streams: Streams) -> None:
        group = getattr(manifest.task.observations, group_name)
        self.columns: dict[str, slice] = {}
        """Where the noise of each noisy term stands; terms without noise have no columns."""
        amplitudes: list[float] = []
        for block in observation_layout(manifest, group_name):
            amplitude = group.terms[block.name].noise
            if group.noise and amplitude > 0:
                self.columns[block.name] = slice(len(amplitudes), len(amplitudes) + block.size)
                amplitudes += [amplitude] * block.size
        self._stream = f"noise/{group_name}"
        self._streams = streams
        self._high = torch.tensor(amplitudes, device=streams.device)
        self._low = -self._high

    def draw(self, episode_step: Tensor) -> Tensor:
        """The noise of one control step; asked again, it is the same.

        Args:
            episode_step: Control steps since each environment's reset. Shape (num_envs,).

        Returns:
            Shape (num_envs, columns).
        """
        return self._streams.uniform(self._stream, None, len(self._high), self._low, self._high, tick=episode_step)

    def draw_bias(self) -> Tensor:
        """An offset that stays for the episode, within the same amplitudes. Shape (num_envs, columns)."""
        stream = self._stream.replace("noise", "bias", 1)
        return self._streams.uniform(stream, None, len(self._high), self._low, self._high)
