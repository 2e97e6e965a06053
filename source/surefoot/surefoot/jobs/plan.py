"""From a manifest's schedule to a plan: everything that can be refused is refused before a simulator starts."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from surefoot.errors import EngineError, ManifestError, SurefootError, unknown_name
from surefoot.jobs.job import Job, Measurements
from surefoot.jobs.kinds import Content, check_limits, evaluate, kind_of
from surefoot.machine import Machine
from surefoot.manifest import Manifest
from surefoot.manifest.schedule import Event, Schedule

COMMAND = (sys.executable, "-m", "surefoot.runs.worker")
"""Starts a worker; the run folder is appended."""

Mode = Literal["worker", "inline", "off"]
"""In a process of its own; in the training process, which waits; not at all."""
MODES: tuple[Mode, ...] = ("worker", "inline", "off")


@dataclass(frozen=True)
class PlannedEvent:
    """An event whose content has been found and checked."""

    name: str
    config: Event
    content: Content

    def due(self, iteration: int, end: bool) -> bool:
        """Whether a checkpoint of this iteration is to be evaluated.

        Args:
            iteration: PPO iterations done.
            end: The run is complete.
        """
        # `every` of 0 is never, and no divisor.
        return (self.config.every > 0 and iteration % self.config.every == 0) or (end and self.config.at_end)


@dataclass(frozen=True)
class EventPlan:
    """Everything that the trainer needs to schedule events; `plan_events` makes one."""

    mode: Mode
    schedule: Schedule
    events: tuple[PlannedEvent, ...]
    machine: Machine
    manifests: Path
    """Folder of the manifests."""
    command: tuple[str, ...] = COMMAND
    """Starts a worker; the run folder is appended."""
    evaluate: Callable[[Path, Job, Path], Measurements] = evaluate
    """Does a job of a run folder in this process; the last argument is a folder for its report."""


def plan_events(
    manifest: Manifest, *, manifests: Path, machine: Machine = Machine(), mode: str = "worker"
) -> EventPlan | None:
    """Look up what the schedule names; None where there is nothing to do.

    Args:
        manifest: The experiment.
        manifests: Folder of the manifests.
        machine: What trains; its engine and device also evaluate, with the threads of `schedule.worker`.
        mode: `worker`, `inline` or `off`.

    Raises:
        UnknownName: No such mode.
        EngineError: An engine that cannot train and evaluate in one process, and the mode `inline`.
        ManifestError: An event whose content does not exist or does not fit the manifest.
    """
    from surefoot.engines.base import load_engine  # heavy, and the record of a run reads `Mode` here

    chosen: Mode | None = next((known for known in MODES if known == mode), None)
    if chosen is None:
        raise unknown_name("Mode of events", mode, MODES)
    if chosen == "off" or not manifest.schedule.events:
        return None
    if chosen == "inline" and load_engine(machine.engine).ONE_AT_A_TIME:
        raise EngineError(
            f"--events inline: engine {machine.engine!r} has one simulation in a process, and the training has it. Use "
            "--events worker."
        )
    events: list[PlannedEvent] = []
    for name, event in manifest.schedule.events.items():
        try:
            check_limits(event)
            content = kind_of(event.kind).check(manifest, event, manifests, machine.engine)
            events.append(PlannedEvent(name, event, content))
        except SurefootError as error:
            raise ManifestError(str(error), f"schedule.events.{name}") from error
    return EventPlan(chosen, manifest.schedule, tuple(events), machine, manifests)
