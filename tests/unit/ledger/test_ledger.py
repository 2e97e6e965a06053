"""The ledger: what stands in it, what is left out, that filling it again gives the same, and that writers may meet."""

import csv
import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from database_server import postgres_url
from ledger_cases import TASK, evaluation, make_run, report
from surefoot import commands
from surefoot.errors import LedgerError, SurefootError
from surefoot.ledger.questions import Filters, best, details, export, find, listing
from surefoot.ledger.store import FILE_NAME, Ledger, fill_after_run, place, run_folders


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    if request.param == "sqlite":
        found = Ledger(str(tmp_path / FILE_NAME))
        yield found
        found.close()
        return
    with postgres_url() as url:
        found = Ledger(url)
        yield found
        found.close()


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Three runs: scores 0.5 and 0.9 under one panel, and one of another task that nothing measured."""
    root = tmp_path / "runs"
    make_run(root, "a", evaluations=[evaluation(0.5, tags=["survives/log=pass"])], started="2026-10-31T23:00:00+0000")
    make_run(root, "b", evaluations=[evaluation(0.4, 5, "000001-panel-5"), evaluation(0.9, 10, "000002-panel-10")])
    make_run(root, "c", task="Task-B", robot="man", started="2026-11-02T10:00:00+0000")
    return root


def names(rows: list[dict[str, object]]) -> list[object]:
    return [row["run"] for row in rows]


def test_held_out_numbers_stand_beside_scale(ledger: Ledger, runs: Path):
    assert len(ledger.add(run_folders([runs])).added) == 3
    c, b, a = listing(ledger, Filters())
    assert (b["samples"], b["seconds"], b["score"], b["held_out_success"]) == (1000.0, 60.0, 0.9, 0.9)
    assert (a["score"], c["score"], c["robot"]) == (0.5, None, "man")
    assert names(listing(ledger, Filters(), by="score")) == ["b", "a", "c"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(task=TASK), ["b", "a"]),
        (Filters(robot="man"), ["c"]),
        (Filters(since="2026-11"), ["c", "b"]),
        (Filters(until="2026-10"), ["a"]),
        (Filters(until="2026-11-01"), ["b", "a"]),
        (Filters(tag="survives/log=pass"), ["a"]),
        (Filters(metrics=("held_out.success_rate>0.6",)), ["b"]),
        (Filters(metrics=("score<=0.5", "samples=1000")), ["a"]),
        (Filters(status="failed"), []),
    ],
)
def test_filters(filters: Filters, expected: list[str], tmp_path: Path, runs: Path):
    ledger = Ledger(str(tmp_path / FILE_NAME))
    ledger.add(run_folders([runs]))
    assert names(listing(ledger, filters)) == expected


def test_best_takes_one_place_a_run_and_one_panel(ledger: Ledger, runs: Path):
    report(runs / TASK / "a", {"ice": 1.0, "payload": 0.25})
    report(runs / TASK / "b", {"ice": 0.5, "payload": 0.75})
    ledger.add(run_folders([runs]))
    found = best(ledger, "score", Filters(), "small_v1")
    assert [(row["run"], row["value"]) for row in found] == [("b", 0.9), ("a", 0.5)]
    found = best(ledger, "fall_rate", Filters(), "small_v1")
    assert [(row["run"], row["value"]) for row in found] == [("b", 0.1), ("a", 0.5)]
    payload = best(ledger, "cell:payload", Filters(), "hand_v1")
    assert [(row["run"], row["value"]) for row in payload] == [("b", 0.75), ("a", 0.25)]
    with pytest.raises(LedgerError, match="no valid evaluation under unknown"):
        best(ledger, "score", Filters(), "unknown")


def test_starts_faults_tags_and_cells_are_in_it(ledger: Ledger, runs: Path):
    run = runs / TASK / "a"
    report(run, {"ice": 1.0, "payload": 0.25})
    alert = {"iteration": 3, "kind": "dead_term", "subject": "x", "action": "log", "message": "m"}
    (run / "alerts.jsonl").write_text(json.dumps(alert) + "\n")
    ledger.add([run])
    more = details(ledger, find(ledger, str(run))["id"])
    assert [row["resumed_from_iteration"] for row in more["starts"]] == [None, 5]
    assert [(row["kind"], row["steps"]) for row in more["faults"]] == [("nan", 2.0)]
    assert [row["kind"] for row in more["alerts"]] == ["dead_term"]
    assert {row["name"]: row["success_rate"] for row in more["cells"]} == {"ice": 1.0, "payload": 0.25}
    assert [row["tag"] for row in more["tags"]] == ["survives/log=pass"]


def test_again_changes_nothing_and_a_changed_run_is_replaced(ledger: Ledger, runs: Path):
    ledger.add(run_folders([runs]))
    before = ledger.dump()
    assert ledger.add(run_folders([runs])).unchanged == 3
    assert ledger.dump() == before
    report(runs / TASK / "a", {"ice": 1.0}, iteration=20)
    done = ledger.add(run_folders([runs]))
    assert (len(done.added), done.unchanged, ledger.count()) == (1, 2, 3)
    assert find(ledger, str(runs / TASK / "a"))["score"] == 1.0  # of the newest checkpoint


def test_filled_again_it_is_what_it_became_step_by_step(ledger: Ledger, runs: Path):
    for folder in reversed(run_folders([runs])):
        ledger.add([folder])
    report(runs / TASK / "b", {"ice": 0.5})
    ledger.add(run_folders([runs]))
    step_by_step = ledger.dump()
    ledger.rebuild(run_folders([runs]))
    assert ledger.dump() == step_by_step


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("run_record.json", "{", "not a run record"),
        ("run_record.json", '{"schema_version": 9}', "schema_version"),
        ("manifest.yaml", "robot: 3", "cannot be read as a manifest"),
        ("manifest.yaml", "!!python/object/apply:os.system ['false']", "cannot be read as a manifest"),
        ("starts.jsonl", "[" * 100_000, "starts"),
        ("alerts.jsonl", '{"iteration": "x"}', "line 1 is not an alert"),
        ("panel_x_1.json", '{"panel": "x"}', "not a whole report"),
        ("panel_x_1.json", "[]", "expected a report"),
        ("gate/x.json", "{}", "not a decision"),
    ],
)
def test_a_damaged_folder_is_named_and_left_out(file: str, content: str, said: str, tmp_path: Path, runs: Path):
    path = runs / TASK / "a" / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    ledger = Ledger(str(tmp_path / FILE_NAME))
    done = ledger.add(run_folders([runs]))
    (line,) = done.left_out
    assert str(path) in line and said in line and "\n" not in line
    assert names(listing(ledger, Filters())) == ["c", "b"]


WRITER = """
import sys
from pathlib import Path
from surefoot.ledger.store import Ledger, run_folders
ledger = Ledger(sys.argv[1])
for _ in range(5):
    ledger.add(run_folders([Path(sys.argv[2])]))
    ledger.rebuild(run_folders([Path(sys.argv[2])])[:0])
    assert not ledger.add(run_folders([Path(sys.argv[2])])).left_out
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_several_writers_from_an_empty_place_on(kind: str, tmp_path: Path, runs: Path):
    if kind == "sqlite":
        _several(str(tmp_path / FILE_NAME), runs)
        return
    with postgres_url() as url:
        _several(url, runs)


def _several(where: str, runs: Path) -> None:
    command = [sys.executable, "-c", WRITER, where, str(runs)]
    writers = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    errors = [writer.communicate(timeout=120)[1] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0, 0], errors
    ledger = Ledger(where)
    ledger.add(run_folders([runs]))
    assert ledger.count() == 3
    content = ledger.dump()
    ledger.rebuild(run_folders([runs]))
    assert ledger.dump() == content
    ledger.close()


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM runs", "DROP TABLE cells", "UPDATE runs SET score = 1", "SELECT 1; DELETE FROM runs", "", "SELEKT"],
)
def test_sql_only_reads(statement: str, ledger: Ledger, runs: Path):
    ledger.add(run_folders([runs]))
    before = ledger.dump()
    with pytest.raises(LedgerError):
        ledger.sql(statement)
    assert ledger.dump() == before
    assert ledger.sql("SELECT task, COUNT(*) AS n FROM runs GROUP BY task ORDER BY task") == (
        ["task", "n"],
        [("Task-A", 2), ("Task-B", 1)],
    )


def test_export_is_read_by_others(tmp_path: Path, runs: Path):
    ledger = Ledger(str(tmp_path / FILE_NAME))
    ledger.add(run_folders([runs]))
    export(ledger, tmp_path / "csv")
    with (tmp_path / "csv" / "runs.csv").open() as file:
        assert {row["run"]: row["score"] for row in csv.DictReader(file)} == {"a": "0.5", "b": "0.9", "c": ""}


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("{tmp}/nowhere/x.sqlite", "does not exist"),
        ("{tmp}/text", "not a SQLite file"),
        ("{tmp}/newer.sqlite", "version 99"),
        ("{tmp}/foreign.sqlite", "other tables"),
        ("nonsense://x", "no URL"),
        ("postgresql://nobody@127.0.0.1:9/none", "cannot be used"),
    ],
)
def test_what_is_no_ledger_is_refused_in_one_line(where: str, said: str, tmp_path: Path):
    (tmp_path / "text").write_text("no database")
    Ledger(str(tmp_path / "newer.sqlite")).close()
    with sqlite3.connect(tmp_path / "newer.sqlite") as connection:
        connection.execute("UPDATE meta SET value = '99'")
    with sqlite3.connect(tmp_path / "foreign.sqlite") as connection:
        connection.execute("CREATE TABLE runs (x INTEGER)")
    with pytest.raises(LedgerError) as caught:
        Ledger(where.format(tmp=tmp_path))
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_run_that_ends_is_taken_in_or_the_reason_is_said(tmp_path: Path, runs: Path, monkeypatch: pytest.MonkeyPatch):
    said: list[str] = []
    assert fill_after_run(runs / TASK / "a", said.append)
    assert names(listing(Ledger(str(runs / FILE_NAME)), Filters())) == ["a"] and not said
    (runs / FILE_NAME).write_text("broken")
    assert not fill_after_run(runs / TASK / "a", said.append, waits=(0.0, 0.0))
    (line,) = said
    assert "after 2 attempts" in line and f"surefoot ledger add {runs / TASK / 'a'}" in line
    monkeypatch.setenv("SUREFOOT_LEDGER", "off")
    assert place(None, runs) is None and not fill_after_run(runs / TASK / "a", said.append) and len(said) == 1


def test_from_the_command_line(capsys: pytest.CaptureFixture[str], runs: Path):
    commands.main(["ledger", "add", str(runs)])
    assert f"{runs / FILE_NAME}: 3 runs added" in capsys.readouterr().out
    commands.main(["ledger", "list", "--runs", str(runs), "--task", TASK])
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split()[3:7] == ["samples", "seconds", "panel", "score"]
    assert first.split()[0] == "b" and second.split()[0] == "a"
    commands.main(["ledger", "show", "a", "--runs", str(runs), "--json"])
    assert json.loads(capsys.readouterr().out)["run"]["score"] == 0.5
    with pytest.raises(SurefootError, match="no run 'z'"):
        commands.main(["ledger", "show", "z", "--runs", str(runs)])
