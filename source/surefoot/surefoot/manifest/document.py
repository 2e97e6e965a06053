"""Documents with a schema: YAML of plain values read strictly, problems told by file and key, hashed canonically."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from surefoot import reading
from surefoot.errors import ManifestError, SurefootError, did_you_mean
from surefoot.manifest.base import KeyedError, Section
from surefoot.reading import Refused, read_text

S = TypeVar("S", bound=BaseModel)
Key = tuple[int | str, ...]
_MAX_PROBLEMS = 40


def read_document(path: Path, schema: type[S]) -> S:
    """Read a YAML file of plain values, each key once, no aliases, and check it against a schema.

    Raises:
        ManifestError: Absent, not such YAML, or it does not fit: one line for each problem, with file and key.
    """
    return check(read_yaml(path), schema, str(path))


def read_yaml(path: Path, error: type[SurefootError] = ManifestError) -> Any:
    """Read a YAML file of plain values, each key once, no aliases.

    Args:
        path: The file.
        error: What is raised.

    Raises:
        SurefootError: Absent, not such YAML, or too large for a document that somebody wrote.
    """
    try:
        text = read_text(path)
    except (OSError, Refused) as cause:
        raise error(f"{path}: cannot be read: {getattr(cause, 'strerror', None) or cause}.") from cause
    return parse_yaml(text, str(path), error)


def parse_yaml(text: str, source: str, error: type[SurefootError] = ManifestError) -> Any:
    """The same with a file's text."""
    try:
        return reading.parse_yaml(text)
    except Refused as cause:
        raise error(f"{source}: not YAML of plain values: {cause}") from cause


def check(
    plain: Any,
    schema: type[S],
    source: str | Callable[[Key], str],
    error: type[SurefootError] = ManifestError,
    further: Sequence[str] = (),
) -> S:
    """Check plain values against a schema.

    Args:
        plain: Nested dicts, lists and numbers.
        schema: What they have to fit.
        source: The file to blame, or the file by key.
        error: What is raised.
        further: Keys at the top that somebody took out before.

    Raises:
        SurefootError: One line for each problem, with file and key.
    """
    try:
        text = json.dumps(plain, default=str)
    except (RecursionError, TypeError, ValueError) as cause:
        where = source if isinstance(source, str) else source(())
        raise error(f"{where}: no plain values: {str(cause)[:160] or type(cause).__name__}") from None
    try:
        # Strict JSON mode: lists are tuples and whole numbers are floats, but no text or bool is a number.
        return schema.model_validate_json(text)
    except ValidationError as cause:
        lines: list[str] = []
        details = cause.errors()
        # A file may be wrong in a hundred thousand places, and the nearest name of each takes time.
        for detail in details[:_MAX_PROBLEMS]:
            key, problem = explain(detail, schema, further)
            where = source if isinstance(source, str) else source(key)
            lines.append(": ".join(filter(None, (where, ".".join(map(str, key)), problem))))
        more = len(details) - _MAX_PROBLEMS
        lines += [f"... and {more:,} more"] if more > 0 else []
        raise error("\n".join(dict.fromkeys(lines))) from None


def explain(detail: ErrorDetails, schema: type[BaseModel], further: Sequence[str] = ()) -> tuple[Key, str]:
    """The key of a problem, and what the problem is."""
    key: Key = tuple(detail["loc"])
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, KeyedError):
        key += split_key(cause.key)
    if detail["type"] == "extra_forbidden":
        known = [*keys_at(schema, key[:-1]), *(further if len(key) == 1 else ())]
        return key, f"unknown key. {did_you_mean(str(key[-1]), known)}"
    if detail["type"] == "missing":
        return key, "missing key; it has no default"
    message = detail["msg"].removeprefix("Value error, ")
    got = "" if detail["type"] == "value_error" else f", got {detail['input']!r:.120}"
    return key, f"{message[0].lower()}{message[1:]}{got}"


def split_key(key: str) -> Key:
    """The parts of a dotted key; whole numbers are places in lists."""
    return tuple(int(part) if part.isdigit() else part for part in key.split(".")) if key else ()


def keys_at(schema: Any, path: Key) -> list[str]:
    """Keys of the schema at `path`; none where a mapping takes names of its user's choice."""
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


def document_text(section: Section) -> str:
    """The document as YAML, fields in the schema's order, those at their default left out."""
    plain = section.model_dump(mode="json", exclude_defaults=True)
    return yaml.safe_dump(plain, sort_keys=False, width=120)


def document_sha256(section: Section) -> str:
    """SHA-256 of the canonical JSON: defaults spelled out, keys sorted; comments and order do not matter."""
    plain = section.model_dump(mode="json")
    return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
