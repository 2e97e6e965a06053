"""The audit section alone, for an environment that has no manifest."""

import json
from pathlib import Path

import yaml
from pydantic import ValidationError

from surefoot.errors import ManifestError, RunFolderError
from surefoot.manifest.audit import Audit


def read_audit(path: Path) -> Audit:
    """Read the thresholds of the accounts from a YAML file.

    Raises:
        RunFolderError: The file is absent or unreadable.
        ManifestError: It does not fit the schema.
    """
    try:
        plain = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Audit.model_validate_json(json.dumps(plain))  # JSON has no tuples: lists are taken for them
    except (OSError, UnicodeDecodeError) as error:
        raise RunFolderError(f"{path}: cannot be read as thresholds of the accounts ({error}).") from error
    except yaml.YAMLError as error:
        raise ManifestError(f"{path}: not YAML of plain values: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ManifestError(f"{path}: {first['msg']}, got {first['input']!r}", f"audit.{key}") from None
