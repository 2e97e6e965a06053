"""Times the ledger: run records added, a list, the best, filled again.

python benchmarks/bench_ledger.py --runs 10000 [--report PANEL.json]     # a report of a panel for every tenth run

The records are copies of one run's, with five evaluations each whose numbers are drawn.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "unit" / "ledger"))

from ledger_cases import evaluation, make_run  # pyright: ignore[reportMissingImports]
from surefoot.ledger.questions import Filters, best, listing
from surefoot.ledger.store import FILE_NAME, Ledger, run_folders


def main() -> None:
    """Write folders, add, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--manifest", type=Path, help="of a real run; default: three lines")
    parser.add_argument("--ledger", help="URL in place of a SQLite file")
    args = parser.parse_args()
    draw = random.Random(0)
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary) / "runs"
        for number in range(args.runs):
            evaluations = [evaluation(round(draw.random(), 3), 10 * n, f"{n:06d}-panel-{10 * n}") for n in range(1, 6)]
            started = f"2026-{1 + number % 12:02d}-{1 + number % 28:02d}T10:{number % 60:02d}:00+0000"
            run = make_run(root, f"run{number}", task=f"Task-{number % 7}", evaluations=evaluations, started=started)
            if args.manifest is not None:
                (run / "manifest.yaml").write_bytes(args.manifest.read_bytes())
            if args.report is not None and number % 10 == 0:
                (run / args.report.name).write_bytes(args.report.read_bytes())
        ledger = Ledger(args.ledger or str(root / FILE_NAME))
        folders = run_folders([root])
        lines: dict[str, float] = {}

        def timed(name: str, action: object) -> None:
            begun = time.perf_counter()
            action()  # pyright: ignore[reportCallIssue]
            lines[name] = round(time.perf_counter() - begun, 3)

        timed("add", lambda: ledger.add(folders))
        timed("add again, nothing changed", lambda: ledger.add(folders))
        timed("add one", lambda: ledger.add(folders[:1]))
        timed("list", lambda: listing(ledger, Filters()))
        timed("list of a task by score", lambda: listing(ledger, Filters(task="Task-3"), by="score"))
        timed("list by a metric", lambda: listing(ledger, Filters(metrics=("held_out.fall_rate<0.1",))))
        timed("best by score", lambda: best(ledger, "score", Filters(), "small_v1"))
        timed("best by a metric", lambda: best(ledger, "fall_rate", Filters(task="Task-3"), "small_v1"))
        if args.report is not None:
            cell = json.loads(args.report.read_text())
            name = cell["cells"][0]["name"]
            timed("best by a cell", lambda: best(ledger, f"cell:{name}", Filters(), cell["panel"]))
        timed("fill again", lambda: ledger.rebuild(folders))
        print(
            f"{ledger.count()} runs"
            + (f", {(root / FILE_NAME).stat().st_size / 1e6:.0f} MB" if not args.ledger else "")
        )
        print("\n".join(f"{seconds:9.3f} s  {name}" for name, seconds in lines.items()))


if __name__ == "__main__":
    main()
