"""Kind `panel`: a frozen panel, cells that training never saw beside cells that it did; `grid_job` is one of them."""

import hashlib
from pathlib import Path
from typing import Any

from surefoot.errors import ManifestError, PanelError
from surefoot.evaluation.metrics import METRICS
from surefoot.jobs.job import Job, Measurements, Metric
from surefoot.jobs.kinds import Content
from surefoot.jobs.queue import checkpoint_for
from surefoot.manifest import Manifest
from surefoot.manifest.schedule import Event

MEASURED = {"held_out": frozenset(METRICS), "in_distribution": frozenset(METRICS)}


def check(manifest: Manifest, event: Event, manifests: Path, engine: str) -> Content:
    """Find the panel, see that it fits robot, task and engine, and compare its cells with the training.

    Raises:
        UnknownName: No such panel.
        PanelError: It is malformed or does not fit.
        ManifestError: It is to keep the best checkpoint, and training covers all its cells.
    """
    from surefoot.engines.base import load_engine  # heavy: only where something is scheduled
    from surefoot.evaluation.evaluate import COMMAND_GRID, choose_panel, fit_panel, members_of

    panel = choose_panel(event.content or COMMAND_GRID, manifests, {"seed": event.seed})
    fit_panel(panel, manifest, load_engine(engine), engine)
    members = members_of(panel, [manifest], manifest)
    if event.keep_best and not any(member.held_out for member in members.values()):
        raise ManifestError(f"training covers every cell of {panel.name}: it has no held-out score", "keep_best")
    refused = sorted(name for name, member in members.items() if member.refused)
    note = f"{', '.join(refused)} of {panel.name} lie inside the training distribution and count as controls"
    return Content(panel.sha256, (note,) if refused else ())


def evaluate(run: Path, job: Job, out: Path) -> Measurements:
    """Run the panel on a job's checkpoint; the JSON file in the report folder has every cell.

    Raises:
        PanelError: The panel is not the one that the run was started with, or does not fit.
        CheckpointError: The checkpoint does not fit.
    """
    from surefoot.evaluation.evaluate import COMMAND_GRID, choose_panel, evaluate_checkpoint

    manifests, name = Path(job.manifests), job.content or COMMAND_GRID
    panel = choose_panel(name, manifests, {"seed": job.seed})
    # A grid's job of before it was a panel has no hash; its result says what was run.
    if panel.sha256 != job.content_sha256 and (job.content or job.content_sha256):
        raise PanelError(
            f"panel {name}: expected SHA-256 {job.content_sha256[:12]}, as when the run was started, got "
            f"{panel.sha256[:12]}. A panel is frozen: a changed one gets a new name."
        )
    report = evaluate_checkpoint(
        checkpoint_for(run, job),
        name,
        manifests=manifests,
        machine=job.machine,
        changes={"seed": job.seed},
        out=out / f"{job.kind}.json",
    )
    plain = report.plain
    # Of a drawn panel a group without a cell is left out: nothing was meant to be in it.
    shown = {name for name in MEASURED if not panel.drawn or plain[name]["fall_rate"]["cells"]}
    held_out, inside = (_metrics(plain[name], plain["units"]) if name in shown else {} for name in MEASURED)
    return Measurements(
        valid=report.valid,
        reasons=tuple(plain["reasons"]),
        score=report.score,
        scored_cells_sha256="" if panel.drawn else _scored_cells(plain["cells"]),
        content_sha256=plain["panel_sha256"],
        held_out=held_out,
        in_distribution=inside,
    )


def _scored_cells(cells: list[dict[str, Any]]) -> str:
    hashes = sorted(cell["sha256"] for cell in cells if cell["group"] == "held_out")
    return hashlib.sha256(" ".join(hashes).encode()).hexdigest()


def _metrics(group: dict[str, Any], units: dict[str, str]) -> dict[str, Metric]:
    return {
        name: Metric(**{key: entry[key] for key in ("value", "low", "high", "version")}, unit=units[name])
        for name, entry in group.items()
    }
