"""Manifests in run folders: written before the first step, read back, compared."""

from pathlib import Path
from typing import Any, cast

import yaml

from surefoot.errors import ManifestError, RunFolderError
from surefoot.files import write_atomically
from surefoot.manifest.manifest import Manifest
from surefoot.manifest.validate import validate

FILE_NAME = "manifest.yaml"


def write_manifest(manifest: Manifest, folder: Path) -> Path:
    """Write the resolved manifest and its hash into a run folder, atomically."""
    head = f"# sha256 {manifest.sha256}\n"
    text = head + yaml.safe_dump(manifest.to_plain(), sort_keys=False, width=120)
    path = folder / FILE_NAME
    write_atomically(path, text.encode())
    return path


def read_manifest(path: Path) -> Manifest:
    """Read a resolved manifest and check it against the hash in its first line.

    Raises:
        RunFolderError: The file is absent or unreadable.
        ManifestError: It is not a manifest, or was edited after it was written.
    """
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise RunFolderError(f"{path}: cannot be read as a manifest ({error}).") from error
    try:
        plain: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ManifestError(f"{path}: not YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(plain, dict):
        raise ManifestError(f"{path}: expected a mapping of manifest sections, got {type(plain).__name__}")
    manifest = validate(cast("dict[str, Any]", plain), source=str(path))
    first = text.splitlines()[0]
    if first.startswith("# sha256 ") and first.removeprefix("# sha256 ").strip() != manifest.sha256:
        raise ManifestError(
            f"{path}: the content does not match the sha256 in its first line; it was edited after the run started. "
            "Restore it, or start a new run."
        )
    return manifest


def diff_manifests(old: Manifest, new: Manifest) -> list[tuple[str, Any, Any]]:
    """Leaves that differ, as (dotted key, old value, new value); None stands for absent."""
    before, after = _flatten(old.to_plain()), _flatten(new.to_plain())
    keys = list(dict.fromkeys([*before, *after]))
    rows = [(key, before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)]
    if not rows and old.sha256 != new.sha256:
        rows.append(("(order of terms)", "differs", "differs"))
    return rows


def format_diff(rows: list[tuple[str, Any, Any]]) -> str:
    """The diff as aligned text, one line a key."""
    width = max((len(key) for key, _, _ in rows), default=0)
    return "\n".join(f"  {key:<{width}}  {old!r} -> {new!r}" for key, old, new in rows)


def _flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, dict) and value:
        out: dict[str, Any] = {}
        for key, item in cast("dict[str, Any]", value).items():
            out |= _flatten(item, f"{prefix}.{key}" if prefix else key)
        return out
    if isinstance(value, list) and value and isinstance(value[0], dict):
        out = {}
        for index, item in enumerate(cast("list[Any]", value)):
            out |= _flatten(item, f"{prefix}.{index}")
        return out
    return {prefix: value}
