"""Recorded faults, repeated."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from torch import Tensor

from surefoot.audit.accounts.fault_kinds import KINDS
from surefoot.engines.base import make_env
from surefoot.errors import CheckpointError
from surefoot.machine import Machine
from surefoot.manifest import read_manifest
from surefoot.manifest.manifest import MAX_ENVS
from surefoot.manifest.store import FILE_NAME
from surefoot.runs import checkpoint as checkpoints


@dataclass(frozen=True)
class ReplayedFault:
    """One environment's fault, then and now."""

    env_id: int
    """Number of the environment in the run."""
    recorded: tuple[str, ...]
    """Kinds; see `surefoot.audit.accounts.fault_kinds`."""
    replayed: tuple[str, ...]


def replay(path: Path, machine: Machine = Machine()) -> list[ReplayedFault]:
    """Repeat the faults of a file with the manifest of its run folder.

    Raises:
        CheckpointError: The file is corrupt, holds no faults, or belongs to another manifest.
    """
    content = checkpoints.read(path)
    saved, sha256 = content.get("faults"), content.get("manifest_sha256")
    if not isinstance(saved, dict) or not {"action", "found", "env_id"} <= saved.keys():
        raise CheckpointError(f"{path}: holds no recorded faults; expected faults_<iteration>.pt of a run folder")
    manifest = read_manifest(path.parent / FILE_NAME)
    _check_rows(path, cast("dict[str, Any]", saved), len(manifest.robot.joints))
    # Under another manifest the recorded states and actions would mean something else.
    if manifest.sha256 != sha256:
        raise CheckpointError(
            f"{path}: recorded under manifest {str(sha256)[:12]}, the run folder's is {manifest.sha256[:12]}; "
            "replay it beside the manifest that it was recorded under."
        )
    env = make_env(machine, manifest, num_envs=len(saved["action"]))
    try:
        found = env.replay_faults(saved).faults.cpu()
    finally:
        env.close()
    rows = zip(saved["env_id"].tolist(), saved["found"], found, strict=True)
    return [ReplayedFault(env_id, _kinds(before), _kinds(now)) for env_id, before, now in rows]


def _check_rows(path: Path, saved: dict[str, Any], num_joints: int) -> None:
    """Refuse, before an environment is built for each of them, rows that are not those of faults."""
    odd = next((name for name, value in saved.items() if not isinstance(value, Tensor) or value.ndim == 0), None)
    if odd is not None:
        raise CheckpointError(f"{path}: corrupt: {odd!s:.60}: expected a row for each fault")
    count = len(saved["action"])
    layouts = {"action": (num_joints,), "found": (len(KINDS),), "env_id": ()}
    for name, value in saved.items():
        if len(value) != count or (name in layouts and tuple(value.shape[1:]) != layouts[name]):
            raise CheckpointError(f"{path}: corrupt: {name!s:.60}: odd shape {tuple(value.shape)} of {count} faults")
    if not 0 < count <= MAX_ENVS or saved["env_id"].is_floating_point() or not saved["action"].is_floating_point():
        raise CheckpointError(
            f"{path}: corrupt: expected 1 to {MAX_ENVS:,} faults by number of environment, got {count}"
        )


def format_replay(faults: list[ReplayedFault]) -> str:
    """A line for each fault."""
    lines = [f"{'environment':>11}  {'recorded':<28}  replayed"]
    for fault in faults:
        lines.append(f"{fault.env_id:>11}  {', '.join(fault.recorded):<28}  {', '.join(fault.replayed) or '-'}")
    again = sum(fault.recorded == fault.replayed for fault in faults)
    lines.append(f"{again} of {len(faults)} came again as they were")
    return "\n".join(lines)


def _kinds(row: Tensor) -> tuple[str, ...]:
    return tuple(name for name, hit in zip(KINDS, row.tolist(), strict=True) if hit)
