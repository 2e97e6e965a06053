"""The evaluation worker of a run: python -m surefoot.runs.worker RUN.

Jobs know no runs: what becomes of a run whose results come when nobody trains is said here.
"""

import sys
from pathlib import Path

import surefoot.cli
from surefoot.errors import RunFolderError
from surefoot.jobs.best import keep_best
from surefoot.jobs.queue import EventFolder
from surefoot.jobs.worker_loop import EVALUATE, Stopped, WorkerLoop
from surefoot.reporting import say


def update_run(run: Path) -> None:
    """Bring `model_best.pt` and `run_record.json` up to date; alerts are left to a trainer that resumes the run."""
    folder = EventFolder(run)
    results = [result for job in folder.result_ids() if (result := folder.result(job)) is not None]
    try:
        best = keep_best(folder, results)
        if best is not None and best.finding is not None:
            say(f"model_best.pt is now that of iteration {best.job.iteration}, score {best.finding.score}")
        if (run / "run_record.json").is_file():
            from surefoot.runs.run_record import refresh  # heavy, and the worker waits without it for hours

            refresh(run)
    except RunFolderError as error:
        say(f"error: {error}")


def main(arguments: list[str], evaluate: tuple[str, ...] = EVALUATE) -> None:
    """Work on the run that is named."""
    try:
        count = WorkerLoop(Path(arguments[0]), update_run, evaluate).work()
    except Stopped:
        say("Stopped; what has no result stays in the queue.")
        return
    say(f"{count} results written; no job is left.")


if __name__ == "__main__":
    surefoot.cli.run(lambda: main(sys.argv[1:]))
