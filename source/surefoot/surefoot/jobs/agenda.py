"""From a manifest's schedule to a plan: everything that can be refused is refused before a simulator starts."""

import sys
from pathlib import Path
from typing import Any

import torch

from surefoot.engines import load_engine
from surefoot.errors import EngineError, ManifestError, SurefootError, unknown_name
from surefoot.jobs.job import Job
from surefoot.jobs.kinds import check_limits, kind_of
from surefoot.jobs.plan import MODES, EventPlan, Mode, PlannedEvent
from surefoot.jobs.result import Finding
from surefoot.manifest import Manifest
from surefoot.torch_threads import torch_threads

COMMAND = (sys.executable, "-m", "surefoot.jobs.worker")
"""Starts a worker; the run folder is appended."""


def plan_events(
    manifest: Manifest, *, manifests: Path, engine: str = "mujoco", device: str = "cpu", mode: str = "worker"
) -> EventPlan | None:
    """Look up what the schedule names; None where there is nothing to do.

    Args:
        manifest: The experiment.
        manifests: Folder of the manifests.
        engine: Name of the engine that trains and evaluates.
        device: `cpu` or `cuda:N`, of both.
        mode: `worker`, `inline` or `off`.

    Raises:
        UnknownName: No such mode.
        EngineError: An engine that cannot train and evaluate in one process, and the mode `inline`.
        ManifestError: An event whose content does not exist or does not fit the manifest.
    """
    chosen: Mode | None = next((known for known in MODES if known == mode), None)
    if chosen is None:
        raise unknown_name("Mode of events", mode, MODES)
    if chosen == "off" or not manifest.schedule.events:
        return None
    if chosen == "inline" and load_engine(engine).ONE_AT_A_TIME:
        raise EngineError(
            f"--events inline: engine {engine!r} has one simulation in a process, and the training has it. Use "
            "--events worker."
        )
    events: list[PlannedEvent] = []
    for name, event in manifest.schedule.events.items():
        try:
            check_limits(event)
            found = kind_of(event.kind).check(manifest, event, manifests, engine)
        except SurefootError as error:
            raise ManifestError(str(error), f"schedule.events.{name}") from error
        events.append(PlannedEvent(name, event, found.sha256, found.notes, found.data))
    return EventPlan(chosen, manifest.schedule, tuple(events), engine, device, manifests, COMMAND, evaluate)


def evaluate(run: Path, job: Job, out: Path) -> Finding:
    """Do a job in this process, whose random numbers and threads stay as they were."""
    devices = [job.device] if job.device.startswith("cuda") else []
    fork: Any = torch.random.fork_rng  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    with fork(devices=devices), torch.inference_mode(False), torch_threads(job.threads):
        return kind_of(job.kind).evaluate(run, job, out)


__all__ = ["COMMAND", "Mode", "evaluate", "plan_events"]
