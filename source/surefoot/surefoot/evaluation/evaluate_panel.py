"""What `surefoot evaluate --panel` does: run, print, write the report, its episodes, its heatmap, its films."""

from pathlib import Path

from surefoot.errors import PanelError
from surefoot.evaluation.evaluate import check_writable, task_manifest
from surefoot.evaluation.film_cell import check_films, film_worst
from surefoot.evaluation.panel_files import load_panel
from surefoot.evaluation.panel_report import PanelReport
from surefoot.evaluation.panel_table import panel_text
from surefoot.evaluation.report_files import write_heatmap, write_parquet
from surefoot.evaluation.run_panel import changes_that_count, run_and_keep
from surefoot.runs.checkpoint import load


def evaluate_panel(
    checkpoint: Path,
    panel: str,
    *,
    manifests: Path,
    task: str | None,
    overrides: list[str],
    engine: str,
    device: str,
    num_threads: int,
    seed: int | None,
    out: Path | None,
    films: int,
) -> PanelReport:
    """Evaluate and leave everything beside the JSON report; see `surefoot.evaluation.run_panel.run_panel`.

    Args:
        checkpoint: Of a surefoot run.
        panel: Name or path.
        manifests: Folder of the manifests.
        task: Default: the manifest inside the checkpoint.
        overrides: For the task.
        engine: Name of an engine.
        device: `cpu` or `cuda:N`.
        num_threads: Physics threads on a CPU.
        seed: In place of the panel's.
        out: JSON file; default: `panel_<panel>_<iteration>.json` beside the checkpoint, with the task in its name where
            it is not training's, the engine where it is not mujoco, and seed and manifest hash where they were changed.
        films: Cells to film, the worst ones.
    """
    loaded, chosen = load(checkpoint), load_panel(panel, manifests)
    measured_on = task_manifest(loaded.manifest, manifests, task, overrides)
    elsewhere = [task] if task not in (None, loaded.manifest.name) else []
    elsewhere += [engine.replace(":", "_")] if engine != "mujoco" else []
    elsewhere += [f"seed{seed}"] if seed not in (None, chosen.seed) else []
    elsewhere += [measured_on.sha256[:8]] if overrides and changes_that_count(loaded.manifest, measured_on) else []
    out = out or checkpoint.parent / ("_".join(["panel", chosen.name, str(loaded.iteration), *elsewhere]) + ".json")
    check_writable(out)
    if out.suffix != ".json":
        raise PanelError(f"--json {out}: expected a name that ends in .json; the other files take its name.")
    if films:
        check_films(films, len(chosen.cells), out)
    report, result = run_and_keep(
        checkpoint,
        panel,
        manifests=manifests,
        task=task,
        overrides=overrides,
        engine=engine,
        device=device,
        seed=seed,
        num_threads=num_threads,
        out=out,
    )
    print(panel_text(report))
    parquet, heatmap = out.with_suffix(".parquet"), out.with_suffix(".png")
    write_parquet(parquet, report, result)
    write_heatmap(heatmap, report)
    print(f"Report: {out}, {parquet.name}, {heatmap.name}")
    if films:
        for path in film_worst(loaded, measured_on, report, result, engine, device, films, out):
            print(f"Film: {path}")
    return report
