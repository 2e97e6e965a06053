"""The champion of each task: the last link of a chain of decisions, each of which names the one that it replaces."""

from typing import Any

from sqlalchemy import select

from surefoot.errors import LedgerError
from surefoot.ledger import tables
from surefoot.ledger.decision import Decision
from surefoot.ledger.store import Ledger


def decisions(ledger: Ledger, task: str | None = None) -> list[tuple[Decision, str]]:
    """All decisions with the folder of their run, the oldest first."""
    query = select(tables.DECISIONS.c.document, tables.RUNS.c.path).join(
        tables.RUNS, tables.RUNS.c.id == tables.DECISIONS.c.run_id
    )
    if task is not None:
        query = query.where(tables.DECISIONS.c.task == task)
    found = [(Decision.model_validate_json(row["document"]), str(row["path"])) for row in ledger.rows(query)]
    before = {decision.sha256: decision.replaces.split() for decision, _ in found}

    def depth(sha256: str) -> int:
        seen: set[str] = set()
        waiting = [sha256]
        while waiting:  # a document refers to earlier ones by their hash, so that there is no circle
            seen.update(waiting)
            waiting = [one for name in waiting for one in before.get(name, []) if one not in seen]
        return len(seen)

    # Times are whole seconds: of two in one second that which replaces the other is the later one.
    return sorted(found, key=lambda one: (one[0].time, depth(one[0].sha256), one[0].sha256))


def champion(ledger: Ledger, task: str) -> tuple[Decision, str] | None:
    """The decision that made the champion of a task, with the folder of its run; None without one.

    Raises:
        LedgerError: There are two: both replaced the same one.
    """
    left = set(heads(ledger, task))
    found = [(decision, path) for decision, path in decisions(ledger, task) if decision.sha256 in left]
    if len(found) > 1:
        names = " and ".join(f"{path} ({decision.sha256[:12]})" for decision, path in found)
        raise LedgerError(
            f"task {task} has two champions: {names}. Keep one: surefoot gate --rollback RUN --ledger {ledger.where}"
        )
    return found[0] if found else None


def heads(ledger: Ledger, task: str) -> list[str]:
    """SHA-256 of the decisions that nothing has replaced."""
    made = [decision for decision, _ in decisions(ledger, task) if decision.makes_champion]
    replaced = {part for decision in made for part in decision.replaces.split()}
    return [decision.sha256 for decision in made if decision.sha256 not in replaced]


def history(ledger: Ledger, task: str | None = None) -> list[dict[str, Any]]:
    """Every change of a champion, the oldest first; the present ones are marked."""
    made = [(decision, path) for decision, path in decisions(ledger, task) if decision.makes_champion]
    replaced = {part for decision, _ in made for part in decision.replaces.split()}
    return [
        {
            "task": decision.task,
            "time": decision.time,
            "action": decision.action,
            "run": path.rsplit("/", 1)[-1],
            "path": path,
            "iteration": decision.candidate.iteration,
            "score": decision.candidate.score,
            "champion": "" if decision.sha256 in replaced else "*",
            "sha256": decision.sha256,
        }
        for decision, path in made
    ]


def times_decided(ledger: Ledger, task: str, panel: str) -> int:
    """How often a panel was used to decide on a task: by the gate, and to choose checkpoints while runs trained."""
    by_gate = sum(one.action == "gate" and one.panel == panel for one, _ in decisions(ledger, task))
    chosen = select(tables.RUNS.c.id).join(tables.EVALUATIONS, tables.EVALUATIONS.c.run_id == tables.RUNS.c.id)
    chosen = chosen.where(
        tables.RUNS.c.task == task,
        tables.RUNS.c.best_iteration.is_not(None),
        tables.EVALUATIONS.c.source == "event",
        tables.EVALUATIONS.c.content == panel,
    )
    return by_gate + len(ledger.rows(chosen.distinct()))
