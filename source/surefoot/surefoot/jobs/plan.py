"""What a run's schedule comes to, once names have been looked up and before anything runs."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from surefoot.jobs.job import Job
from surefoot.jobs.result import Finding
from surefoot.manifest.schedule import Event, Schedule

Mode = Literal["worker", "inline", "off"]
"""In a process of its own; in the training process, which waits; not at all."""
MODES: tuple[Mode, ...] = ("worker", "inline", "off")


@dataclass(frozen=True)
class Content:
    """What an event evaluates, once it has been found and checked."""

    sha256: str = ""
    """Of the panel or suite; empty where the kind has no content."""
    notes: tuple[str, ...] = ()
    """What the person who starts the run should know."""
    data: str = ""
    """Folder of the data that it names, absolute; empty where it names none."""


@dataclass(frozen=True)
class PlannedEvent:
    """An event whose content has been found and checked."""

    name: str
    config: Event
    content_sha256: str
    """Of the panel or suite; empty where the kind has no content."""
    notes: tuple[str, ...] = ()
    """What the person who starts the run should know."""
    data: str = ""
    """Folder of the data that the content names."""

    def due(self, iteration: int, end: bool) -> bool:
        """Whether a checkpoint of this iteration is to be evaluated.

        Args:
            iteration: PPO iterations done.
            end: The run is complete.
        """
        return (self.config.every > 0 and iteration % self.config.every == 0) or (end and self.config.at_end)


@dataclass(frozen=True)
class EventPlan:
    """Everything that the trainer needs to schedule events; `surefoot.jobs.plan_events` makes one."""

    mode: Mode
    schedule: Schedule
    events: tuple[PlannedEvent, ...]
    engine: str
    device: str
    manifests: Path
    """Folder of the manifests."""
    command: tuple[str, ...]
    """Starts a worker; the run folder is appended."""
    evaluate: Callable[[Path, Job, Path], Finding]
    """Does a job of a run folder in this process; the last argument is a folder for its report."""
