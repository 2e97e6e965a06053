"""How many threads torch may use, for a while."""

from collections.abc import Generator
from contextlib import contextmanager

import torch


@contextmanager
def torch_threads(count: int) -> Generator[None]:
    """Let torch's CPU operations use `count` threads; afterwards as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def beside_physics(device: str) -> Generator[None]:
    """One thread where the physics' thread pool has the cores: torch's fight it (docs/performance.md)."""
    with torch_threads(1 if device == "cpu" else torch.get_num_threads()):
        yield
