"""From plain data to a `Manifest`, or an error that names file, key, expectation and nearest name."""

import json
from types import NoneType
from typing import Any, cast, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from surefoot.errors import ManifestError, did_you_mean
from surefoot.manifest.base import KeyedError
from surefoot.manifest.manifest import Manifest
from surefoot.manifest.origin import Key, Source


def validate(plain: dict[str, Any], source: Source | str = "manifest") -> Manifest:
    """Check plain data against the schema and the term functions.

    Args:
        plain: Nested dicts, lists and numbers.
        source: Where the data came from, to name the file a bad key stands in.

    Raises:
        ManifestError: With one line for each problem.
    """
    from surefoot.mdp.check import term_problems  # terms need the schema's classes

    source = Source(source) if isinstance(source, str) else source
    try:
        # Strict JSON mode: lists are tuples and whole numbers are floats, but no text or bool is a number.
        manifest = Manifest.model_validate_json(json.dumps(_with_mappings(plain, source), default=str))
    except ValidationError as error:
        lines = [_explain(detail, source) for detail in error.errors()]
        raise ManifestError("\n".join(dict.fromkeys(lines))) from None
    problems = term_problems(manifest)
    if problems:
        lines = [f"{source.of(_split(problem.key))}: {problem}" for problem in problems]
        raise ManifestError("\n".join(lines), key="")
    return manifest


def _with_mappings(value: Any, source: Source, key: str = "") -> Any:
    """Turn the lists of [name, entry] pairs, which canonical JSON holds for ordered mappings, into mappings."""
    if isinstance(value, dict):
        entries = cast("dict[Any, Any]", value).items()
        return {name: _with_mappings(item, source, f"{key}.{name}".lstrip(".")) for name, item in entries}
    if not isinstance(value, list):
        return value
    items = cast("list[Any]", value)
    if not items or not all(map(_is_pair, items)):
        return [_with_mappings(item, source, f"{key}.{index}") for index, item in enumerate(items)]
    out = {pair[0]: _with_mappings(pair[1], source, f"{key}.{pair[0]}") for pair in items}
    if len(out) < len(items):
        raise ManifestError(f"{source.of(_split(key))}: {key}: expected every name once")
    return out


def _is_pair(value: Any) -> bool:
    if not isinstance(value, list):
        return False
    items = cast("list[Any]", value)
    return len(items) == 2 and isinstance(items[0], str)


def _explain(detail: ErrorDetails, source: Source) -> str:
    path: Key = detail["loc"]
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, KeyedError):
        path += _split(cause.key)
    key = ".".join(str(part) for part in path)
    prefix = f"{source.of(path)}: {key}: " if key else f"{source.of(path)}: "
    if detail["type"] == "extra_forbidden":
        return f"{prefix}unknown key. {did_you_mean(str(path[-1]), known_keys(path[:-1]))}"
    if detail["type"] == "missing":
        return f"{prefix}missing key; it has no default"
    message = detail["msg"].removeprefix("Value error, ")
    got = "" if detail["type"] == "value_error" else f", got {detail['input']!r}"
    return f"{prefix}{message[0].lower()}{message[1:]}{got}"


def _split(key: str) -> Key:
    return tuple(int(part) if part.isdigit() else part for part in key.split(".")) if key else ()


def known_keys(path: Key) -> list[str]:
    """Keys of the schema at `path`; none where a mapping takes names of its user's choice."""
    here: Any = Manifest
    for part in path:
        if isinstance(here, type) and issubclass(here, BaseModel):
            here = here.model_fields[str(part)].annotation
            if NoneType in get_args(here):  # an optional section
                here = next(arg for arg in get_args(here) if arg is not NoneType)
        else:
            here = next((arg for arg in get_args(here)[::-1] if arg is not Ellipsis), None)
    return list(here.model_fields) if isinstance(here, type) and issubclass(here, BaseModel) else []
