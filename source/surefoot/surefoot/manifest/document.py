"""Small YAML documents with a schema of their own (trace cards, import profiles): read strictly, hashed canonically."""

import hashlib
import json
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from surefoot.errors import ManifestError, did_you_mean
from surefoot.manifest.base import KeyedError, Section
from surefoot.manifest.store import PlainLoader

S = TypeVar("S", bound=Section)
_MAX_BYTES = 4 * 1024**2


def read_document(path: Path, schema: type[S]) -> S:
    """Read a YAML file of plain values, each key once, no aliases, and check it against a schema.

    Raises:
        ManifestError: Absent, not such YAML, or it does not fit: one line for each problem, with file and key.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ManifestError(f"{path}: larger than {_MAX_BYTES // 1024**2} MiB; not a {schema.__name__}.")
        plain: Any = yaml.load(path.read_text(encoding="utf-8"), Loader=PlainLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: cannot be read ({error}).") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ManifestError(f"{path}: not YAML of plain values: {' '.join(str(error).split())[:200]}") from error
    try:
        # Strict JSON mode: lists are tuples and whole numbers are floats, but no text or bool is a number.
        return schema.model_validate_json(json.dumps(plain, default=str))
    except ValidationError as error:
        lines = [f"{path}: {_explain(detail, schema)}" for detail in error.errors()]
        raise ManifestError("\n".join(dict.fromkeys(lines))) from None


def document_text(section: Section) -> str:
    """The document as YAML, fields in the schema's order, those at their default left out."""
    plain = section.model_dump(mode="json", exclude_defaults=True)
    return yaml.safe_dump(plain, sort_keys=False, width=120)


def document_sha256(section: Section) -> str:
    """SHA-256 of the canonical JSON: defaults spelled out, keys sorted; comments and order do not matter."""
    plain = section.model_dump(mode="json")
    return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _explain(detail: ErrorDetails, schema: type[BaseModel]) -> str:
    path = tuple(detail["loc"])
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, KeyedError):
        path += tuple(cause.key.split("."))
    key = ".".join(str(part) for part in path)
    prefix = f"{key}: " if key else ""
    if detail["type"] == "extra_forbidden":
        return f"{prefix}unknown key. {did_you_mean(str(path[-1]), _keys(schema, path[:-1]))}"
    if detail["type"] == "missing":
        return f"{prefix}missing key; it has no default"
    message = detail["msg"].removeprefix("Value error, ")
    got = "" if detail["type"] == "value_error" else f", got {detail['input']!r}"
    return f"{prefix}{message[0].lower()}{message[1:]}{got}"


def _keys(schema: Any, path: tuple[int | str, ...]) -> list[str]:
    """Keys of the schema at `path`."""
    here = schema
    for part in path:
        here = _plain(here)
        if isinstance(here, type) and issubclass(here, BaseModel):
            field = here.model_fields.get(str(part))
            here = field.annotation if field else None
        else:
            here = next((arg for arg in get_args(here)[::-1] if arg is not Ellipsis), None)
    here = _plain(here)
    return list(here.model_fields) if isinstance(here, type) and issubclass(here, BaseModel) else []


def _plain(annotation: Any) -> Any:
    """The first schema of an `X | None`."""
    if get_origin(annotation) in (UnionType, Union):
        return next((arg for arg in get_args(annotation) if arg is not type(None)), None)
    return annotation
