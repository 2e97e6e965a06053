"""Limits of an event against what its kind measures: a misspelt metric would be broken by every result."""

from surefoot.errors import ManifestError, unknown_name
from surefoot.manifest.schedule import Event
from surefoot.panel.metrics import PANEL_METRICS
from surefoot.schedule import grid

MEASURED: dict[str, dict[str, frozenset[str]]] = {
    "panel": {"held_out": frozenset(PANEL_METRICS), "in_distribution": frozenset(PANEL_METRICS)},
    "grid": {"held_out": frozenset(), "in_distribution": frozenset(grid.MEASURED)},
}
"""Metrics by kind of event and group; those of a replay depend on its suite, which it checks itself."""


def check_limits(event: Event) -> None:
    """Refuse a limit on what is never measured.

    Raises:
        UnknownName: No such metric; names the nearest one.
        ManifestError: The kind has no score, or measures nothing in that group.
    """
    groups = MEASURED.get(event.kind)
    for name, limit in event.limits.items():
        key = f"limits.{name}"
        if limit.metric == "score":
            measured = {"grid": "in_distribution", "replay": "transfer"}.get(event.kind)
            if measured is not None:
                raise ManifestError(
                    f"a {event.kind} has no held-out score; it measures {measured} metrics", f"{key}.metric"
                )
        elif groups is not None:
            known = groups.get(limit.group, frozenset[str]())
            if not known:
                raise ManifestError(f"a {event.kind} measures nothing in this group", f"{key}.group")
            if limit.metric not in known:
                raise unknown_name(f"{key}.metric: metric of a {event.kind}", limit.metric, known)
