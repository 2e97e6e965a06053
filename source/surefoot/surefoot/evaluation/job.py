"""Kind `panel`: a frozen panel, cells that training never saw beside cells that it did."""

import hashlib
from pathlib import Path
from typing import Any

from surefoot.errors import ManifestError, PanelError
from surefoot.evaluation.metrics import PANEL_METRICS
from surefoot.jobs.job import Finding, Job, Metric
from surefoot.jobs.kinds import Content
from surefoot.jobs.queue import checkpoint_for
from surefoot.manifest import Manifest
from surefoot.manifest.schedule import Event

MEASURED = {"held_out": frozenset(PANEL_METRICS), "in_distribution": frozenset(PANEL_METRICS)}


def check(manifest: Manifest, event: Event, manifests: Path, engine: str) -> Content:
    """Find the panel, see that it fits robot, task and engine, and compare its cells with the training.

    Raises:
        UnknownName: No such panel.
        PanelError: It is malformed or does not fit.
        ManifestError: It is to keep the best checkpoint, and training covers all its cells.
    """
    from surefoot.engines.base import load_engine  # heavy: only where something is scheduled
    from surefoot.evaluation.held_out import memberships
    from surefoot.evaluation.panel_files import load_panel
    from surefoot.evaluation.run_panel import fit_panel

    panel = load_panel(event.content, manifests)
    if event.seed is not None:
        panel = panel.model_copy(update={"seed": event.seed})
    fit_panel(panel, manifest, load_engine(engine), engine)
    members = memberships(panel, [manifest])
    if event.keep_best and not any(member.held_out for member in members.values()):
        raise ManifestError(f"training covers every cell of {panel.name}: it has no held-out score", "keep_best")
    refused = sorted(name for name, member in members.items() if member.refused)
    note = f"{', '.join(refused)} of {panel.name} lie inside the training distribution and count as controls"
    return Content(panel.sha256, (note,) if refused else ())


def evaluate(run: Path, job: Job, out: Path) -> Finding:
    """Run the panel on a job's checkpoint; `panel.json` in the report folder has every cell.

    Raises:
        PanelError: The panel is not the one that the run was started with, or does not fit.
        CheckpointError: The checkpoint does not fit.
    """
    from surefoot.evaluation.panel_files import load_panel
    from surefoot.evaluation.run_panel import run_panel

    manifests = Path(job.manifests)
    panel = load_panel(job.content, manifests)
    if job.seed is not None:
        panel = panel.model_copy(update={"seed": job.seed})
    if panel.sha256 != job.content_sha256:
        raise PanelError(
            f"panel {job.content}: expected SHA-256 {job.content_sha256[:12]}, as when the run was started, got "
            f"{panel.sha256[:12]}. A panel is frozen: a changed one gets a new name."
        )
    report = run_panel(
        checkpoint_for(run, job),
        job.content,
        manifests=manifests,
        engine=job.engine,
        device=job.device,
        seed=job.seed,
        num_threads=job.threads,
        out=out / "panel.json",
    )
    plain, units = report.plain, report.plain["units"]
    return Finding(
        valid=report.valid,
        reasons=tuple(plain["reasons"]),
        score=report.score,
        scored_cells_sha256=_scored_cells(plain["cells"]),
        held_out=_metrics(plain["held_out"], units),
        in_distribution=_metrics(plain["in_distribution"], units),
        content_sha256=plain["panel_sha256"],
    )


def _scored_cells(cells: list[dict[str, Any]]) -> str:
    hashes = sorted(cell["sha256"] for cell in cells if cell["group"] == "held_out")
    return hashlib.sha256(" ".join(hashes).encode()).hexdigest()


def _metrics(group: dict[str, Any], units: dict[str, str]) -> dict[str, Metric]:
    return {
        name: Metric(**{key: entry[key] for key in ("value", "low", "high", "version")}, unit=units[name])
        for name, entry in group.items()
    }
