"""docs/metrics.md carries the definitions of the code, word for word."""

import re
from pathlib import Path

from surefoot.audit import accounts, diagnostics, leak, memory
from surefoot.audit.metrics import METRICS

DOCS = Path(__file__).resolve().parents[3] / "docs" / "metrics.md"
GROUPS = (
    *("reward", "reward_by_bucket", "termination", "termination_by_bucket", "episode", "bucket", "spread", "fault"),
    *("constant", "standing", "action", "leak", "memory"),
)


def test_every_metric_of_the_accounts_is_documented() -> None:
    assert accounts and diagnostics and leak and memory  # imports all modules that define metrics
    found = re.findall(r"^\| `([a-z_]+/[a-z_0-9]+)` \| (.*) \|$", DOCS.read_text(), flags=re.MULTILINE)
    documented = {name: rest.replace("\\|", "|").split(" | ", 3) for name, rest in found}
    groups = {*GROUPS, "fault_by_bucket"}
    metrics = {name: metric for name, metric in METRICS.items() if name.split("/")[0] in groups}
    assert metrics.keys() == {name for name in documented if name.split("/")[0] in groups}
    for name, metric in metrics.items():
        assert documented[name] == [
            str(metric.version),
            metric.unit,
            ", ".join(metric.axes) or "-",
            metric.definition,
        ], name
