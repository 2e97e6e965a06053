"""One simulation at a time in a process, each on a stage of its own."""

import contextlib
from collections.abc import Iterator

from surefoot.errors import EngineError


@contextlib.contextmanager
def new_simulation(version: str) -> Iterator[None]:
    """Around the construction of an environment batch; one that fails leaves room for the next.

    Raises:
        EngineError: Another batch is there.
    """
    import isaaclab.sim as sim_utils

    if sim_utils.SimulationContext.instance() is not None:
        raise EngineError(
            "Isaac Lab simulates one batch of environments at a time in a process, and one is there. Close it first "
            "(env.close()), or use another process."
        )
    if version == "2.3":
        sim_utils.create_new_stage()  # 3.0 begins with one
    try:
        yield
    except BaseException:
        if sim_utils.SimulationContext.instance() is not None:
            sim_utils.SimulationContext.clear_instance()
        raise
