"""Which file a manifest key stands in: the command line, the task's file or a config group's."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from surefoot import labs
from surefoot.reading import Refused, parse_yaml, read_text

TASKS = "tasks"

Key = tuple[int | str, ...]


@dataclass(frozen=True)
class Source:
    """Where the plain data of a manifest came from.

    Attributes:
        name: The one place to blame, when the data was read from one file.
        root: Folder of `tasks/` and the config groups.
        task: Name of the primary config in `tasks/`.
        overrides: Command-line overrides.
    """

    name: str = "manifest"
    root: Path | None = None
    task: str = ""
    overrides: tuple[str, ...] = ()

    def of(self, key: Key) -> str:
        """The command line or the file that `key` comes from; of files, the one that spells most of it."""
        if self.root is None:
            return self.name
        chosen: dict[str, str] = {}
        dotted = ".".join(str(part) for part in key)
        for text in self.overrides:
            name, _, value = text.partition("=")
            name = name.strip().lstrip("+~")
            if any(os.path.isdir(folder / name) for folder in labs.folders(self.root)):
                chosen[name] = value
            elif dotted and (dotted == name or dotted.startswith(f"{name}.") or name.startswith(f"{dotted}.")):
                return "command line"
        primary = labs.find(self.root, f"{TASKS}/{self.task}.yaml") or self.root / TASKS / f"{self.task}.yaml"
        files = _files(primary, (), self.root, chosen)
        return str(max(files, key=lambda file: _depth(file, key)).path)


@dataclass(frozen=True)
class _File:
    path: Path
    mount: Key
    body: dict[str, Any]


def _files(path: Path, mount: Key, root: Path, chosen: dict[str, str]) -> list[_File]:
    """A config file and those in its defaults list, the one that wins first."""
    body = load_mapping(path)
    out = [_File(path, mount, body)]
    entries = body.get("defaults")
    if not isinstance(entries, list):
        return out
    for entry in reversed(cast("list[Any]", entries)):
        if isinstance(entry, dict):
            group, option = next(iter(cast("dict[str, Any]", entry).items()))
            group = str(group).removeprefix("override ").strip("/")
            below = labs.find(root, f"{group}/{chosen.get(group, option)}.yaml")
            mounted: Key = tuple(group.split("/"))
        elif entry != "_self_":
            below, mounted = path.parent / f"{entry}.yaml", mount
        else:
            continue
        if below is not None and below.is_file() and below != path:
            out += _files(below, mounted, root, chosen)
    return out


def _depth(file: _File, key: Key) -> int:
    """How many parts of `key` the file spells."""
    if key[: len(file.mount)] != file.mount:
        return 0
    here: Any = file.body
    depth = len(file.mount)
    for part in key[len(file.mount) :]:
        if isinstance(here, dict) and part in here:
            here = cast("dict[Any, Any]", here)[part]
        elif isinstance(here, list) and isinstance(part, int) and part < len(cast("list[Any]", here)):
            here = cast("list[Any]", here)[part]
        else:
            break
        depth += 1
    return depth


def load_mapping(path: Path) -> dict[str, Any]:
    """A YAML file's mapping, or an empty one where it has none."""
    try:
        loaded: Any = parse_yaml(read_text(path), aliases=True)
    except (OSError, Refused):
        return {}
    return cast("dict[str, Any]", loaded) if isinstance(loaded, dict) else {}
