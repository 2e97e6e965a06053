"""Panels from files: what they say, what is refused, and what their hash covers."""

from pathlib import Path

import pytest
import yaml

from scripted_panel import START, WHY, panel_of
from surefoot.errors import PanelError, UnknownName
from surefoot.evaluation.panel import Panel
from surefoot.evaluation.panel_files import load_panel, panel_names, read_panel
from surefoot_tasks import manifest_root

PLAIN = {
    "schema_version": 1, "name": "small_v1", "why": "a panel that a test made for itself", "robots": ["unitree_go1"],
    "seed": 0, "replicates": 2, "duration": 4.0, "warm_up": 1.0,
    "success": {"lin_vel_error": 0.3, "yaw_rate_error": 0.3}, "start": START,
    "nominal": {"friction": 0.8, "commands": [[0, 0.5, 0, 0]]},
    "cells": {"a": {"why": WHY}, "b": {"why": WHY, "friction": 0.3}},
}  # fmt: skip


def changed(**changes) -> dict:
    return PLAIN | changes


def with_cell(**cell) -> dict:
    return changed(cells={"a": {"why": WHY} | cell})


def test_cells_inherit_what_is_nominal():
    panel = read_panel(PLAIN)
    assert (panel.cells["a"].friction, panel.cells["b"].friction) == (0.8, 0.3)
    assert panel.cells["b"].commands == ((0.0, 0.5, 0.0, 0.0),)
    assert panel.num_envs == 4


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        (with_cell(fricton=0.3), "cells.a.fricton: unknown key. Did you mean 'friction'?"),
        (with_cell(kicks=[{"at": 1.0, "impulse": 3}]), "cells.a.kicks.0.impulse: unknown key"),
        (with_cell(terrain={"kind": "stairs_up", "dificulty": 0.5}), "terrain.dificulty: unknown key. Did you mean"),
        (changed(replicate=3), "replicate: unknown key. Did you mean 'replicates'?"),
        (changed(replicates=0), "replicates: input should be greater than 0, got 0"),
        (changed(replicates=2.5), "replicates: "),
        (changed(cells={}), "cells: dictionary should have at least 1 item"),
        (changed(cells=[]), "cells: expected a mapping"),
        (changed(cells={"a": None}), "cells.a: expected a mapping with at least `why`"),
        (changed(cells={"a": {}}), "cells.a.why: missing key"),
        (changed(cells={"1": {"why": WHY}, 1: {"why": WHY, "friction": 0.3}}), "cells.1: two cells have this name"),
        (changed(cells={"a": {"why": "because"}}), "cells.a.why: string should have at least 20"),
        (changed(robots=[]), "robots: "),
        (changed(duration=float("nan")), "duration: "),
        (changed(warm_up=4.0), "warm_up: expected less than the duration of 4 s, got 4"),
        (changed(schema_version=2), "schema_version: "),
        (changed(success={"lin_vel_error": 0.0, "yaw_rate_error": 1}), "success.lin_vel_error: "),
        (changed(start={**START, "yaw": [1, -1]}), "start.yaw: expected [low, high]"),
        (with_cell(friction="0.3"), "cells.a.friction: "),
        (with_cell(friction=0.0), "cells.a.friction: "),
        (with_cell(motor_strength=float("inf")), "cells.a.motor_strength: "),
        (with_cell(commands=[]), "cells.a.commands: "),
        (with_cell(commands=[[1, 0, 0, 0]]), "cells.a.commands.0: expected the first entry at 0 s, got 1 s"),
        (with_cell(commands=[[0, 0, 0, 0], [0, 1, 0, 0]]), "cells.a.commands.1: expected ascending times"),
        (with_cell(commands=[[0, 0, 0]]), "cells.a.commands.0.3: missing key"),
        (with_cell(commands=[[0, 0, 0, 0], [9, 1, 0, 0]]), "cells.a: something happens at 9 s, after 4 s"),
        (with_cell(kicks=[{"at": 5.0, "lin_vel": 1.0}]), "cells.a: something happens at 5 s"),
        (
            with_cell(kicks=[{"at": 2.0, "lin_vel": 1.0}, {"at": 1.0, "lin_vel": 1.0}]),
            "cells.a.kicks: expected ascending times",
        ),
        (with_cell(kicks=[{"at": 2.0}]), "cells.a.kicks.0.lin_vel: a kick that changes nothing"),
        (with_cell(payload_y=0.1), "cells.a.payload_y: does nothing without payload_mass, which is 0"),
        (with_cell(push_strength=2.0), "cells.a.push_strength: has nothing to scale: the cell has no kicks"),
        (with_cell(link_mass=0.0), "cells.a.link_mass: expected values > 0, got 0"),
        (with_cell(control_delay=-0.01), "cells.a.control_delay: expected values >= 0, got -0.01"),
        (with_cell(terrain={"kind": "plane", "difficulty": 0.5}), "terrain.kind: a plane has no difficulty"),
        (changed(cells={"a": {"why": WHY}, "b": {"why": WHY + " again"}}), "cells.b: has the conditions of 'a'"),
    ],
)
def test_nonsense_is_refused_with_its_key(plain: dict, message: str):
    with pytest.raises(PanelError) as caught:
        read_panel(plain, "small.yaml")
    assert "small.yaml: " in str(caught.value) and message in str(caught.value)


def write(folder: Path, plain: dict, name: str = "small_v1.yaml") -> Path:
    path = folder / name
    path.write_text(yaml.safe_dump(plain))
    return path


def test_files_and_names(tmp_path: Path):
    assert load_panel(write(tmp_path, PLAIN), manifest_root()).name == "small_v1"
    shipped = yaml.safe_load((manifest_root() / "panels" / "quick_v1.yaml").read_text())
    assert load_panel(write(tmp_path, shipped, "quick_v1.yaml"), manifest_root()).name == "quick_v1"
    easier = shipped | {"success": {"lin_vel_error": 3.0, "yaw_rate_error": 3.0}}
    with pytest.raises(PanelError, match="'quick_v1' is a shipped panel with other cells or numbers"):
        load_panel(write(tmp_path, easier, "quick_v1.yaml"), manifest_root())
    with pytest.raises(PanelError, match="name: expected 'other_v1', as the file is called, got 'small_v1'"):
        load_panel(write(tmp_path, PLAIN, "other_v1.yaml"), manifest_root())
    with pytest.raises(UnknownName, match="Did you mean 'quick_v1'"):
        load_panel("quick_v2", manifest_root())
    with pytest.raises(PanelError, match="cannot be read"):
        load_panel(tmp_path / "absent.yaml", manifest_root())
    with pytest.raises(UnknownName):
        load_panel("../../etc/passwd", manifest_root())


@pytest.mark.parametrize(
    "text", ["a: [", "!!python/object/apply:os.system ['true']", "- 1", "a: 1\na: 2", "a: &b 1\nc: *b"]
)
def test_files_that_are_not_plain_yaml_are_refused(tmp_path: Path, text: str):
    path = tmp_path / "bad_v1.yaml"
    path.write_text(text)
    with pytest.raises(PanelError, match=r"bad_v1\.yaml: "):
        load_panel(path, manifest_root())


def test_the_hash_covers_what_is_measured_and_not_what_is_said_about_it():
    panel = read_panel(PLAIN)
    assert len(panel.sha256) == 64
    backwards = changed(cells=dict(reversed(PLAIN["cells"].items())))
    spelled = changed(nominal={}, cells={n: PLAIN["nominal"] | cell for n, cell in PLAIN["cells"].items()})
    longer = {n: cell | {"why": WHY * 2} for n, cell in PLAIN["cells"].items()}
    retold = changed(why="another reason, told at length", cells=longer)
    assert read_panel(backwards).sha256 == read_panel(spelled).sha256 == read_panel(retold).sha256 == panel.sha256
    others = [
        changed(seed=1), changed(replicates=3), changed(duration=5.0), changed(warm_up=0.5), changed(name="other"),
        changed(success={"lin_vel_error": 0.2, "yaw_rate_error": 0.3}), changed(start=START | {"yaw": [0, 1]}),
        changed(cells={"a": {"why": WHY}, "b": {"why": WHY, "friction": 0.31}}),
        changed(cells={"a": {"why": WHY}, "c": {"why": WHY, "friction": 0.3}}),
    ]  # fmt: skip
    hashes = [read_panel(other).sha256 for other in others]
    assert panel.sha256 not in hashes and len(set(hashes)) == len(others)


def test_a_cell_is_its_conditions_in_whatever_panel_it_stands():
    one, two = panel_of({"a": {}, "b": {"friction": 0.4}}), panel_of({"x": {"friction": 0.4}}, steps=50)
    assert one.cells["b"].sha256 == two.cells["x"].sha256 != one.cells["a"].sha256


def shipped() -> list[Panel]:
    return [load_panel(name, manifest_root()) for name in panel_names(manifest_root())]


FROZEN: dict[str, str] = {
    "command_grid_v3": "456427dd6465c8284311843fcbc47d27089065b48e568141b09ff3c2560f0a89",
    "locomotion_v1": "0af7e423b4ef4e6aa987a69a765b973f0ec8be5081dda6f8c050aa604d72bd1d",
    "quick_v1": "ee9a4496bead5a9c0fbc6096b3dac6158e1d6d1eceee9fe24bd0e7af22f50f3f",
}
"""SHA-256 of the panels that were released: results are compared by it. A change needs a new name, not a new hash."""


def test_the_shipped_panels_are_frozen():
    assert {panel.name: panel.sha256 for panel in shipped()} == FROZEN


def test_what_the_shipped_panels_cover():
    panels = {panel.name: panel for panel in shipped()}
    assert len(panels["locomotion_v1"].cells) >= 60 and 10 <= len(panels["quick_v1"].cells) <= 14
    cells = panels["locomotion_v1"].cells.values()
    nominal = panels["locomotion_v1"].cells["nominal"].conditions
    changes = [{key for key, value in cell.conditions.items() if value != nominal[key]} for cell in cells]
    alone = set().union(*(change for change in changes if len(change) == 1))
    assert alone >= {"terrain", "friction", "payload_mass", "motor_strength", "control_delay", "observation_delay",
                     "noise_level", "sensor_bias", "kicks", "commands"}  # fmt: skip
    assert sum(len(change) >= 3 for change in changes) >= 6, "the worst corners"
    assert len({cell.why for cell in cells}) == len(cells)


def test_docs_say_why_each_cell_is_there():
    text = (manifest_root().parent / "docs" / "panels.md").read_text()
    for panel in shipped():
        assert panel.sha256 in text and panel.why in text, panel.name
        for name, cell in panel.cells.items() if not panel.drawn else ():  # the name of a drawn cell is its command
            assert f"| `{name}` |" in text and cell.why in text, name
