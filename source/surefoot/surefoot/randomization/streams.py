"""Keyed random numbers: a draw depends on what it is for, not on what was drawn before it.

Each stream (a purpose: "resets", "commands", "noise/actor" ...) has its own key, from SHA-256 of the run's seed and the
stream's name. Under that key a draw is Philox4x32-10 of a counter of four 32-bit words:

    word  what it is
    0     environment: first_env + local id, the same in whatever process the environment lives; in the evaluation of a
          panel a number that follows from the cell's conditions and the replicate
    1     episode: number of the environment's episode; 0 for draws that are made once, before the first episode
    2     tick: number of the draw within the episode (the caller's: draws so far, or the control step)
    3     block: four numbers each, so that numbers 0 to 3 of a draw come from block 0, 4 to 7 from block 1 ...

So the order of resets, the number of environments, of processes and the device change nothing, and asking for more
numbers does not change the first ones. A stream that uses a counter twice gets the same numbers twice.
"""

import hashlib

import torch
from torch import Tensor

from surefoot.errors import SurefootError
from surefoot.randomization.philox import Philox, unit_floats


def stream_key(seed: int, stream: str) -> tuple[int, int]:
    """Philox key of a stream: the first two 32-bit words of SHA-256 of "seed/stream", each read little-endian."""
    digest = hashlib.sha256(f"{seed}/{stream}".encode()).digest()
    return int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:8], "little")


class Streams:
    """Draws for a batch of environments.

    Args:
        seed: Of the run.
        num_envs: Environments in this process.
        device: Where they live.
        first_env: Number of this process's first environment among those of all processes.
        purpose: Put before the name of every stream: an evaluation with the seed of a training draws other numbers.
        keys: Numbers of the environments in place of first_env + local id, 0 to 2**32 - 1. Shape (num_envs,), int64.
    """

    def __init__(
        self,
        seed: int,
        num_envs: int,
        device: str,
        first_env: int = 0,
        purpose: str = "",
        keys: Tensor | None = None,
    ) -> None:
        if first_env < 0 or first_env + num_envs > 2**32:
            raise SurefootError(
                f"Environments {first_env} to {first_env + num_envs - 1} cannot be numbered: expected 0 to 2**32 - 1."
            )
        self.seed = seed
        self._purpose = purpose
        self.num_envs = num_envs
        self.device = device
        self.episode = torch.zeros(num_envs, dtype=torch.int64, device=device)
        """Number of each environment's running episode, from 1; 0 before the first. Shape (num_envs,)."""
        self._env = torch.arange(first_env, first_env + num_envs, dtype=torch.int64, device=device)
        if keys is not None:
            self._env = keys.to(device)
        self._never = torch.zeros(1, dtype=torch.int64, device=device)
        self._philox: dict[str, Philox] = {}
        self._blocks: dict[int, Tensor] = {}

    def begin_episode(self, env_ids: Tensor) -> None:
        """Number the next episode of some environments, each named once; every later draw belongs to it."""
        self.episode[env_ids] += 1

    def skip_to(self, episode: torch.Tensor | None) -> None:
        """Let the next episodes be new ones after those of a run whose environments could not be restored.

        Args:
            episode: `episode` of that run. With another number of environments all go on after the largest.
        """
        if episode is not None and len(episode) > 0:
            fits = len(episode) == self.num_envs
            self.episode.copy_(episode if fits else episode.max().expand(self.num_envs))

    def uniform(
        self,
        stream: str,
        env_ids: Tensor | None,
        count: int,
        low: float | Tensor = 0.0,
        high: float | Tensor = 1.0,
        *,
        tick: Tensor | int = 0,
        per_episode: bool = True,
    ) -> Tensor:
        """Uniform draws in [low, high); rounding of the scaled number may give `high` itself, never more.

        Args:
            stream: Name of the purpose.
            env_ids: Local ids, in any order; None for all. Shape (n,).
            count: Numbers per environment.
            low: Lower bound, one or one per number. Shape () or (count,).
            high: Upper bound, likewise.
            tick: Number of this draw within the episode, from 0; one or one per environment. Shape () or (n,).
            per_episode: False: the draw belongs to the environment, not to its episode.

        Returns:
            Float32. Shape (n, count).
        """
        env, episode = self._env, self.episode if per_episode else self._never
        if env_ids is not None:
            env = env[env_ids]
            episode = episode[env_ids] if per_episode else episode
        if not isinstance(tick, Tensor):
            tick = torch.full((1,), tick, dtype=torch.int64, device=self.device)
        counter = (env.unsqueeze(1), episode.unsqueeze(1), tick.unsqueeze(1), self._block_numbers(-(-count // 4)))
        unit = unit_floats(self._generator(stream)(counter))[:, :count]
        # Multiplication and addition stay apart: fused they would round differently, and not on every device.
        return unit.mul_(high - low).add_(low)

    def state_dict(self) -> dict[str, Tensor]:
        """The running episodes; there is no other state."""
        return {"episode": self.episode.clone()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continue where `state_dict` was taken."""
        self.episode.copy_(state["episode"])

    def _generator(self, stream: str) -> Philox:
        if stream not in self._philox:
            self._philox[stream] = Philox(stream_key(self.seed, self._purpose + stream), self.device)
        return self._philox[stream]

    def _block_numbers(self, blocks: int) -> Tensor:
        """Shape (1, blocks)."""
        if blocks not in self._blocks:
            self._blocks[blocks] = torch.arange(blocks, dtype=torch.int64, device=self.device).unsqueeze(0)
        return self._blocks[blocks]
