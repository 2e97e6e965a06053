"""docs/metrics.md takes its table of metrics from the code, docs/panels.md has every key of a cell."""

import re

from surefoot.evaluation.metrics import metrics_table
from surefoot.evaluation.panel import Cell
from surefoot.evaluation.panel_files import load_panel
from surefoot_tasks import manifest_root


def test_the_table_of_metrics_is_that_of_the_code():
    text = (manifest_root().parent / "docs" / "metrics.md").read_text()
    assert metrics_table() in text, f"docs/metrics.md should have this table:\n{metrics_table()}"
    section = text[: text.index("\n# Accounts of a training run\n")]
    assert section.count("| name | version |") == 1, "one table of metrics, not two"


def test_every_key_of_a_cell_is_documented():
    text = (manifest_root().parent / "docs" / "panels.md").read_text()
    rows = re.findall(r"^\| `cells\.<name>\.([a-z_]+)(?:`|\.|\[)[^|]*\|", text, flags=re.MULTILINE)
    axes = re.findall(r"^\| `cells\.<name>\.([a-z_]+)_x`, `_y`, `_z` \|", text, flags=re.MULTILINE)
    assert {*rows, *(f"{name}_{axis}" for name in axes for axis in "yz")} == set(Cell.model_fields)


def test_the_example_of_an_extension_is_one(tmp_path):
    text = (manifest_root().parent / "docs" / "panels.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?extends.*?)```", text, flags=re.DOTALL)
    (tmp_path / "quick_stiff_v1.yaml").write_text(example)
    panel, quick = (load_panel(name, manifest_root()) for name in (tmp_path / "quick_stiff_v1.yaml", "quick_v1"))
    assert set(panel.cells) == set(quick.cells) - {"worst"} | {"stiff"} and panel.cells["fast"] != quick.cells["fast"]
