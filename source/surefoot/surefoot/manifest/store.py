"""Manifests in run folders: written before the first step, read back."""

from pathlib import Path
from typing import Any, cast

import yaml

from surefoot.errors import ManifestError, RunFolderError
from surefoot.files import write_atomically
from surefoot.manifest.document import parse_yaml
from surefoot.manifest.manifest import Manifest
from surefoot.manifest.validate import validate
from surefoot.reading import Refused, read_text

FILE_NAME = "manifest.yaml"
HASH_LINE = "# sha256 "


def write_manifest(manifest: Manifest, folder: Path) -> Path:
    """Write the resolved manifest and its hash into a run folder, atomically."""
    path = folder / FILE_NAME
    write_atomically(path, manifest_text(manifest).encode())
    return path


def manifest_text(manifest: Manifest) -> str:
    """The resolved manifest as YAML under a line with its hash."""
    body = yaml.safe_dump(manifest.to_plain(), sort_keys=False, width=120)  # escapes what is not ASCII
    return f"{HASH_LINE}{manifest.sha256}\n{body}"


def read_manifest(path: Path) -> Manifest:
    """Read a resolved manifest and check it against the hash in its first line.

    Raises:
        RunFolderError: The file is absent or unreadable.
        ManifestError: It is not a manifest, or was edited after it was written.
    """
    try:
        text = read_text(path)
    except (OSError, Refused) as error:
        raise RunFolderError(f"{path}: cannot be read as a manifest ({error}).") from error
    plain = parse_yaml(text, str(path))
    if not isinstance(plain, dict):
        raise ManifestError(f"{path}: expected a mapping of manifest sections, got {type(plain).__name__}")
    first = text.partition("\n")[0]
    if not first.startswith(HASH_LINE):
        raise ManifestError(
            f"{path}: expected {HASH_LINE + '...'!r} in the first line, got {first[:60]!r}. Only resolved manifests, "
            "as training writes them into a run folder, can be read."
        )
    manifest = validate(cast("dict[str, Any]", plain), source=str(path))
    if first.removeprefix(HASH_LINE).strip() != manifest.sha256:
        raise ManifestError(
            f"{path}: the content does not match the sha256 in its first line; it was edited after the run started. "
            "Restore it, or start a new run."
        )
    return manifest
