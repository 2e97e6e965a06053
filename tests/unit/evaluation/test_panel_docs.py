"""docs/metrics.md defines every metric of a panel, with its version and unit."""

import re

from surefoot.evaluation.metrics import PANEL_METRICS
from surefoot_tasks import manifest_root


def test_every_metric_of_a_panel_is_documented():
    text = (manifest_root().parent / "docs" / "metrics.md").read_text()
    section = text[text.index("\n# Panels\n") : text.index("\n# Accounts of a training run\n")]
    rows = re.findall(r"^\| `([a-z_]+)` \| (\d+) \| (\S+) \| ", section, flags=re.MULTILINE)
    assert {name: (int(version), unit) for name, version, unit in rows} == {
        name: (metric.version, "-" if metric.unit.startswith("share") else metric.unit)
        for name, metric in PANEL_METRICS.items()
    }
