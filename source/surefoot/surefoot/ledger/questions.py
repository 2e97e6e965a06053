"""What is asked of a ledger: a list with filters, one run, the best, two beside each other, the champions."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Select, and_, func, or_, select

from surefoot.errors import LedgerError, unknown_name
from surefoot.ledger import tables
from surefoot.ledger.store import Ledger

_R = tables.RUNS.c


@dataclass(frozen=True)
class Filters:
    """Which runs; what is None is not asked."""

    task: str | None = None
    robot: str | None = None
    since: str | None = None
    """A date, or the beginning of a time: 2026-11, 2026-11-28T12."""
    until: str | None = None
    """The same; the period that it names is inside."""
    tag: str | None = None
    status: str | None = None
    metrics: tuple[str, ...] = ()
    """`held_out.fall_rate<0.1`; a column of runs without a group: `samples>1e6`."""


def listing(ledger: Ledger, filters: Filters, limit: int = 50, by: str = "started") -> list[dict[str, Any]]:
    """Runs, the newest first, or the highest of another column first; rows without a number come last.

    Raises:
        UnknownName: No such column.
        LedgerError: A filter that is no comparison.
    """
    if by not in _R:
        raise unknown_name("column", by, [column.name for column in tables.RUNS.columns])
    order = (_R[by].desc(), _R.id) if not _R[by].nullable else (_R[by].is_(None), _R[by].desc(), _R.id)
    return ledger.rows(_filtered(filters).order_by(*order).limit(limit))


def best(ledger: Ledger, metric: str, filters: Filters, panel: str | None, limit: int = 10) -> list[dict[str, Any]]:
    """Runs by a metric of held-out cells, or by one cell (`cell:payload_5kg`), the best first.

    Numbers of different panels are never in one list: without `panel` it is that of the newest valid evaluation.

    Raises:
        LedgerError: No such evaluation, or two contents under the panel's name.
    """
    evaluations = tables.EVALUATIONS.c
    base = select(evaluations.content, evaluations.content_sha256, func.max(_R.started).label("newest"))
    base = base.join(tables.RUNS, _R.id == evaluations.run_id).where(
        evaluations.status == "valid", evaluations.score.is_not(None)
    )
    if panel is not None:
        base = base.where(evaluations.content == panel)
    if filters.task is not None:
        base = base.where(_R.task == filters.task)
    panels = ledger.rows(
        base.group_by(evaluations.content, evaluations.content_sha256).order_by(func.max(_R.started).desc())
    )
    if not panels:
        raise LedgerError(f"no valid evaluation under {panel or 'a panel with a held-out score'} in {ledger.where}.")
    chosen = panels[0]
    if metric.startswith("cell:"):
        cells = tables.CELLS.c
        query = _filtered(filters, cells.success_rate.label("value"), evaluations.iteration.label("iteration"))
        query = query.join(tables.EVALUATIONS, evaluations.run_id == _R.id).join(
            tables.CELLS, and_(cells.evaluation_id == evaluations.id, cells.name == metric.removeprefix("cell:"))
        )
        value, higher = cells.success_rate, True
    elif metric == "score":
        query = _filtered(filters, evaluations.score.label("value"), evaluations.iteration.label("iteration"))
        query = query.join(tables.EVALUATIONS, evaluations.run_id == _R.id)
        value, higher = evaluations.score, True
    else:
        metrics = tables.METRICS.c
        query = _filtered(filters, metrics.value.label("value"), evaluations.iteration.label("iteration"))
        query = query.join(tables.EVALUATIONS, evaluations.run_id == _R.id).join(
            tables.METRICS,
            and_(metrics.evaluation_id == evaluations.id, metrics.grp == "held_out", metrics.name == metric),
        )
        value, higher = metrics.value, metric in ("success_rate", "survival_time")
    query = query.where(
        evaluations.content_sha256 == chosen["content_sha256"], evaluations.status == "valid", value.is_not(None)
    )
    rows = ledger.rows(query.order_by(value.desc() if higher else value, _R.started).limit(20 * limit))
    first: dict[str, dict[str, Any]] = {}
    for row in rows:  # a run with several evaluations takes one place
        first.setdefault(row["id"], row | {"panel": chosen["content"], "panel_sha256": chosen["content_sha256"]})
    return list(first.values())[:limit]


def find(ledger: Ledger, named: str) -> dict[str, Any]:
    """One run, by its folder, its name or the beginning of its id.

    Raises:
        LedgerError: None, or several.
    """
    path = str(Path(named).resolve())
    query = select(tables.RUNS).where(or_(_R.path == path, _R.run == named, _R.id.startswith(named, autoescape=True)))
    rows = ledger.rows(query.limit(3))
    exact = [row for row in rows if row["path"] == path]
    if exact:
        return exact[0]
    if not rows:
        raise LedgerError(f"no run {named!r} in {ledger.where}. Add it: surefoot ledger add {named}")
    if len(rows) > 1:
        raise LedgerError(f"{named!r} may be {' or '.join(row['path'] for row in rows)}; name the folder.")
    return rows[0]


def details(ledger: Ledger, run_id: str) -> dict[str, list[dict[str, Any]]]:
    """Everything else about a run, by table."""
    found = {table.name: ledger.rows(select(table).where(table.c.run_id == run_id)) for table in tables.OF_RUN}
    ids = [row["id"] for row in found["evaluations"]]
    for table in tables.OF_EVALUATION:
        found[table.name] = ledger.rows(select(table).where(table.c.evaluation_id.in_(ids))) if ids else []
    return found


def export(ledger: Ledger, folder: Path) -> list[Path]:
    """One CSV file a table, rows in an order that depends on nothing but the content."""
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, rows in ledger.dump().items():
            path = folder / f"{name}.csv"
            with path.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow([column.name for column in tables.METADATA.tables[name].columns])
                writer.writerows(rows)
            written.append(path)
    except OSError as error:
        raise LedgerError(f"{folder}: cannot be written ({error.strerror}).") from None
    return written


_SIGNS = ("<=", ">=", "<", ">", "=")


def _filtered(filters: Filters, *further: Any) -> Select[Any]:
    query: Select[Any] = select(tables.RUNS, *further)
    for name in ("task", "robot", "status"):
        if (wanted := getattr(filters, name)) is not None:
            query = query.where(_R[name] == wanted)
    if filters.since is not None:
        query = query.where(_R.started >= filters.since)
    if filters.until is not None:
        query = query.where(_R.started < filters.until + "\x7f")  # sorts after every time that begins so
    if filters.tag is not None:
        own = select(tables.EVALUATIONS.c.run_id).join(
            tables.TAGS, tables.TAGS.c.evaluation_id == tables.EVALUATIONS.c.id
        )
        query = query.where(_R.id.in_(own.where(tables.TAGS.c.tag == filters.tag)))
    for text in filters.metrics:
        query = query.where(_condition(text))
    return query


def _condition(text: str) -> Any:
    sign = next((sign for sign in _SIGNS if sign in text), None)
    name, _, number = text.partition(sign or "<")
    try:
        limit = float(number)
    except ValueError:
        limit = None
    if sign is None or limit is None:
        raise LedgerError(f"--metric {text!r}: expected NAME, one of {' '.join(_SIGNS)}, and a number.")
    group, _, metric = name.strip().partition(".")
    if not metric:
        if group not in _R or isinstance(tables.RUNS.c[group].type, tables.Text):
            numbers = [column.name for column in tables.RUNS.columns if not isinstance(column.type, tables.Text)]
            raise unknown_name("number of a run", group, [*numbers, "held_out.METRIC", "transfer.METRIC"])
        return _compare(_R[group], sign, limit)
    metrics, evaluations = tables.METRICS.c, tables.EVALUATIONS.c
    own = select(evaluations.run_id).join(tables.METRICS, metrics.evaluation_id == evaluations.id)
    return _R.id.in_(own.where(metrics.grp == group, metrics.name == metric, _compare(metrics.value, sign, limit)))


def _compare(column: Any, sign: str, limit: float) -> Any:
    return {
        "<": column < limit, "<=": column <= limit, ">": column > limit, ">=": column >= limit, "=": column == limit
    }[sign]  # fmt: skip


def as_table(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> str:
    """Rows for people: numbers short, a dash for what was not measured."""
    if not rows:
        return "no run"
    lines = [[*columns], *[[_short(name, row.get(name)) for name in columns] for row in rows]]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _short(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name == "samples":
        return f"{value / 1e6:.2f}M"
    if name == "seconds":
        return f"{value / 60:.1f}min"
    if name in ("started", "time"):
        return str(value)[:16]
    return f"{value:.3f}" if isinstance(value, float) else str(value)
