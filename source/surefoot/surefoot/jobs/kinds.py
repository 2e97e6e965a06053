"""What can be scheduled: each kind is a module of the room that evaluates it, imported when it is needed.

A manifest chooses kinds by name and never names code: `surefoot.manifest.schedule.KINDS` has the modules.
"""

import importlib
from pathlib import Path
from typing import Protocol, cast

from surefoot.errors import ManifestError, unknown_name
from surefoot.jobs.job import Job
from surefoot.jobs.plan import Content
from surefoot.jobs.result import Finding
from surefoot.manifest import Manifest
from surefoot.manifest.schedule import KINDS, Event


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

    def evaluate(self, run: Path, job: Job, out: Path) -> Finding:
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
