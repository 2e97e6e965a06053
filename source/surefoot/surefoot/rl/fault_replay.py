"""Recorded faults, repeated."""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from surefoot.audit.accounts.fault_kinds import KINDS
from surefoot.engines.base import make_env
from surefoot.errors import CheckpointError
from surefoot.machine import Machine
from surefoot.manifest import read_manifest
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
