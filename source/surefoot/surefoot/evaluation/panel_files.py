"""Panels from files: found by name, merged with what their cells share, checked."""

from pathlib import Path
from typing import Any, cast

from surefoot import labs
from surefoot.errors import PanelError, unknown_name
from surefoot.evaluation.panel import Panel
from surefoot.manifest.document import check, read_yaml

FOLDER = "panels"


def panel_names(manifests: Path) -> list[str]:
    """Panels that have a name, shipped ones and those of labs, sorted."""
    return labs.stems(manifests, FOLDER)


def load_panel(panel: str | Path, manifests: Path) -> Panel:
    """Read a panel.

    Args:
        panel: A name in `manifests/panels`, here or of a lab, or the path of a YAML file.
        manifests: Folder of the manifests.

    Raises:
        UnknownName: No such panel.
        PanelError: The file is absent, not YAML, or does not fit the schema; one line for each problem.
    """
    path = Path(panel)
    if path.suffix not in (".yaml", ".yml"):
        named = labs.find(manifests, f"{FOLDER}/{panel}.yaml") if str(panel) == path.name else None
        if named is None:
            raise unknown_name("Panel", str(panel), panel_names(manifests))
        path = named
    plain = read_yaml(path, PanelError)
    if not isinstance(plain, dict):
        raise PanelError(f"{path}: expected a mapping, got {type(plain).__name__}")
    found = read_panel(cast("dict[str, Any]", plain), str(path))
    if found.name != path.stem:
        raise PanelError(f"{path}: name: expected {path.stem!r}, as the file is called, got {found.name!r}")
    shipped = labs.find(manifests, f"{FOLDER}/{found.name}.yaml")
    if shipped and not shipped.samefile(path) and load_panel(found.name, manifests).sha256 != found.sha256:
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
    return check(plain | {"cells": merged}, Panel, source, PanelError, further=("nominal",))
