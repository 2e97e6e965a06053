"""What the files of a task may say to Hydra: values, and which other files; nothing that Hydra would import or run."""

import re
from pathlib import Path
from typing import Any, cast

from surefoot import labs
from surefoot.errors import ManifestError
from surefoot.reading import MAX_DOCUMENT, Refused, parse_yaml, read_text

MAX_FILES = 200
"""Files that one task is composed of; shipped ones have 13. A file that is named twice counts twice."""
_MAX_BYTES = MAX_DOCUMENT // 4
_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_ENTRY = re.compile(rf"(override |optional )?/?{_NAME}(/{_NAME})*")
_PACKAGE = re.compile(r"^\s*#\s*@package\s+(?!_global_\s*$|_group_\s*$).*$", re.MULTILINE)


def check_files(primary: Path, root: Path, chosen: dict[str, str]) -> None:
    """Refuse, before Hydra reads them, files of a task that are too large or speak to Hydra itself.

    Args:
        primary: The task's file.
        root: Folder of the config groups.
        chosen: Options from the command line, by group.

    Raises:
        ManifestError: One line with the file.
    """
    waiting, count = [primary], 0
    while waiting:
        path = waiting.pop()
        count += 1
        if count > MAX_FILES:
            raise ManifestError(f"{primary}: defaults: more than {MAX_FILES} files; do they name each other?")
        waiting += _named(path, _checked(path), root, chosen)


def _checked(path: Path) -> dict[str, Any]:
    try:
        text = read_text(path, _MAX_BYTES)
    except (OSError, Refused) as error:
        raise ManifestError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    try:
        body = parse_yaml(text, _MAX_BYTES, aliases=True)
    except Refused as error:
        raise ManifestError(f"{path}: not YAML of plain values: {error}") from None
    if found := _PACKAGE.search(text):
        raise ManifestError(f"{path}: {found[0].strip()[:80]!r}: values stand where their folder says; remove the line")
    if body is not None and not isinstance(body, dict):
        raise ManifestError(f"{path}: expected a mapping, got {type(body).__name__}")
    mapping = cast("dict[Any, Any]", body or {})
    if other := next((key for key in mapping if not isinstance(key, str)), None):
        raise ManifestError(f"{path}: expected names as keys, got {other!r:.80}")
    if "hydra" in mapping:
        raise ManifestError(f"{path}: hydra: a file says nothing to Hydra itself, which imports what is named; drop it")
    # What stands for other text may grow without end, and reads the environment.
    if key := _interpolated(mapping):
        raise ManifestError(f"{path}: {key}: expected a plain value, got an interpolation (${{...}}); write it out")
    return mapping


def _interpolated(value: Any, key: str = "") -> str:
    """The first key with `${` in it or its value; empty where there is none."""
    if isinstance(value, dict):
        entries = [(f"{key}.{name}".lstrip("."), item) for name, item in cast("dict[Any, Any]", value).items()]
        found = next((name for name, _ in entries if "${" in name), "")
        return found or next(filter(None, (_interpolated(item, name) for name, item in entries)), "")
    if isinstance(value, list):
        items = enumerate(cast("list[Any]", value))
        return next(filter(None, (_interpolated(item, f"{key}.{index}") for index, item in items)), "")
    return key if isinstance(value, str) and "${" in value else ""


def _named(path: Path, body: dict[str, Any], root: Path, chosen: dict[str, str]) -> list[Path]:
    """Files of a defaults list that are there; Hydra says what is missing."""
    entries = body.get("defaults", [])
    if not isinstance(entries, list):
        raise ManifestError(f"{path}: defaults: expected a list, got {type(entries).__name__}")
    out: list[Path] = []
    for entry in cast("list[Any]", entries):
        group, options = next(iter(cast("dict[Any, Any]", entry).items()), ("", "")) if _is_pair(entry) else ("", entry)
        names: list[Any] = cast("list[Any]", options) if isinstance(options, list) else [options]
        for name in [*([group] if group else []), *names]:
            if name is not None and not (isinstance(name, str) and _ENTRY.fullmatch(name) and len(name) <= 200):
                raise ManifestError(f"{path}: defaults: expected names of files and groups, got {entry!r:.120}")
        below = str(group).removeprefix("override ").removeprefix("optional ").strip("/")
        if below.split("/")[0] == "hydra" or any(str(name).strip("/").split("/")[0] == "hydra" for name in names):
            raise ManifestError(f"{path}: defaults: a file says nothing to Hydra itself; remove {entry!r:.120}")
        for name in names:
            if below:
                places = [
                    labs.find(root, f"{below}/{chosen.get(below, name)}.yaml"),
                    path.parent / below / f"{name}.yaml",
                ]
            elif name not in (None, "_self_"):
                places = [path.parent / f"{name}.yaml", labs.find(root, f"{str(name).strip('/')}.yaml")]
            else:
                continue
            out += [file for file in dict.fromkeys(places) if file is not None and file.is_file() and file != path]
    return out


def _is_pair(entry: Any) -> bool:
    return isinstance(entry, dict) and len(cast("dict[Any, Any]", entry)) == 1
