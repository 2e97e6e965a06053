"""docs/panels.md has every key of a cell, and an example of an extension that is one."""

import re

from surefoot.evaluation.panel import Cell
from surefoot.evaluation.panel_files import load_panel
from surefoot_tasks import manifest_root


def test_every_key_of_a_cell_is_documented():
    text = (manifest_root().parent / "docs" / "panels.md").read_text()
    rows = re.findall(r"^\| `cells\.<name>\.([a-z_]+)(?:`|\.|\[)[^|]*\|", text, flags=re.MULTILINE)
    axes = re.findall(r"^\| `cells\.<name>\.([a-z_]+)_x`, `_y`, `_z` \|", text, flags=re.MULTILINE)
    assert {*rows, *(f"{name}_{axis}" for name in axes for axis in "yz")} == set(Cell.model_fields)


def test_the_example_of_an_extension_is_one(tmp_path):
    text = (manifest_root().parent / "docs" / "panels.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    (tmp_path / "quick_stiff_v1.yaml").write_text(example)
    panel, quick = (load_panel(name, manifest_root()) for name in (tmp_path / "quick_stiff_v1.yaml", "quick_v1"))
    assert set(panel.cells) == set(quick.cells) - {"worst"} | {"stiff"} and panel.cells["fast"] != quick.cells["fast"]
