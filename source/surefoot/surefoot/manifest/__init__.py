"""Manifest: schema, composition, freeze, hash and diff."""

from surefoot.manifest.compose import compose_manifest, task_names
from surefoot.manifest.diff import diff_manifests, format_diff
from surefoot.manifest.manifest import SCHEMA_VERSION, Manifest
from surefoot.manifest.overrides import override_manifest
from surefoot.manifest.store import manifest_text, read_manifest, write_manifest
from surefoot.manifest.validate import validate

__all__ = [
    "SCHEMA_VERSION",
    "Manifest",
    "compose_manifest",
    "diff_manifests",
    "format_diff",
    "manifest_text",
    "override_manifest",
    "read_manifest",
    "task_names",
    "validate",
    "write_manifest",
]
