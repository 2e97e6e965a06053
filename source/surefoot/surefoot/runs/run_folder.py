"""Run folders: created before the first step, resumed only with the manifest they started with."""

import json
import platform
import shutil
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

import surefoot
from surefoot.errors import CheckpointError, RunFolderError
from surefoot.files import make_way, write_atomically
from surefoot.manifest import Manifest, diff_manifests, format_diff, read_manifest, write_manifest
from surefoot.manifest.store import FILE_NAME
from surefoot.reading import MAX_RECORD, Refused, read_text
from surefoot.reporting import say
from surefoot.runs import checkpoint as checkpoints

STARTS = "starts.jsonl"
"""One line for each start or resume: when, on what, with which manifest."""
_PACKAGES = ("torch", "rsl-rl-lib", "mjlab", "mjbatch", "mujoco", "mujoco-warp", "numpy", "isaaclab")


@dataclass(frozen=True)
class Resumable:
    """A run folder that has been checked and can be continued."""

    folder: Path
    checkpoint: checkpoints.Checkpoint
    skipped: tuple[str, ...]
    """Newer checkpoints that could not be read, with the reason."""


def create(root: Path, manifest: Manifest, device: str, engine: str = "mujoco") -> Path:
    """Make `root/<task>/<time>_<seed>` with the manifest inside.

    Raises:
        RunFolderError: The place cannot be written or the disk is full; no folder is left.
    """
    stamp = time.strftime("%Y-%m-%d_%H-%M-%S")
    parent = root / manifest.name
    # Several runs may be started within one second.
    for suffix in ("", *(f"_{i}" for i in range(2, 100))):
        folder = parent / f"{stamp}_seed{manifest.seed}{suffix}"
        try:
            folder.mkdir(parents=True)
            break
        except FileExistsError:
            if not parent.is_dir():
                raise RunFolderError(f"{parent}: cannot hold runs, a file is in the way. Choose --runs DIR.") from None
        except OSError as error:
            raise RunFolderError(f"{folder}: cannot be created ({error.strerror}). Choose --runs DIR.") from error
    else:
        raise RunFolderError(f"{parent}: a hundred runs were started in this second.")
    try:
        write_manifest(manifest, folder)
        record_start(folder, manifest, device, resumed_from=None, diff=None, engine=engine)
    except BaseException:
        # Without manifest or start nobody could resume it, or tell what it was.
        shutil.rmtree(folder)
        raise
    return folder


def open_for_resume(folder: Path) -> Resumable:
    """Find the newest checkpoint of a run that can be read.

    Raises:
        RunFolderError: No run folder, or no usable checkpoint in it.
    """
    if not (folder / FILE_NAME).is_file():
        raise RunFolderError(
            f"{folder}: no run folder ({FILE_NAME} is missing). Runs are in runs/<task>/<time>_seed<n>."
        )
    skipped: list[str] = []
    for path in reversed(checkpoints.checkpoints_in(folder)):
        try:
            return Resumable(folder, checkpoints.load(path), tuple(skipped))
        except CheckpointError as error:
            skipped.append(str(error))
    reason = " Found only: " + "; ".join(skipped) if skipped else ""
    raise RunFolderError(f"{folder}: no checkpoint to resume from.{reason}")


def check_same_manifest(folder: Path, new: Manifest, allow_change: bool) -> str | None:
    """Compare with the manifest the run started with; the diff if it differs and that is allowed.

    Raises:
        RunFolderError: It differs and that is not allowed.
    """
    old = read_manifest(folder / FILE_NAME)
    if old.sha256 == new.sha256:
        return None
    diff = format_diff(diff_manifests(old, new))
    if not allow_change:
        raise RunFolderError(
            f"{folder}: this run was started with another manifest:\n{diff}\n"
            "Start a new run, or resume with --allow-manifest-change, which is recorded."
        )
    return diff


def record_start(
    folder: Path, manifest: Manifest, device: str, resumed_from: int | None, diff: str | None, engine: str = "mujoco"
) -> None:
    """Append a line on this start to the run's list."""
    entry: dict[str, Any] = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "manifest_sha256": manifest.sha256,
        "resumed_from_iteration": resumed_from,
        "manifest_change": diff,
        "engine": engine,
        "device": device,
        "hardware": _hardware(device),
        "surefoot": surefoot.__version__,
        "python": platform.python_version(),
        "packages": {name: version for name in _PACKAGES if (version := _version(name))}
        | {lab.package: lab.version for lab in manifest.labs.values()},
    }
    path = folder / STARTS
    make_way(path, say)
    try:
        before = read_text(path, MAX_RECORD) if path.is_file() else ""
    except (OSError, Refused) as error:
        raise RunFolderError(f"{path}: cannot be read as the list of a run's starts ({error}).") from None
    # The whole list anew: of a line that was appended and cut nothing could be read.
    write_atomically(path, (before + json.dumps(entry) + "\n").encode())


def _hardware(device: str) -> str:
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device) if torch.cuda.is_available() else "no CUDA device"
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.machine()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
