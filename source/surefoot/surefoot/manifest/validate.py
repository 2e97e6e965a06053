"""From plain data to a `Manifest`, or an error that names file, key, expectation and nearest name."""

from pathlib import Path
from typing import Any, cast, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from surefoot.errors import ManifestError, did_you_mean
from surefoot.manifest.manifest import Manifest


def validate(
    plain: dict[str, Any],
    *,
    root: Path | None = None,
    task: str | None = None,
    overrides: list[str] | None = None,
    source: str | None = None,
) -> Manifest:
    """Check plain data against the schema and the term functions.

    Args:
        plain: Nested dicts, lists and numbers.
        root: Folder of the config groups; used to name the file a bad key stands in.
        task: Task whose file is the primary config.
        overrides: Command-line overrides, for the same purpose.
        source: Name to blame when the data comes from one file.

    Raises:
        ManifestError: With one line for each problem.
    """
    from surefoot.mdp.check import check_terms  # terms need the schema's classes

    try:
        manifest = Manifest.model_validate(plain)
    except ValidationError as error:
        lines = [_explain(detail, root, task, overrides or [], source) for detail in error.errors()]
        raise ManifestError("\n".join(dict.fromkeys(lines))) from None
    check_terms(manifest)
    return manifest


def _explain(
    detail: ErrorDetails, root: Path | None, task: str | None, overrides: list[str], source: str | None
) -> str:
    path = tuple(part for part in detail["loc"])
    key = ".".join(str(part) for part in path)
    where = source or _where(path, root, task, overrides)
    prefix = f"{where}: {key}: " if key else f"{where}: "
    if detail["type"] == "extra_forbidden":
        return f"{prefix}unknown key. {did_you_mean(str(path[-1]), _known_keys(path[:-1]))}"
    if detail["type"] == "missing":
        return f"{prefix}missing key; it has no default"
    message = detail["msg"].removeprefix("Value error, ")
    got = "" if detail["type"] == "value_error" else f", got {detail['input']!r}"
    return f"{prefix}{message[0].lower()}{message[1:]}{got}"


def _known_keys(path: tuple[int | str, ...]) -> list[str]:
    """Keys of the schema at `path`."""
    here: Any = Manifest
    for part in path:
        if isinstance(here, type) and issubclass(here, BaseModel):
            here = here.model_fields[str(part)].annotation
        else:
            here = next((arg for arg in get_args(here)[::-1] if arg is not Ellipsis), None)
    return list(here.model_fields) if isinstance(here, type) and issubclass(here, BaseModel) else []


def _where(path: tuple[int | str, ...], root: Path | None, task: str | None, overrides: list[str]) -> str:
    """The command line or the YAML file that a key path comes from."""
    dotted = ".".join(str(part) for part in path)
    for text in overrides:
        name = text.split("=", 1)[0].lstrip("+~")
        if name and (dotted == name or dotted.startswith(name + ".") or name.startswith(dotted + ".")):
            return "command line"
    if root is None or task is None:
        return "manifest"
    primary = root / "tasks" / f"{task}.yaml"
    if not path:
        return str(primary)
    body = _load(primary)
    if _has(body, path):
        return str(primary)
    group = str(path[0])
    for entry in cast("list[Any]", body.get("defaults", [])):
        if isinstance(entry, dict) and f"/{group}" in entry:
            option = cast("dict[str, str]", entry)[f"/{group}"]
            chosen = next((text.split("=", 1)[1] for text in overrides if text.split("=", 1)[0] == group), option)
            return str(root / group / f"{chosen}.yaml")
    return str(primary)


def _has(body: Any, path: tuple[int | str, ...]) -> bool:
    for part in path[:1]:
        if not isinstance(body, dict) or part not in body:
            return False
    return True


def _load(path: Path) -> dict[str, Any]:
    try:
        loaded: Any = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError):
        return {}
    return cast("dict[str, Any]", loaded) if isinstance(loaded, dict) else {}
