"""Results that come when nobody trains: the best checkpoint and the record follow them all the same."""

from pathlib import Path

from surefoot.errors import RunFolderError
from surefoot.jobs.best import keep_best
from surefoot.jobs.queue import EventFolder


def settle(run: Path) -> None:
    """Bring `model_best.pt` and `run_record.json` up to date; alerts are left to a trainer that resumes the run."""
    folder = EventFolder(run)
    results = [result for job in folder.result_ids() if (result := folder.result(job)) is not None]
    try:
        best = keep_best(folder, results)
        if best is not None and best.finding is not None:
            print(
                f"model_best.pt is now that of iteration {best.job.iteration}, score {best.finding.score}", flush=True
            )
        if (run / "run_record.json").is_file():
            from surefoot.runs.run_record import refresh  # heavy, and the worker waits without it for hours

            refresh(run)
    except RunFolderError as error:
        print(f"error: {error}", flush=True)
