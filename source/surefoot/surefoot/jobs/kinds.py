"""What can be scheduled: each kind is a module of the room that evaluates it, imported when it is needed.

A manifest chooses kinds by name and never names code: `surefoot.manifest.schedule.KINDS` has the modules.
"""

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from surefoot.errors import ManifestError, unknown_name
from surefoot.jobs.job import Job, Measurements
from surefoot.manifest import Manifest
from surefoot.manifest.schedule import KINDS, Event


@dataclass(frozen=True)
class Content:
    """What an event evaluates, once it has been found and checked."""

    sha256: str = ""
    """Of the panel or suite; empty where the kind has no content."""
    notes: tuple[str, ...] = ()
    """What the person who starts the run should know."""
    data: str = ""
    """Folder of the data that it names, absolute; empty where it names none."""


class Kind(Protocol):
    """What the module of a kind has."""

    MEASURED: dict[str, frozenset[str]] | None
    """Names of its metrics by group; None where they depend on the content, whose limits `check` then sees to."""

    def check(self, manifest: Manifest, event: Event, manifests: Path, engine: str) -> Content:
        """Find the content of an event, or refuse it, before anything runs.

        Args:
            manifest: Of the training.
            event: The manifest's.
            manifests: Folder of the manifests.
            engine: Name of the engine that evaluates.
        """
        ...

    def evaluate(self, run: Path, job: Job, out: Path) -> Measurements:
        """Do a job, in a process of its own, with `job.threads` threads.

        Args:
            run: Run folder.
            job: What to evaluate.
            out: Folder for the full report.
        """
        ...


def kind_of(name: str) -> Kind:
    """Import a kind.

    Raises:
        UnknownName: Nobody evaluates that.
    """
    if name not in KINDS:
        raise unknown_name("Kind of event", name, KINDS)
    return cast("Kind", importlib.import_module(KINDS[name].module))


def check_limits(event: Event) -> None:
    """Refuse a limit on what is never measured: a misspelt metric would be broken by every result.

    Raises:
        UnknownName: No such metric; names the nearest one.
        ManifestError: The kind has no score, or measures nothing in that group.
    """
    about, groups = KINDS[event.kind], kind_of(event.kind).MEASURED
    for name, limit in event.limits.items():
        key = f"limits.{name}"
        if limit.metric == "score":
            if about.no_score:
                raise ManifestError(
                    f"a {event.kind} has no held-out score; it measures {about.group} metrics", f"{key}.metric"
                )
        elif groups is not None:
            known = groups.get(limit.group, frozenset[str]())
            if not known:
                raise ManifestError(f"a {event.kind} measures nothing in this group", f"{key}.group")
            if limit.metric not in known:
                raise unknown_name(f"{key}.metric: metric of a {event.kind}", limit.metric, known)


def evaluate(run: Path, job: Job, out: Path) -> Measurements:
    """Do a job in this process, whose random numbers and threads stay as they were."""
    import torch  # a trainer plans, and a worker waits, without it

    from surefoot.torch_threads import torch_threads

    devices = [job.device] if job.device.startswith("cuda") else []
    fork: Any = torch.random.fork_rng  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    with fork(devices=devices), torch.inference_mode(False), torch_threads(job.threads):
        return kind_of(job.kind).evaluate(run, job, out)
