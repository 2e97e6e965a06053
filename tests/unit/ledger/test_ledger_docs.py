"""docs/ledger.md against the tables."""

import re
from pathlib import Path

from surefoot.ledger import tables

DOCS = Path(__file__).resolve().parents[3] / "docs" / "ledger.md"


def test_every_table_and_column_is_documented():
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*)$", DOCS.read_text(), re.M))
    for name, table in tables.METADATA.tables.items():
        said = re.findall(r"`(\w+)`", rows[name])
        assert [column.name for column in table.columns] == [word for word in said if word in table.columns], name
