"""Named random streams: one generator each, so that drawing from one never shifts another."""

import hashlib

import torch


def stream_seed(seed: int, name: str) -> int:
    """63-bit seed of a stream, from SHA-256 of the run's seed and the stream's name."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


class Streams:
    """Generators by name, created on first use."""

    def __init__(self, seed: int, device: str) -> None:
        self.seed = seed
        self.device = device
        self._generators: dict[str, torch.Generator] = {}

    def __getitem__(self, name: str) -> torch.Generator:
        if name not in self._generators:
            generator = torch.Generator(device=self.device)
            generator.manual_seed(stream_seed(self.seed, name))
            self._generators[name] = generator
        return self._generators[name]

    def uniform(self, name: str, shape: tuple[int, ...], low: float, high: float) -> torch.Tensor:
        """Uniform draws in [low, high) from a stream."""
        return torch.rand(shape, generator=self[name], device=self.device) * (high - low) + low

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Generator states by stream name."""
        return {name: generator.get_state() for name, generator in self._generators.items()}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Continue where `state_dict` was taken; streams that were not in use then start anew."""
        self._generators.clear()
        for name, value in state.items():
            self[name].set_state(value.cpu())
