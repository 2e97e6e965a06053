"""The registry of planted defects. A defect knows what it breaks and where, and nothing of what may find it.

Anybody's detectors can be run on it: `DEFECTS` by name, `plant` on a runner whose first iteration is still to come.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from surefoot.errors import unknown_name

if TYPE_CHECKING:
    from surefoot.rl.runner import TrainRunner

GO1_FLAT = "Surefoot-Velocity-Flat-Unitree-Go1-v0"
GO1_ROUGH = "Surefoot-Velocity-Rough-Unitree-Go1-v0"
G1_FLAT = "Surefoot-Velocity-Flat-Unitree-G1-v0"
KINDS = ("reward", "ends", "learner", "observations", "commands", "starts", "factors", "physics", "accounts")
SOURCES = {
    "RLMutation": "Tambon et al. 2023, Mutation testing of deep reinforcement learning based on real faults",
    "muPRL": "Thomas et al. 2025, muPRL: a mutation testing pipeline for deep RL based on real faults",
    "Nikanjam": "Nikanjam et al. 2022, Faults in deep reinforcement learning programs: a taxonomy "
    "and a detection approach",
    "Isaac Lab 664": "isaac-sim/IsaacLab issue 664: randomisation at startup is not executed",
    "Isaac Lab 676": "isaac-sim/IsaacLab issue 676: randomised joint parameters do not arrive",
    "field": "seen by practitioners of legged locomotion; issue 15 of this project",
}
"""Where a defect comes from."""

Plant = Callable[["TrainRunner"], None]


@dataclass(frozen=True)
class Defect:
    """One mistake."""

    name: str
    kind: str
    """From `KINDS`."""
    source: str
    """From `SOURCES`."""
    place: tuple[str, ...]
    """What a person must be pointed at: an alert is right where its subject or message has one of these words."""
    meaning: str
    """What is wrong, in one sentence."""
    plant: Plant
    overrides: tuple[str, ...] = ()
    """Of the manifest, where the mistake stands in it or needs something that the task lacks."""
    task: str = GO1_FLAT


DEFECTS: dict[str, Defect] = {}
"""All defects that the imported modules define, by name; `surefoot.defects.bench` imports them all."""


def defect(
    kind: str,
    place: str | tuple[str, ...],
    source: str = "field",
    overrides: tuple[str, ...] = (),
    task: str = GO1_FLAT,
) -> Callable[[Plant], Plant]:
    """Register the decorated function, whose name is the defect's and whose docstring is its meaning."""
    if kind not in KINDS:
        raise unknown_name("kind of defect", kind, KINDS)
    if source not in SOURCES:
        raise unknown_name("source of a defect", source, SOURCES)
    places = (place,) if isinstance(place, str) else place

    def register(plant: Plant) -> Plant:
        name = plant.__name__
        if name in DEFECTS:
            raise ValueError(f"Defect {name!r} is defined twice.")
        meaning = (plant.__doc__ or "").strip()
        DEFECTS[name] = Defect(name, kind, source, places, meaning, plant, overrides, task)
        return plant

    return register
