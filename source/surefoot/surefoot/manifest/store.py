"""Manifests in run folders: written before the first step, read back."""

from pathlib import Path
from typing import Any, cast

import yaml

from surefoot.errors import ManifestError, RunFolderError
from surefoot.files import write_atomically
from surefoot.manifest.manifest import Manifest
from surefoot.manifest.validate import validate

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
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RunFolderError(f"{path}: cannot be read as a manifest ({error}).") from error
    try:
        plain: Any = yaml.load(text, Loader=PlainLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ManifestError(f"{path}: not YAML of plain values: {_one_line(error)}") from error
    if not isinstance(plain, dict):
        raise ManifestError(f"{path}: expected a mapping of manifest sections, got {type(plain).__name__}")
    first = text.splitlines()[0]
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


class PlainLoader(yaml.SafeLoader):
    """Plain values only, each key once, no aliases: what `write_manifest` writes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):  # pyright: ignore[reportUnknownMemberType]
            raise yaml.YAMLError("it has an alias")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        twice = next((key for index, key in enumerate(keys) if key in keys[:index]), None)
        if twice is not None:
            raise yaml.YAMLError(f"key {twice!r} appears twice in the mapping at line {node.start_mark.line + 1}")
        return super().construct_mapping(node, deep)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
