"""Checkpoints: RSL-RL's content plus what surefoot needs to trust and resume them."""

import io
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch

from surefoot.errors import CheckpointError, ManifestError
from surefoot.files import write_atomically, write_together
from surefoot.manifest import Manifest, validate
from surefoot.manifest.validate import lab_changes
from surefoot.reading import MAX_DOCUMENT, Refused, parse_json
from surefoot.runs import isaaclab_run
from surefoot.runs.locate import checkpoints_in as checkpoints_in
from surefoot.runs.tensor_file import read_tensors, sealed

FORMAT = 1
_MAX_EARLIER = 100
"""Changes of the manifest in one run."""
_ENV_STATE = re.compile(r"env_state_(\d+)\.pt")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that has been read and checked."""

    path: Path
    manifest: Manifest
    iteration: int
    """PPO iterations done; from Isaac Lab's trainer the number in the file's name, which RSL-RL counts from 0."""
    content: dict[str, Any]
    """RSL-RL's dict: actor_state_dict, critic_state_dict, optimizer_state_dict, iter, infos."""
    earlier: tuple[Manifest, ...] = ()
    """Other manifests that this policy was trained with before, oldest first."""

    @property
    def trained_on(self) -> tuple[Manifest, ...]:
        """Every manifest that this policy was trained with, the newest last."""
        return (*self.earlier, self.manifest)


def to_bytes(content: dict[str, Any]) -> bytes:
    """What `torch.save` would write, with a hash of all of it at the end, which torch.load does not mind."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return sealed(buffer.getvalue())


def save(content: dict[str, Any], path: Path) -> None:
    """Write atomically: after a crash or on a full disk the old file, or none, is there."""
    write_atomically(path, to_bytes(content))


def save_together(contents: dict[Path, dict[str, Any]]) -> None:
    """Write several as `save` does, in this order, with one wait for the disk."""
    write_together([(path, to_bytes(content)) for path, content in contents.items()])


def read(path: Path) -> dict[str, Any]:
    """Read a file of tensors and plain values; code in it is not executed.

    Raises:
        CheckpointError: Absent, truncated, or holding anything but tensors and plain values.
    """
    if not os.path.isfile(path):
        raise CheckpointError(f"{path}: no such file. Checkpoints of a run are runs/<task>/<run>/model_<iteration>.pt")
    try:
        content = read_tensors(path)
    except (OSError, Refused) as error:
        reason = getattr(error, "strerror", None) or error
        raise CheckpointError(f"{path}: corrupt, or not a checkpoint of tensors and numbers ({reason})") from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: expected a dict of state dicts, got {type(content).__name__}")
    return cast("dict[str, Any]", content)


def load(path: Path) -> Checkpoint:
    """Read a checkpoint of a surefoot run, or one that Isaac Lab's trainer wrote of a task of surefoot.

    Raises:
        CheckpointError: Corrupt, or written by something else.
    """
    content = read(path)
    missing = [key for key in ("actor_state_dict", "critic_state_dict", "iter", "infos") if key not in content]
    if missing:
        raise CheckpointError(
            f"{path}: not a surefoot checkpoint: lacks {', '.join(missing)}. "
            "Policies trained elsewhere cannot be checked against an observation layout."
        )
    found = content["infos"]
    infos = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    # Isaac Lab's trainer leaves `infos` empty.
    if "manifest" not in infos:
        infos = content["infos"] = isaaclab_run.infos(path, content)
    if infos.get("format") != FORMAT:
        raise CheckpointError(f"{path}: checkpoint format {infos.get('format')!r}, this version reads {FORMAT}")
    for key in ("actor_state_dict", "critic_state_dict"):
        if not _is_state_dict(content[key]):
            raise CheckpointError(f"{path}: corrupt: {key}: expected tensors by name, got {_kind(content[key])}")
    for key, value in (("iter", content["iter"]), ("infos.samples", infos.get("samples", 0))):
        # True is an int to Python.
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise CheckpointError(f"{path}: corrupt: {key}: expected a whole number from 0, got {value!r:.80}")
    earlier = infos.get("earlier_manifests", [])
    if not isinstance(earlier, list):
        raise CheckpointError(f"{path}: corrupt: infos.earlier_manifests: expected a list, got {_kind(earlier)}")
    if len(cast("list[Any]", earlier)) > _MAX_EARLIER:
        raise CheckpointError(f"{path}: corrupt: infos.earlier_manifests: expected at most {_MAX_EARLIER}")
    texts = [*cast("list[Any]", earlier), infos["manifest"]]
    manifests = [_manifest_in(text, path) for text in texts]
    return Checkpoint(path, manifests[-1], content["iter"], content, tuple(manifests[:-1]))


def without_extension(manifest: Manifest) -> tuple[Manifest, tuple[str, ...]]:
    """The manifest alone, where Python added to its task, and the sentences that say so in every report.

    What was added exists only in Isaac Lab's configuration of its author; networks that read it do not fit. A lab whose
    files are no longer those of the training gets a sentence too.
    """
    changes = lab_changes(manifest)
    extension = manifest.extension
    if extension is None:
        return manifest, changes
    caveat = (
        f"The policy was trained on an extended task: Python code added {extension.summary}. "
        "It is used on the manifest's own terms."
    )
    return manifest.model_copy(update={"extension": None}), (caveat, *changes)


def _manifest_in(text: Any, path: Path) -> Manifest:
    if not isinstance(text, str):
        raise CheckpointError(f"{path}: the manifest inside is not valid: expected JSON text, got {_kind(text)}")
    try:
        plain = parse_json(text, MAX_DOCUMENT)
        if not isinstance(plain, dict):
            raise ValueError(f"expected a JSON object, got {_kind(plain)}")
        return validate(cast("dict[str, Any]", plain), source=f"{path} (manifest inside)")
    except RecursionError:
        raise CheckpointError(f"{path}: the manifest inside is not valid: it is nested too deeply") from None
    except (ManifestError, ValueError) as error:
        raise CheckpointError(f"{path}: the manifest inside is not valid: {error}") from None


def _is_state_dict(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(name, str) and isinstance(item, torch.Tensor) for name, item in cast("dict[Any, Any]", value).items()
    )


def _kind(value: Any) -> str:
    return type(value).__name__


def check_fits(checkpoint: Checkpoint, manifest: Manifest) -> None:
    """Refuse a policy whose observations, joints or networks are not those of `manifest`.

    Raises:
        CheckpointError: Shows both layouts side by side.
    """
    from surefoot.mdp.observation_layout import observation_layout

    own = checkpoint.manifest
    rows: list[str] = []
    mine = [f"{block.name}[{block.size}x{block.history}]" for block in observation_layout(own, "actor")]
    theirs = [f"{block.name}[{block.size}x{block.history}]" for block in observation_layout(manifest, "actor")]
    if mine != theirs:
        rows += ["  observations: checkpoint        | task"]
        for index in range(max(len(mine), len(theirs))):
            left = mine[index] if index < len(mine) else "-"
            right = theirs[index] if index < len(theirs) else "-"
            rows.append(f"  {'  ' if left == right else '! '}{left:<30}| {right}")
    if own.robot.joint_names != manifest.robot.joint_names:
        rows += ["  joint order: checkpoint         | task"]
        rows += [
            f"  {'  ' if a == b else '! '}{a:<30}| {b}"
            # Shown for people: another number of joints is visible as it is.
            for a, b in zip(own.robot.joint_names, manifest.robot.joint_names, strict=False)
        ]
    if own.ppo.actor != manifest.ppo.actor or own.ppo.symmetry != manifest.ppo.symmetry:
        rows.append(
            f"  actor network: checkpoint {own.ppo.actor.hidden_dims} {own.ppo.symmetry} | "
            f"task {manifest.ppo.actor.hidden_dims} {manifest.ppo.symmetry}"
        )
    if rows:
        raise CheckpointError(f"{checkpoint.path}: does not fit task {manifest.name!r}:\n" + "\n".join(rows))


def newest_finite(folder: Path) -> Path | None:
    """The newest checkpoint of a run whose networks hold finite numbers alone; None without one."""
    for path in reversed(checkpoints_in(folder)):
        try:
            content = read(path)
        except CheckpointError:
            continue
        tensors = [
            value
            for network in ("actor_state_dict", "critic_state_dict")
            for value in cast("dict[str, Any]", content.get(network, {})).values()
            if isinstance(value, torch.Tensor) and value.is_floating_point()
        ]
        if all(bool(torch.isfinite(value).all()) for value in tensors):
            return path
    return None


def env_state_path(folder: Path, iteration: int) -> Path:
    """Where the state of the environments at a checkpoint is.

    It is written before the checkpoint: a run killed in between resumes at the checkpoint before, whose state is there.
    """
    return folder / f"env_state_{iteration}.pt"


def drop_other_env_states(folder: Path, iteration: int) -> None:
    """Delete the states at other checkpoints: they are large, and only the newest is resumed from."""
    for path in folder.glob("env_state_*.pt"):
        match = _ENV_STATE.fullmatch(path.name)
        if match and int(match[1]) != iteration:
            with suppress(OSError):  # the next checkpoint tries again
                path.unlink(missing_ok=True)
