"""Tasks that surefoot ships: their manifests and where to find them."""

import os
import sys
from pathlib import Path

from surefoot.errors import SurefootError
from surefoot.manifest import task_names
from surefoot.manifest.audit import Audit
from surefoot.manifest.document import read_document


def manifest_root() -> Path:
    """Folder of the manifests: `$SUREFOOT_MANIFESTS`, the repository's, or the one installed with the package."""
    chosen = os.environ.get("SUREFOOT_MANIFESTS")
    if chosen:
        root = Path(chosen)
        if not (root / "tasks").is_dir():
            raise SurefootError(f"SUREFOOT_MANIFESTS={chosen}: expected a folder with tasks/ inside.")
        return root
    here = Path(__file__).resolve().parent
    candidates = (here / "manifests", here.parent.parent / "manifests")
    for root in candidates:
        if (root / "tasks").is_dir():
            return root
    raise SurefootError(f"No manifests found in {' or '.join(str(c) for c in candidates)}; reinstall surefoot.")


def list_tasks() -> list[str]:
    """Names that `--task` takes."""
    return task_names(manifest_root())


def audit_config(option: str = "default") -> Audit:
    """Thresholds of the accounts from `audit/<option>.yaml`, for an environment that has no manifest.

    Raises:
        ManifestError: No such file, or it does not fit the schema.
    """
    return read_document(manifest_root() / "audit" / f"{option}.yaml", Audit)


def watch() -> list[str] | None:
    """Keep the accounts of whatever RSL-RL trains in this process: `--external_callback surefoot_tasks.watch`.

    Options stand on the same command line, beside Isaac Lab's own overrides, such as `watch.buckets=events` or
    `watch.folder=logs/accounts`; docs/foreign_environments.md lists them. The accounts of this project's own tasks are
    kept without it.

    Returns:
        The command line without those options, which Isaac Lab then does not hand to Hydra; None leaves it as it is.
    """
    from surefoot.rl.watch import follow_everything
    from surefoot.rl.watch_options import options_from, parse

    try:
        plain, rest = parse(sys.argv[1:])
        audit = read_document(Path(plain["audit"]), Audit) if "audit" in plain else audit_config()
        follow_everything(options_from(plain, audit))
    except SurefootError as error:
        raise SystemExit(f"error: {error}") from None
    return rest if plain else None
