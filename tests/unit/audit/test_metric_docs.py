"""docs/accounts.md carries the definitions of the code, word for word."""

import re
from pathlib import Path

from surefoot.audit.accounts import accounts, factor_values, terrain_level
from surefoot.audit.accounts.metrics import METRICS
from surefoot.audit.alerts import diagnostics, leak, learning, memory, task_rules
from surefoot.manifest.audit import Actions
from surefoot.rl import learner_check

ALERTS = Path(__file__).resolve().parents[3] / "docs" / "alerts.md"
DOCS = Path(__file__).resolve().parents[3] / "docs" / "accounts.md"


def test_every_metric_of_the_accounts_is_documented() -> None:
    assert all(
        (accounts, diagnostics, factor_values, leak, learner_check, learning, memory, task_rules, terrain_level)
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


def test_every_kind_of_alert_has_its_causes_and_what_to_look_at() -> None:
    rows = [line.split("|") for line in ALERTS.read_text().splitlines() if line.startswith("| `")]
    documented = {kind for row in rows for kind in re.findall(r"`(\w+)`", row[1])}
    assert documented == set(Actions.model_fields)
    assert all(len(row) == 6 and all(cell.strip() for cell in row[1:5]) for row in rows)
