"""Finding runs and checkpoints: a run folder, a checkpoint in it, or `latest` says which is meant."""

import re
from pathlib import Path
from typing import Any, cast

from surefoot.errors import CheckpointError, RunFolderError, did_you_mean
from surefoot.reading import MAX_RECORD, parse_json, read_bytes

LATEST = "latest"
RUNS = Path("runs")
"""Where run folders are made, from the working folder on."""
_NAME = re.compile(r"model_(\d+)\.pt")


def checkpoints_in(folder: Path) -> list[Path]:
    """Checkpoints of a run, oldest first."""
    found = [(int(match[1]), path) for path in folder.glob("model_*.pt") if (match := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(found)]


def run_folder(named: Path, runs: Path = RUNS) -> Path:
    """The folder of a run.

    Args:
        named: The folder, a file in it, a folder of runs (the newest of them), or `latest`.
        runs: Where `latest` is looked for.

    Raises:
        RunFolderError: There is none; says where it was looked for.
    """
    if str(named) == LATEST and not named.exists():
        return _newest(runs, f"no run in {runs.resolve()}. Train one, or say which folder")
    if named.is_dir():
        inside = [path for path in named.iterdir() if path.is_file()]
        return named if inside or not any(named.iterdir()) else _newest(named, f"{named}: no run in this folder")
    if named.is_file():
        return named.parent
    siblings = [path.name for path in named.parent.iterdir()] if named.parent.is_dir() else []
    hint = did_you_mean(named.name, siblings) if siblings else "Runs are in runs/<task>/<time>_seed<n>."
    raise RunFolderError(f"{named}: no run folder. {hint} `latest` is the newest run.")


def checkpoint_file(named: Path, runs: Path = RUNS) -> Path:
    """A checkpoint: the file that is named, or the newest of the run that is.

    Raises:
        CheckpointError: The run has none.
        RunFolderError: There is no such run.
    """
    if named.is_file() or (named.suffix == ".pt" and str(named) != LATEST):
        return named  # an absent file is refused by whoever reads it
    folder = run_folder(named, runs)
    found = checkpoints_in(folder)
    if not found:
        raise CheckpointError(f"{folder}: no checkpoint (model_<iteration>.pt) in this folder.")
    return found[-1]


def panel_reports(named: Path, runs: Path = RUNS) -> dict[str, Path]:
    """Reports that `surefoot evaluate --panel` left in a run: the newest of each panel, by its name, newest first.

    Raises:
        RunFolderError: There is no such run.
    """
    found: dict[str, Path] = {}
    folder = run_folder(named, runs)
    for path in sorted(folder.glob("panel_*.json"), key=lambda path: path.stat().st_mtime, reverse=True):
        try:
            plain = parse_json(read_bytes(path, MAX_RECORD))
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(plain, dict) and isinstance(name := cast("dict[str, Any]", plain).get("panel"), str):
            found.setdefault(name, path)
    return found


def _newest(folder: Path, problem: str) -> Path:
    """The run that was started last: its manifest is written before the first step and seldom after."""
    found = [*folder.glob("*/manifest.yaml"), *folder.glob("*/*/manifest.yaml")]
    if not found:
        raise RunFolderError(f"{problem}.")
    return max(found, key=lambda path: (path.stat().st_mtime, str(path))).parent
