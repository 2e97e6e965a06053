"""The ledger itself: opened by path or URL, filled from run folders, read by filters or by SQL."""

import os
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, delete, event, func, insert, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from surefoot.errors import LedgerError
from surefoot.ledger import tables
from surefoot.ledger.read_run import RECORD, Rows, fingerprint, read_run

FILE_NAME = "ledger.sqlite"
VARIABLE = "SUREFOOT_LEDGER"
"""Path or URL in place of the file beside the runs; `off` keeps no ledger."""
_BATCH = 100
"""Runs in one transaction."""
_ATTEMPTS = 5
_WAIT = 30.0
"""s that a writer waits for another one."""


@dataclass
class Added:
    """What became of the run folders that were named."""

    added: list[str] = field(default_factory=list[str])
    unchanged: int = 0
    left_out: list[str] = field(default_factory=list[str])
    """One line for each, with the reason."""


def place(named: str | None, runs: Path) -> str | None:
    """Where the ledger is: as named, else as `SUREFOOT_LEDGER` says, else beside the runs; None: it is off."""
    chosen = named or os.environ.get(VARIABLE) or str(runs / FILE_NAME)
    return None if chosen == "off" else chosen


class Ledger:
    """One database.

    Args:
        where: Path of a SQLite file, or a URL of SQLAlchemy (`postgresql://user@host/database`).
        create: Make what is missing; otherwise an absent file is refused.

    Raises:
        LedgerError: It cannot be reached, is no ledger, or was made by a later version.
    """

    def __init__(self, where: str, *, create: bool = True) -> None:
        self._engine, self.where = _engine(where, create)
        with self._said():
            tables.prepare(self._engine, self.where)

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def add(self, runs: Sequence[Path], on_progress: Callable[[int], None] | None = None) -> Added:
        """Take in run folders. What is there already is replaced where its files have changed, and left otherwise.

        Raises:
            LedgerError: The database cannot be written; what was added before is in it.
        """
        done = Added()
        with self._said(), self._engine.connect() as connection:
            known = {
                path: print_
                for path, print_ in connection.execute(select(tables.RUNS.c.path, tables.RUNS.c.fingerprint))
            }
        batch: list[Rows] = []
        for number, run in enumerate(runs, start=1):
            try:
                if known.get(str(run.resolve())) == fingerprint(run):
                    done.unchanged += 1
                    continue
                batch.append(read_run(run))
                done.added.append(str(run))
            except LedgerError as error:
                done.left_out.append(str(error))
            except OSError as error:
                done.left_out.append(f"{run}: cannot be read ({error.strerror}).")
            if len(batch) == _BATCH:
                self._write(batch)
                batch = []
            if on_progress is not None:
                on_progress(number)
        if batch:
            self._write(batch)
        return done

    def rebuild(self, runs: Sequence[Path]) -> Added:
        """Forget everything and fill it again from these folders."""
        with self._said(), tables.writing(self._engine) as connection:
            for table in (*tables.OF_EVALUATION, *tables.OF_RUN, tables.RUNS):
                connection.execute(delete(table))
        return self.add(runs)

    def _write(self, batch: list[Rows]) -> None:
        # Two writers of one run may both find it absent: the second meets its key, and finds it at the next attempt.
        for attempt in range(_ATTEMPTS):
            try:
                with tables.writing(self._engine) as connection:
                    _replace(connection, batch)
                return
            except DBAPIError as error:
                if attempt == _ATTEMPTS - 1:
                    raise LedgerError(f"{self.where}: cannot be written ({_reason(error)}).") from None
            except SQLAlchemyError as error:
                raise LedgerError(f"{self.where}: cannot be written ({_reason(error)}).") from None

    def rows(self, query: Any) -> list[dict[str, Any]]:
        """The rows of a query of SQLAlchemy."""
        with self._said(), self._engine.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]  # pyright: ignore[reportPrivateUsage]

    def sql(self, text: str, limit: int = 10_000) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Names of the columns and rows of one statement that reads.

        Raises:
            LedgerError: It would write, is not one statement, or is not SQL.
        """
        statement = text.strip().rstrip(";")
        if not statement or ";" in statement:
            raise LedgerError(f"expected one statement without a semicolon inside, got {text[:80]!r}.")
        try:
            with self._engine.connect() as connection:
                if self._engine.dialect.name == "sqlite":
                    connection.exec_driver_sql("PRAGMA query_only = ON")
                else:
                    connection.exec_driver_sql("SET TRANSACTION READ ONLY")
                try:
                    found = connection.exec_driver_sql(statement)
                    if not found.returns_rows:
                        raise LedgerError("this statement returns no rows; `ledger sql` only reads.")
                    return list(found.keys()), [tuple(row) for row in found.fetchmany(limit)]
                finally:
                    connection.rollback()
                    if self._engine.dialect.name == "sqlite":
                        connection.exec_driver_sql("PRAGMA query_only = OFF")
        except SQLAlchemyError as error:
            raise LedgerError(f"{self.where}: the statement was refused ({_reason(error)}).") from None

    def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything, in an order that depends on nothing but the content."""
        found: dict[str, list[tuple[Any, ...]]] = {}
        with self._said(), self._engine.connect() as connection:
            for table in (tables.RUNS, *tables.OF_RUN, *tables.OF_EVALUATION):
                rows = [tuple(row) for row in connection.execute(select(table))]
                found[table.name] = sorted(rows, key=repr)
        return found

    def count(self) -> int:
        """Runs."""
        return int(self.rows(select(func.count().label("n")).select_from(tables.RUNS))[0]["n"])

    @contextmanager
    def _said(self) -> Generator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise LedgerError(f"{self.where}: cannot be used as a ledger ({_reason(error)}).") from None


def fill_after_run(run: Path, say: Callable[[str], None], waits: Sequence[float] = (0.0, 1.0, 3.0)) -> bool:
    """Take a run in when it ends. Whatever is wrong is said in one line, after a few attempts; the run is not harmed.

    Args:
        run: Run folder, `RUNS/TASK/RUN`.
        say: Takes the line.
        waits: s before each attempt.

    Returns:
        Whether the ledger holds the run.
    """
    where = place(None, run.resolve().parent.parent)
    if where is None:
        return False
    reason = ""
    for wait in waits:
        time.sleep(wait)
        try:
            ledger = Ledger(where)
            try:
                done = ledger.add([run])
            finally:
                ledger.close()
        except Exception as error:  # whatever a driver raises: it is not worth the run
            reason = str(error) or type(error).__name__
            continue
        if not done.left_out:
            return True
        reason = done.left_out[0]
    say(f"The ledger was not filled after {len(waits)} attempts: {reason} Later: surefoot ledger add {run}")
    return False


def run_folders(named: Iterable[Path]) -> list[Path]:
    """Run folders among paths: a run itself, or every run below a folder of runs (`runs` or `runs/TASK`).

    A folder that is named and holds no run is returned as it is, so that adding it says what is wrong.
    """
    found: dict[Path, None] = {}
    for path in named:
        if path.is_file():
            path = path.parent
        below = sorted(
            {
                one.parent
                for mark in (RECORD, "manifest.yaml")
                for deep in ("*", "*/*")
                for one in path.glob(f"{deep}/{mark}")
            }
        )
        inside = (path / RECORD).exists() or (path / "manifest.yaml").exists()
        found |= dict.fromkeys([path] if inside or not below else below)
    return list(found)


def _engine(where: str, create: bool) -> tuple[Engine, str]:
    if "://" in where:
        return _by_url(where)
    path = Path(where)
    if not path.is_file():
        if not create:
            raise LedgerError(f"{path}: no ledger there. Make one: surefoot ledger add {path.parent}")
        if not path.parent.is_dir():
            raise LedgerError(f"{path}: the folder {path.parent} does not exist.")
    elif path.stat().st_size and path.open("rb").read(16) != b"SQLite format 3\0":
        raise LedgerError(f"{path}: not a SQLite file, so no ledger. Choose another --ledger.")
    engine = create_engine(f"sqlite:///{path.resolve()}", connect_args={"timeout": _WAIT})

    # pysqlite begins a transaction at the first change; a reader that then wants to write would fail at once in place
    # of waiting for its turn.
    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")

    return engine, str(path)


def _by_url(where: str) -> tuple[Engine, str]:
    try:
        url = make_url(where)
        if url.drivername in ("postgresql", "postgres"):
            url = url.set(drivername="postgresql+psycopg")
        arguments = {"connect_timeout": 10} if url.drivername.startswith("postgresql") else {}
        return create_engine(url, connect_args=arguments), url.render_as_string(hide_password=True)
    except (ArgumentError, NoSuchModuleError) as error:
        raise LedgerError(f"{where.split('@')[-1]!r} is no URL of a database ({_reason(error)}).") from None
    except ModuleNotFoundError as error:
        raise LedgerError(f"PostgreSQL needs {error.name}: pip install 'surefoot[postgres]'") from None


def _replace(connection: Connection, batch: list[Rows]) -> None:
    identities = [rows[tables.RUNS][0]["id"] for rows in batch]
    paths = [rows[tables.RUNS][0]["path"] for rows in batch]
    # A folder whose run was started anew under the same name is another run: the old one is gone.
    connection.execute(delete(tables.RUNS).where(tables.RUNS.c.id.in_(identities) | tables.RUNS.c.path.in_(paths)))
    for table in (tables.RUNS, *tables.OF_RUN, *tables.OF_EVALUATION):
        # A copy of a run in another folder of the same name is the same run; the last one stays.
        last = {rows[tables.RUNS][0]["id"]: rows for rows in batch}
        rows = [row for one in last.values() for row in one[table]]
        if rows:
            connection.execute(insert(table), rows)


def _reason(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    return " ".join(str(cause).split())[:200].rstrip(".")
