"""Panels from files: found by name, merged with what their cells share, checked."""

import json
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from surefoot.errors import PanelError, did_you_mean, unknown_name
from surefoot.evaluation.panel import Cell, Ground, Kick, Panel, Start, Success
from surefoot.manifest.base import KeyedError
from surefoot.manifest.store import PlainLoader

FOLDER = "panels"


def panel_names(manifests: Path) -> list[str]:
    """Shipped panels, sorted."""
    return sorted(path.stem for path in (manifests / FOLDER).glob("*.yaml"))


def load_panel(panel: str | Path, manifests: Path) -> Panel:
    """Read a panel.

    Args:
        panel: A name in `manifests/panels`, or the path of a YAML file.
        manifests: Folder of the manifests.

    Raises:
        UnknownName: No such panel.
        PanelError: The file is absent, not YAML, or does not fit the schema; one line for each problem.
    """
    path = Path(panel)
    if path.suffix not in (".yaml", ".yml"):
        names = panel_names(manifests)
        if str(panel) not in names:
            raise unknown_name("Panel", str(panel), names)
        path = manifests / FOLDER / f"{panel}.yaml"
    found = read_panel(_plain(path), str(path))
    if found.name != path.stem:
        raise PanelError(f"{path}: name: expected {path.stem!r}, as the file is called, got {found.name!r}")
    shipped = manifests / FOLDER / f"{found.name}.yaml"
    if shipped.is_file() and not shipped.samefile(path) and load_panel(found.name, manifests).sha256 != found.sha256:
        raise PanelError(
            f"{path}: name: {found.name!r} is a shipped panel with other cells or numbers. "
            "A panel is frozen: a changed one gets a new name."
        )
    return found


def read_panel(plain: dict[str, Any], source: str = "panel") -> Panel:
    """Check plain data; `nominal` goes into every cell that does not say otherwise.

    Raises:
        PanelError: One line for each problem, with its key.
    """
    plain = dict(plain)
    nominal = plain.pop("nominal", {})
    cells = plain.get("cells")
    if not isinstance(nominal, dict) or not isinstance(cells, dict):
        raise PanelError(f"{source}: {'cells' if isinstance(nominal, dict) else 'nominal'}: expected a mapping")
    merged: dict[str, Any] = {}
    for name, cell in cast("dict[str, Any]", cells).items():
        if not isinstance(cell, dict):
            raise PanelError(f"{source}: cells.{name}: expected a mapping with at least `why`, got {cell!r}")
        if str(name) in merged:
            raise PanelError(f"{source}: cells.{name}: two cells have this name")
        merged[str(name)] = cast("dict[str, Any]", nominal) | cast("dict[str, Any]", cell)
    try:
        return Panel.model_validate_json(json.dumps(plain | {"cells": merged}, default=str))
    except ValidationError as error:
        lines = [f"{source}: {_explain(detail)}" for detail in error.errors()]
        raise PanelError("\n".join(dict.fromkeys(lines))) from None


def _plain(path: Path) -> dict[str, Any]:
    try:
        loaded: Any = yaml.load(path.read_text(encoding="utf-8"), Loader=PlainLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise PanelError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error}).") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise PanelError(f"{path}: not YAML of plain values: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(loaded, dict):
        raise PanelError(f"{path}: expected a mapping, got {type(loaded).__name__}")
    return cast("dict[str, Any]", loaded)


def _explain(detail: ErrorDetails) -> str:
    path = detail["loc"]
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, KeyedError):
        path += tuple(cause.key.split("."))
    key = ".".join(str(part) for part in path)
    if detail["type"] == "extra_forbidden":
        return f"{key}: unknown key. {did_you_mean(str(path[-1]), _keys_beside(path))}"
    if detail["type"] == "missing":
        return f"{key}: missing key; it has no default"
    message = detail["msg"].removeprefix("Value error, ")
    got = "" if detail["type"] == "value_error" else f", got {detail['input']!r}"
    return f"{key}: {message[0].lower()}{message[1:]}{got}"


def _keys_beside(path: tuple[int | str, ...]) -> list[str]:
    """Keys that the section of a wrong one has."""
    section: type[BaseModel] = Panel
    if path[0] == "cells" and len(path) > 2:
        section = {"terrain": Ground, "kicks": Kick}.get(str(path[2]), Cell) if len(path) > 3 else Cell
    elif len(path) > 1:
        section = {"start": Start, "success": Success}.get(str(path[0]), Panel)
    return [*section.model_fields, *(["nominal"] if section is Panel else [])]
