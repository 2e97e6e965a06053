"""What can be scheduled: each kind says what it measures, and what its content is before anything runs."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from surefoot.errors import unknown_name
from surefoot.events.job import Job
from surefoot.events.plan import Content
from surefoot.events.result import Finding
from surefoot.manifest import Manifest
from surefoot.manifest.schedule import Event
from surefoot.schedule import grid, panel, replay


@dataclass(frozen=True)
class Kind:
    """One kind of event.

    A manifest chooses kinds by name and never names code.
    """

    evaluate: Callable[[Path, Job, Path], Finding]
    """Run folder, job, folder for the full report. Runs in a process of its own, with `job.threads` threads."""
    check: Callable[[Manifest, Event, Path, str], Content]
    """Training manifest, event, folder of the manifests, engine; finds the content, or refuses it."""


KINDS: dict[str, Kind] = {
    "grid": Kind(grid.evaluate, grid.check),
    "panel": Kind(panel.evaluate, panel.check),
    "replay": Kind(replay.evaluate, replay.check),
}
"""By the manifest's `schedule.events.<name>.kind`."""


def kind_of(name: str) -> Kind:
    """Look a kind up.

    Raises:
        UnknownName: Nobody evaluates that.
    """
    if name not in KINDS:
        raise unknown_name("Kind of event", name, KINDS)
    return KINDS[name]
