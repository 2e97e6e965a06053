"""Where environments are simulated."""

from dataclasses import dataclass


# At the top, not in `engines`: that package imports torch, and a trainer's plan and a waiting worker do without it.
@dataclass(frozen=True)
class Machine:
    """An engine, and what it may use of the computer."""

    engine: str = "mujoco"
    """Name of an engine; `isaaclab:BACKEND` also chooses the physics."""
    device: str = "cpu"
    """`cpu` or `cuda:N`."""
    threads: int = 0
    """Physics threads on a CPU; 0 means all cores."""
