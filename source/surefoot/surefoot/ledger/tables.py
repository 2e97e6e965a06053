"""Tables of the ledger. Names of columns are the words that `surefoot ledger sql` takes; docs/ledger.md lists them."""

from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    inspect,
    select,
)
from sqlalchemy.exc import DBAPIError

from surefoot.errors import LedgerError

SCHEMA_VERSION = 1
METADATA = MetaData()
_LOCK = 7361
"""Number of the lock that writers hold on PostgreSQL."""


def _of_run() -> Column[str]:
    return Column("run_id", Text, ForeignKey("runs.id", ondelete="CASCADE"), nullable=False)


def _of_evaluation() -> Column[str]:
    return Column("evaluation_id", Text, ForeignKey("evaluations.id", ondelete="CASCADE"), nullable=False)


META = Table("meta", METADATA, Column("key", Text, primary_key=True), Column("value", Text, nullable=False))

RUNS = Table(
    "runs", METADATA,
    Column("id", Text, primary_key=True),
    Column("path", Text, nullable=False),
    Column("run", Text, nullable=False),
    Column("task", Text, nullable=False),
    Column("robot", Text, nullable=False),
    Column("engine", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("hardware", Text, nullable=False),
    Column("surefoot", Text, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("started", Text, nullable=False),
    Column("written", Text, nullable=False),
    Column("manifest_sha256", Text, nullable=False),
    Column("iterations", Integer, nullable=False),
    Column("samples", Float, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("samples_per_s", Float),
    Column("num_envs", Integer, nullable=False),
    Column("panel", Text),
    Column("panel_sha256", Text),
    Column("score", Float),
    Column("held_out_success", Float),
    Column("held_out_low", Float),
    Column("held_out_high", Float),
    Column("held_out_falls", Float),
    Column("best_iteration", Integer),
    Column("best_score", Float),
    Column("invalid_share", Float),
    Column("bad_evaluations", Integer, nullable=False),
    Column("unanswered", Integer, nullable=False),
    Column("alerts", Integer, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Index("runs_by_task", "task", "started"),
    Index("runs_by_time", "started"),
)  # fmt: skip

STARTS = Table(
    "starts", METADATA,
    _of_run(),
    Column("number", Integer, nullable=False),
    Column("time", Text, nullable=False),
    Column("manifest_sha256", Text, nullable=False),
    Column("resumed_from_iteration", Integer),
    Index("starts_of", "run_id"),
)  # fmt: skip

EVALUATIONS = Table(
    "evaluations", METADATA,
    Column("id", Text, primary_key=True),
    _of_run(),
    Column("source", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("content_sha256", Text, nullable=False),
    Column("iteration", Integer, nullable=False),
    Column("checkpoint_sha256", Text, nullable=False),
    Column("engine", Text, nullable=False),
    Column("seed", Integer),
    Column("status", Text, nullable=False),
    Column("reasons", Text, nullable=False),
    Column("score", Float),
    Column("seconds", Float),
    Column("report", Text, nullable=False),
    Index("evaluations_of", "run_id"),
)  # fmt: skip

METRICS = Table(
    "metrics", METADATA,
    _of_evaluation(),
    Column("grp", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("value", Float),
    Column("low", Float),
    Column("high", Float),
    Column("version", Integer, nullable=False),
    Column("unit", Text, nullable=False),
    Index("metrics_of", "evaluation_id"),
    Index("metrics_by_name", "name", "grp"),
)  # fmt: skip

CELLS = Table(
    "cells", METADATA,
    _of_evaluation(),
    Column("name", Text, nullable=False),
    Column("grp", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("episodes", Integer, nullable=False),
    Column("valid", Integer, nullable=False),
    Column("success_rate", Float),
    Column("fall_rate", Float),
    Column("lin_vel_error", Float),
    Column("yaw_rate_error", Float),
    Index("cells_of", "evaluation_id"),
    Index("cells_by_name", "name"),
)  # fmt: skip

TAGS = Table("tags", METADATA, _of_evaluation(), Column("tag", Text, nullable=False), Index("tags_of", "evaluation_id"))

ALERTS = Table(
    "alerts", METADATA,
    _of_run(),
    Column("iteration", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("message", Text, nullable=False),
    Index("alerts_of", "run_id"),
)  # fmt: skip

FAULTS = Table(
    "faults", METADATA,
    _of_run(),
    Column("kind", Text, nullable=False),
    Column("steps", Float, nullable=False),
    Index("faults_of", "run_id"),
)  # fmt: skip

DECISIONS = Table(
    "decisions", METADATA,
    Column("sha256", Text, primary_key=True),
    _of_run(),
    Column("action", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("task", Text, nullable=False),
    Column("time", Text, nullable=False),
    Column("replaces", Text, nullable=False),
    Column("checkpoint_sha256", Text, nullable=False),
    Column("panel", Text, nullable=False),
    Column("panel_sha256", Text, nullable=False),
    Column("panel_seed", Integer),
    Column("reasons", Text, nullable=False),
    Column("document", Text, nullable=False),
    Index("decisions_by_task", "task", "time"),
    Index("decisions_of", "run_id"),
)  # fmt: skip

OF_RUN = (STARTS, EVALUATIONS, ALERTS, FAULTS, DECISIONS)
"""Tables whose rows belong to a run."""
OF_EVALUATION = (METRICS, CELLS, TAGS)
"""Tables whose rows belong to an evaluation."""


def prepare(engine: Engine, where: str) -> None:
    """Make the tables where there are none; several processes may do so at once.

    Raises:
        LedgerError: A later version of surefoot made them, or the database holds other tables of these names.
    """
    with engine.connect() as connection:
        found = _version(connection)
    if found is None:
        with writing(engine) as connection:
            found = _version(connection)  # another process may have made them meanwhile
            if found is None:
                if set(inspect(connection).get_table_names()) & set(METADATA.tables):
                    raise LedgerError(f"{where}: holds other tables of the same names; choose another --ledger.")
                METADATA.create_all(connection)
                connection.execute(META.insert().values(key="schema_version", value=str(SCHEMA_VERSION)))
                found = str(SCHEMA_VERSION)
    if found != str(SCHEMA_VERSION):
        raise LedgerError(
            f"{where}: a ledger of version {found}, this surefoot reads {SCHEMA_VERSION}. Upgrade surefoot, or fill "
            "another one: surefoot ledger rebuild RUNS --ledger NEW.sqlite"
        )


@contextmanager
def writing(engine: Engine) -> Generator[Connection]:
    """A transaction of the one process that writes; others wait for their turn.

    Without it two that replace the same runs in another order wait for each other, and PostgreSQL ends one of them.
    """
    with engine.execution_options(writes=True).begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        yield connection


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("meta"):
        return None
    try:
        return str(connection.execute(select(META.c.value).where(META.c.key == "schema_version")).scalar())
    except DBAPIError:  # a table of this name that is not ours
        return None
