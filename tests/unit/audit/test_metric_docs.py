"""docs/metrics.md carries the definitions of the code, word for word."""

import re
from pathlib import Path

from surefoot.audit.accounts import accounts, factor_values, terrain_level
from surefoot.audit.accounts.metrics import METRICS
from surefoot.audit.alerts import diagnostics, leak, learning, memory

DOCS = Path(__file__).resolve().parents[3] / "docs" / "metrics.md"


def test_every_metric_of_the_accounts_is_documented() -> None:
    assert all(
        (accounts, diagnostics, factor_values, leak, learning, memory, terrain_level)
    )  # the modules that define metrics
    found = re.findall(r"^\| `([a-z_]+/[a-z_0-9]+)` \| (.*) \|$", DOCS.read_text(), flags=re.MULTILINE)
    documented = {name: rest.replace("\\|", "|").split(" | ", 3) for name, rest in found}
    ours = {name for name in METRICS if not name.startswith("case/")}  # those of the tests
    assert ours == {name for name in documented if "/" in name}
    for name, metric in ((name, METRICS[name]) for name in ours):
        assert documented[name] == [
            str(metric.version),
            metric.unit,
            ", ".join(metric.axes) or "-",
            metric.definition,
        ], name
