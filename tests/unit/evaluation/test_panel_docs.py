"""docs/metrics.md takes its table of metrics from the code."""

from surefoot.evaluation.metrics import metrics_table
from surefoot_tasks import manifest_root


def test_the_table_of_metrics_is_that_of_the_code():
    text = (manifest_root().parent / "docs" / "metrics.md").read_text()
    assert metrics_table() in text, f"docs/metrics.md should have this table:\n{metrics_table()}"
    assert text.count("| name | version |") == 1, "one table of metrics, not two"
