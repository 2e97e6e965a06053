"""What `--external_callback surefoot_tasks.watch` is told: `watch.KEY=VALUE` on the trainer's own command line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from surefoot.errors import EngineError, unknown_name
from surefoot.manifest.audit import Audit

BUCKETS = ("none", "events")


@dataclass(frozen=True)
class WatchOptions:
    """How an environment that is not ours is watched."""

    audit: Audit
    """Thresholds of the alerts."""
    buckets: Literal["none", "events"] = "none"
    """`events`: of what the task's events have written into the simulator, and of its terrain."""
    bucket_by: tuple[str, ...] = ()
    """With `events`: the quantities that matter, most important first."""
    folder: Path | None = None
    """Of the record; by default the folder of the trainer's logs."""
    robot: str | None = None
    """Its name in the scene, where it is not `robot`."""
    command: str | None = None
    """Name of the velocity command, where it has not one of the usual names."""
    scalars: bool = True
    """Whether the numbers go to the trainer's logger too."""
    from_shell: bool = False
    """A refusal ends the program with one line."""


KEYS = ("buckets", "bucket_by", "folder", "robot", "command", "scalars", "audit")
"""What `watch.KEY=VALUE` may say on a command line."""
PREFIX = "watch."


def parse(arguments: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Options of the form `watch.KEY=VALUE` among a command line's arguments, and the other arguments.

    Raises:
        EngineError: An unknown key, one without a value, or one that stands there twice.
    """
    found: dict[str, str] = {}
    rest: list[str] = []
    for text in arguments:
        if not text.startswith(PREFIX):
            rest.append(text)
            continue
        key, equals, value = text.removeprefix(PREFIX).partition("=")
        if key not in KEYS:
            raise unknown_name(f"Option of {PREFIX.rstrip('.')}", key, KEYS)
        if not equals or not value or key in found:
            raise EngineError(f"{text}: expected one {PREFIX}{key}=VALUE.")
        found[key] = value
    return found, rest


def options_from(plain: Mapping[str, str], audit: Audit) -> WatchOptions:
    """Options of a command line, `audit` already read.

    Raises:
        EngineError: A value that is none of those that a key knows.
    """
    buckets, scalars = plain.get("buckets", "none"), plain.get("scalars", "true").lower()
    if buckets not in BUCKETS:
        raise unknown_name(f"{PREFIX}buckets", buckets, BUCKETS)
    if scalars not in ("true", "false"):
        raise unknown_name(f"{PREFIX}scalars", scalars, ("true", "false"))
    bucket_by = tuple(name for name in plain.get("bucket_by", "").split(",") if name)
    if bucket_by and buckets == "none":
        raise EngineError(f"{PREFIX}bucket_by chooses among what events write; say {PREFIX}buckets=events too.")
    return WatchOptions(
        audit=audit,
        buckets="events" if buckets == "events" else "none",
        bucket_by=bucket_by,
        folder=Path(plain["folder"]).absolute() if "folder" in plain else None,
        robot=plain.get("robot"),
        command=plain.get("command"),
        scalars=scalars == "true",
        from_shell=True,
    )
