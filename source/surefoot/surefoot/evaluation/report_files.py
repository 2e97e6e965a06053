"""What a panel's evaluation leaves beside its JSON report: one row an episode in Parquet, and a heatmap."""

# pyright: basic, reportMissingTypeStubs=false

import json
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from surefoot.evaluation.report import PanelReport, episode_values
from surefoot.files import replacing

_KEPT = ("panel", "panel_sha256", "checkpoint_sha256", "manifest_sha256", "metric_versions", "units", "engine", "seed")
_COLUMNS = ("success_rate", "fall_rate", "survival_time", "lin_vel_error", "yaw_rate_error", "recovery_time")


def write_parquet(path: Path, report: PanelReport) -> None:
    """One row for each episode: cell, group, replicate, how it ended, and its metrics (null: nothing to measure).

    Raises:
        RunFolderError: The folder cannot be written; nothing is left behind.
    """
    result = report.result
    panel, episodes = result.panel, result.episodes
    group = {cell["name"]: cell["group"] for cell in report.plain["cells"]}
    names = [name for name in panel.cells for _ in range(panel.replicates)]
    causes = [*result.causes, None]  # -1 is the last
    columns: dict[str, Any] = {
        "cell": names,
        "group": [group[name] for name in names],
        "replicate": list(range(panel.replicates)) * len(panel.cells),
        "valid": episodes.valid.flatten().numpy(),
        "failed": episodes.failed.flatten().numpy(),
        "truncated": episodes.truncated.flatten().numpy(),
        "cause": [causes[int(index)] for index in episodes.cause.flatten()],
        "kick_time": pa.array(episodes.kick_time.flatten().numpy(), from_pandas=True),
    }
    if panel.drawn:
        columns["bucket"] = [result.buckets[int(index)] for index in episodes.bucket.flatten()]
    columns |= {
        name: pa.array(values.ravel(), from_pandas=True)  # NaN becomes null
        for name, values in episode_values(result).items()
    }
    kept = {key: report.plain[key] for key in _KEPT}
    table = pa.table(columns).replace_schema_metadata({"surefoot": json.dumps(kept)})
    with replacing(path) as file:
        pq.write_table(table, file, compression="zstd")


def write_heatmap(path: Path, report: PanelReport) -> None:
    """Cells against metrics, the worst cells on top; colours from the best (0) to the worst (1) that counts.

    Raises:
        RunFolderError: The folder cannot be written; nothing is left behind.
    """
    cells: list[dict[str, Any]] = report.plain["cells"]
    bad = np.array([[_badness(report.plain, name, _value(cell, name)) for name in _COLUMNS] for cell in cells])
    figure, axes = plt.subplots(figsize=(8.0, 1.6 + 0.22 * len(cells)), layout="constrained")
    colours = plt.get_cmap("RdYlGn_r").with_extremes(bad="0.9")
    axes.imshow(np.ma.masked_invalid(bad), cmap=colours, vmin=0.0, vmax=1.0, aspect="auto")
    for row, cell in enumerate(cells):
        for column, name in enumerate(_COLUMNS):
            value = _value(cell, name)
            axes.text(column, row, "-" if value is None else f"{value:.2f}", ha="center", va="center", fontsize=7)
    units = report.plain["units"]
    labels = [f"{name}\n{'' if units[name].startswith('share') else units[name]}" for name in _COLUMNS]
    axes.set_xticks(range(len(_COLUMNS)), labels, fontsize=7)
    axes.xaxis.tick_top()
    kinds = {"held_out": "", "edge": "  (edge)"}
    marks = [f"{cell['name']}{kinds.get(cell['group'], '  (control)')}" for cell in cells]
    axes.set_yticks(range(len(cells)), marks, fontsize=7)
    score = "-" if report.score is None else f"{report.score:.1%}"
    axes.set_title(
        f"{report.plain['panel']}, iteration {report.plain['iteration']}: score {score}"
        + ("" if report.valid else "  NOT VALID"),
        fontsize=9,
    )
    try:
        with replacing(path) as file:
            figure.savefig(file, format="png", dpi=130)
    finally:
        plt.close(figure)


def _value(cell: dict[str, Any], metric: str) -> float | None:
    return cell["metrics"][metric]["value"]


def _badness(plain: dict[str, Any], metric: str, value: float | None) -> float:
    """0 for the best, 1 for the worst; errors are bad from twice the panel's bound on."""
    if value is None:
        return float("nan")
    worst = {
        "success_rate": 1.0,
        "fall_rate": 1.0,
        "survival_time": plain["duration"],
        "lin_vel_error": 2 * plain["success"]["lin_vel_error"],
        "yaw_rate_error": 2 * plain["success"]["yaw_rate_error"],
        "recovery_time": 3.0,
    }[metric]
    share = min(1.0, value / worst)
    return 1.0 - share if metric in ("success_rate", "survival_time") else share
