"""Ask all runs at once: which is best, what was measured, who is champion. The ledger is an index of run folders.

surefoot ledger add runs                                  # every run below; what is known already is left
surefoot ledger list --task TASK --metric 'held_out.fall_rate<0.1'
surefoot ledger best --by score --panel locomotion_v1     # or --by fall_rate, --by cell:payload_5kg
surefoot ledger show RUN
surefoot ledger compare RUN_A RUN_B
surefoot ledger champions
surefoot ledger sql "SELECT task, COUNT(*) FROM runs GROUP BY task"
surefoot ledger export FOLDER                             # one CSV file a table
surefoot ledger rebuild runs

--ledger is a file or a URL (postgresql://...); default: $SUREFOOT_LEDGER, else ledger.sqlite beside the runs.
docs/ledger.md lists tables and columns.
"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from surefoot.ledger.questions import Filters
    from surefoot.ledger.store import Ledger

COLUMNS = (
    "run", "status", "started", "samples", "seconds", "panel", "score", "held_out_success", "held_out_falls",
    "unanswered", "alerts",
)  # fmt: skip
"""Held-out numbers stand beside samples and wall-clock in every list."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One word and its options."""
    words = parser.add_subparsers(dest="word", required=True, metavar="WORD")

    def word(name: str, text: str) -> argparse.ArgumentParser:
        one = words.add_parser(name, help=text)
        one.add_argument("--ledger", help="file or URL; default: $SUREFOOT_LEDGER, else RUNS/ledger.sqlite")
        one.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the runs")
        return one

    for name, text in (("add", "take in run folders"), ("rebuild", "forget everything and take in run folders")):
        word(name, text).add_argument("folders", type=Path, nargs="+", help="runs, or folders of runs")
    for name, text in (("list", "runs, the newest first"), ("best", "runs by what was measured held out")):
        one = word(name, text)
        one.add_argument("--task")
        one.add_argument("--robot")
        one.add_argument("--status")
        one.add_argument("--since", help="date, or the beginning of a time")
        one.add_argument("--until", help="date, or the beginning of a time; it is inside")
        one.add_argument("--tag", help="as a replay gave it, for example survives/TRACE=pass")
        one.add_argument("--metric", action="append", default=[], help="for example held_out.fall_rate<0.1")
        one.add_argument("--limit", type=int, default=20)
        one.add_argument("--json", action="store_true")
        by = "score" if name == "best" else "started"
        one.add_argument("--by", default=by, help=f"what is sorted by; default: {by}")
        if name == "best":
            one.add_argument("--panel", help="default: that of the newest evaluation")
    one = word("show", "one run with its evaluations, alerts, faults and decisions")
    one.add_argument("run")
    one.add_argument("--json", action="store_true")
    one = word("compare", "two runs, column by column")
    one.add_argument("a")
    one.add_argument("b")
    word("champions", "the champion of each task, with its history").add_argument("--task")
    one = word("sql", "one statement that reads")
    one.add_argument("statement")
    one.add_argument("--json", action="store_true")
    word("export", "one CSV file a table").add_argument("folder", type=Path)


def run(args: argparse.Namespace) -> None:
    """Open, ask, print."""
    from surefoot.errors import LedgerError
    from surefoot.ledger.store import Ledger, place

    writes = args.word in ("add", "rebuild")
    where = place(args.ledger, args.runs if not writes else _root(args.folders[0], args.runs))
    if where is None:
        raise LedgerError("SUREFOOT_LEDGER is `off`: name one with --ledger.")
    ledger = Ledger(where, create=writes)
    try:
        _WORDS[args.word](ledger, args)
    finally:
        ledger.close()


def _root(named: Path, runs: Path) -> Path:
    """The folder of runs that a folder belongs to: the ledger lies beside the tasks."""
    from surefoot.ledger.read_run import RECORD

    if runs != Path("runs"):
        return runs
    if (named / RECORD).is_file():
        return named.resolve().parent.parent
    if any(named.glob(f"*/{RECORD}")):
        return named.resolve().parent
    return named if named.is_dir() else runs


def _add(ledger: "Ledger", args: argparse.Namespace) -> None:
    from surefoot.ledger.store import run_folders

    folders = run_folders(args.folders)
    done = ledger.rebuild(folders) if args.word == "rebuild" else ledger.add(folders)
    for line in done.left_out:
        print(f"left out: {line}")
    print(
        f"{ledger.where}: {len(done.added)} runs added or brought up to date, {done.unchanged} unchanged, "
        f"{len(done.left_out)} left out; {ledger.count()} in it."
    )


def _filters(args: argparse.Namespace) -> "Filters":
    from surefoot.ledger.questions import Filters

    names = ("task", "robot", "status", "since", "until", "tag")
    return Filters(**{name: getattr(args, name) for name in names}, metrics=tuple(args.metric))


def _list(ledger: "Ledger", args: argparse.Namespace) -> None:
    from surefoot.ledger.questions import as_table, listing

    rows = listing(ledger, _filters(args), args.limit, args.by)
    print(json.dumps(rows, indent=1) if args.json else as_table(rows, COLUMNS))


def _best(ledger: "Ledger", args: argparse.Namespace) -> None:
    from surefoot.ledger.questions import as_table, best

    rows = best(ledger, args.by, _filters(args), args.panel, args.limit)
    if args.json:
        print(json.dumps(rows, indent=1))
        return
    if rows:
        print(f"by {args.by}, panel {rows[0]['panel']} ({rows[0]['panel_sha256'][:12]})")
    print(as_table(rows, ("run", "value", "iteration", *COLUMNS[1:])))


def _show(ledger: "Ledger", args: argparse.Namespace) -> None:
    from surefoot.ledger.questions import as_table, details, find

    row = find(ledger, args.run)
    more = details(ledger, row["id"])
    if args.json:
        print(json.dumps({"run": row} | more, indent=1))
        return
    print("\n".join(f"{name:<18} {value if value is not None else '-'}" for name, value in row.items()))
    shown = {
        "starts": ("number", "time", "resumed_from_iteration"),
        "evaluations": ("source", "content", "iteration", "status", "score", "reasons"),
        "alerts": ("iteration", "kind", "action", "message"),
        "faults": ("kind", "steps"),
        "decisions": ("time", "action", "verdict", "panel", "reasons"),
    }
    for name, columns in shown.items():
        if more[name]:
            print(f"\n{name}\n{as_table(more[name], columns)}")


def _compare(ledger: "Ledger", args: argparse.Namespace) -> None:
    from surefoot.ledger.questions import as_table, find

    a, b = find(ledger, args.a), find(ledger, args.b)
    if a["panel_sha256"] != b["panel_sha256"]:
        print("Their held-out numbers are of different panels and cannot be compared.")
    rows = [{"": name, "A": a[name], "B": b[name], "differs": "*" if a[name] != b[name] else ""} for name in a]
    print(as_table([row for row in rows if row[""] not in ("id", "fingerprint", "path")], ("", "A", "B", "differs")))
    print(f"Policies are compared episode by episode: surefoot compare {a['path']} {b['path']}")


def _champions(ledger: "Ledger", args: argparse.Namespace) -> None:
    from surefoot.ledger.champions import history
    from surefoot.ledger.questions import as_table

    rows = history(ledger, args.task)
    print(
        as_table(rows, ("task", "time", "action", "run", "iteration", "score", "champion")) if rows else "no champion"
    )


def _sql(ledger: "Ledger", args: argparse.Namespace) -> None:
    from surefoot.ledger.questions import as_table

    names, found = ledger.sql(args.statement)
    rows = [dict(zip(names, row, strict=True)) for row in found]
    print(json.dumps(rows, indent=1, default=str) if args.json else as_table(rows, names))


def _export(ledger: "Ledger", args: argparse.Namespace) -> None:
    from surefoot.ledger.questions import export

    for path in export(ledger, args.folder):
        print(path)


_WORDS = {
    "add": _add, "rebuild": _add, "list": _list, "best": _best, "show": _show, "compare": _compare,
    "champions": _champions, "sql": _sql, "export": _export,
}  # fmt: skip
