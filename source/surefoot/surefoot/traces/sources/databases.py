"""SQLite files of strangers' bags: tables that hold rows, and nothing that SQLite would run to make them.

A view may be an endless recursion and a virtual table a file elsewhere; rosbags (0.11) asks whatever has the name of a
table. The schema is text in a table of its own, which is read before any other.
"""

# pyright: basic
# rosbags' readers are duck-typed.

import re
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rosbags.rosbag2 import storage_sqlite3

from surefoot.reading import Refused, first_line

_MAX_PARTS = 100
_RUNS = re.compile(r"\bvirtual\b|\bgenerated\b|\bas\s*\(", re.IGNORECASE)


def check_database(path: Path) -> None:
    """Refuse a database with views, triggers, virtual tables or computed columns.

    Raises:
        Refused: It has one, or is damaged.
    """
    try:
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)
        try:
            query = f"SELECT type, name, substr(sql, 1, 5000) FROM sqlite_master LIMIT {_MAX_PARTS + 1}"
            parts = connection.execute(query).fetchall()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise Refused(f"damaged, or not SQLite: {first_line(error)}") from None
    if len(parts) > _MAX_PARTS:
        raise Refused(f"its database has more than {_MAX_PARTS} tables")
    for kind, name, text in parts:
        if kind not in ("table", "index") or _RUNS.search(str(text or "")):
            raise Refused(f"its database has {str(name)!r:.60}, a {kind!s:.20} that computes; only rows are read")


def limit_databases() -> None:
    """Have rosbags' reader of SQLite look at the schema first."""
    reader: Any = storage_sqlite3.Sqlite3Reader
    if getattr(reader, "checks_schema", False):
        return
    inner = reader._open

    def checked(self: Any) -> None:
        check_database(Path(self.path))
        inner(self)

    reader._open, reader.checks_schema = checked, True
