"""Panels from files: found by name, merged with what their cells share, checked."""

from pathlib import Path
from typing import Any, cast

from surefoot import labs
from surefoot.errors import PanelError, did_you_mean, unknown_name
from surefoot.evaluation.panel import Panel
from surefoot.manifest.document import check, read_yaml

FOLDER = "panels"
MAX_CHAIN = 8
"""Panels that extend one another: each is a file to read, from whoever wrote it."""


def panel_names(manifests: Path) -> list[str]:
    """Panels that have a name, shipped ones and those of labs, sorted."""
    return labs.stems(manifests, FOLDER)


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
        named = labs.find(manifests, f"{FOLDER}/{panel}.yaml") if str(panel) == path.name else None
        if named is None:
            raise unknown_name("Panel", str(panel), panel_names(manifests))
        path = named
    return _load(path, manifests, ())[1]


def _load(path: Path, manifests: Path, heirs: tuple[str, ...]) -> tuple[dict[str, Any], Panel]:
    """A panel, and the plain data that it would be if its file spelled out what it extends.

    Args:
        path: Its file.
        manifests: Folder of the manifests.
        heirs: Names of the panels that extend it, the nearest last.
    """
    plain = read_yaml(path, PanelError)
    if not isinstance(plain, dict):
        raise PanelError(f"{path}: expected a mapping, got {type(plain).__name__}")
    plain = cast("dict[str, Any]", plain)
    if "extends" in plain:
        base, parent = _load(_parent_file(plain["extends"], path, manifests, heirs), manifests, (*heirs, path.stem))
        plain = _extended(base, plain, path)
        plain["extends"] = {"name": parent.name, "sha256": parent.sha256}
    elif "without" in plain:
        raise PanelError(f"{path}: without: takes cells from the panel that `extends` names, which is absent")
    found = read_panel(plain, str(path))
    if found.name != path.stem:
        raise PanelError(f"{path}: name: expected {path.stem!r}, as the file is called, got {found.name!r}")
    shipped = labs.find(manifests, f"{FOLDER}/{found.name}.yaml")
    if shipped and not shipped.samefile(path) and load_panel(found.name, manifests).sha256 != found.sha256:
        raise PanelError(
            f"{path}: name: {found.name!r} is a shipped panel with other cells or numbers. "
            "A panel is frozen: a changed one gets a new name."
        )
    return plain, found


def _parent_file(parent: Any, path: Path, manifests: Path, heirs: tuple[str, ...]) -> Path:
    """A shipped panel, or a file beside the one that extends it; a name only, so that no file elsewhere is read."""
    if not isinstance(parent, str):
        raise PanelError(f"{path}: extends: expected the name of a panel, got {parent!r}")
    chain = (*heirs, path.stem)
    if parent == path.stem:
        raise PanelError(f"{path}: extends: {parent!r} is this panel's own name. An extension gets a new name.")
    if parent in chain:
        circle = " extends ".join((*chain[chain.index(parent) :], parent))
        raise PanelError(f"{path}: extends: a circle: {circle}")
    if len(chain) >= MAX_CHAIN:
        raise PanelError(f"{path}: extends: more than {MAX_CHAIN} panels in a chain; write out one of them.")
    named = {name: labs.find(manifests, f"{FOLDER}/{name}.yaml") for name in panel_names(manifests)}
    known = {name: found for name, found in named.items() if found is not None}
    known = {beside.stem: beside for beside in path.parent.glob("*.yaml") if beside.stem != path.stem} | known
    if parent not in known:
        raise PanelError(f"{path}: extends: no panel {parent!r}, shipped or beside. {did_you_mean(parent, known)}")
    return known[parent]


def _extended(base: dict[str, Any], plain: dict[str, Any], path: Path) -> dict[str, Any]:
    """Plain data with those of the panel that is extended underneath.

    Header and reasons are never inherited: whoever writes a panel or touches a cell says why.
    """
    found = {key: value for key, value in base.items() if key not in ("schema_version", "name", "why", "extends")}
    for key, value in plain.items():
        under = found.get(key)
        mergeable = key in ("nominal", "start", "success") and isinstance(value, dict) and isinstance(under, dict)
        found[key] = cast("dict[str, Any]", under) | value if mergeable else value
    cells: dict[str, Any] = dict(base["cells"])
    own, without = plain.get("cells", {}), found.pop("without", [])
    if not isinstance(own, dict):
        raise PanelError(f"{path}: cells: expected a mapping")
    if not isinstance(without, list) or not all(isinstance(name, str) for name in cast("list[Any]", without)):
        raise PanelError(f"{path}: without: expected a list of cells, got {without!r}")
    for name in cast("list[str]", without):
        if name in own:
            raise PanelError(f"{path}: without: {name!r} is taken out here and stands in `cells` too")
        if name not in base["cells"]:
            raise PanelError(
                f"{path}: without: no cell {name!r} in {plain['extends']!r}. {did_you_mean(name, base['cells'])}"
            )
        if name not in cells:
            raise PanelError(f"{path}: without: {name!r} is named twice")
        del cells[name]
    for name, cell in cast("dict[str, Any]", own).items():
        if isinstance(cell, dict) and name in cells:
            inherited = {key: value for key, value in cells[name].items() if key != "why"}
            cells[name] = inherited | cast("dict[str, Any]", cell)
        else:
            cells[name] = cell
    return found | {"cells": cells}


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
    return check(plain | {"cells": merged}, Panel, source, PanelError, further=("nominal", "without"))
