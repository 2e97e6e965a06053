"""Kind `grid`: the fixed grid of velocity commands, on ground, loads and delays as in training."""

from pathlib import Path
from typing import Any, cast

from surefoot.jobs.job import Finding, Job, Metric
from surefoot.jobs.kinds import Content
from surefoot.jobs.queue import checkpoint_for
from surefoot.manifest import Manifest
from surefoot.manifest.schedule import Event

_FROM_SUMMARY = {
    "lin_vel_error": "lin_vel_error",
    "yaw_rate_error": "yaw_rate_error",
    "cost_of_transport": "cost_of_transport",
}
_FROM_RATES = {"fall_rate": "fall_rate", "survival_time": "survival_time", "success_rate": "success_rate"}
MEASURED = {"in_distribution": frozenset((*_FROM_SUMMARY, *_FROM_RATES))}


def check(manifest: Manifest, event: Event, manifests: Path, engine: str) -> Content:
    """A grid has no content."""
    return Content()


def evaluate(run: Path, job: Job, out: Path) -> Finding:
    """Evaluate a checkpoint on the default grid; everything that it says is about the training distribution."""
    from surefoot.evaluation import CommandGrid, report
    from surefoot.evaluation.evaluate import evaluate_checkpoint
    from surefoot.evaluation.metrics import METRICS
    from surefoot.evaluation.panel_report import MAX_FAULT_SHARE

    provenance, result = evaluate_checkpoint(
        checkpoint_for(run, job),
        CommandGrid(),
        manifests=Path(job.manifests),
        engine=job.engine,
        device=job.device,
        seed=job.seed or 0,
        num_threads=job.threads,
    )
    report.write_json(out / "grid.json", provenance, result)
    summary: dict[str, Any] = report.to_plain(provenance, result)["summary"]
    values = {name: summary[key] for name, key in _FROM_SUMMARY.items()}
    values |= {name: summary["rates"][key] for name, key in _FROM_RATES.items()}
    found = {name: _metric(value, METRICS[name]) for name, value in values.items()}
    episodes = summary["rates"]["episodes"]
    broken = episodes - summary["rates"]["valid"]
    few = broken <= MAX_FAULT_SHARE * episodes
    reasons = () if few else (f"{broken} of {episodes} episodes are faults: simulation or policy broke",)
    return Finding(valid=not reasons, reasons=reasons, in_distribution=found)


def _metric(value: Any, about: Any) -> Metric:
    interval = cast("dict[str, Any]", value) if isinstance(value, dict) else {"value": value}
    return Metric(**interval, version=about.version, unit=about.unit)
