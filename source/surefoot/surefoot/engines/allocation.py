"""Memory that runs out while environments are built: one line instead of the allocator's traceback."""

from collections.abc import Iterator
from contextlib import contextmanager

from surefoot.errors import EngineError, is_out_of_memory


@contextmanager
def refusing_too_many(num_envs: int) -> Iterator[None]:
    """Turn a failed allocation into an `EngineError` that says what to change.

    Args:
        num_envs: Environments that are built inside.
    """
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        if not is_out_of_memory(error):
            raise
        raise EngineError(
            f"training.num_envs: {num_envs} environments do not fit into the memory ({reason[:160]}). "
            "Train fewer: --num_envs N."
        ) from error
