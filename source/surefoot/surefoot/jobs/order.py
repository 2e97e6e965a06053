"""A job that is still to be written."""

from dataclasses import dataclass
from pathlib import Path

from surefoot.errors import RunFolderError
from surefoot.jobs.best import checkpoint_of
from surefoot.jobs.plan import PlannedEvent
from surefoot.jobs.queue import EventFolder
from surefoot.jobs.result import Result


@dataclass(frozen=True)
class Order:
    """An event that is due, and what it is about."""

    event: PlannedEvent
    iteration: int
    checkpoint: Path
    best: Result | None = None
    """Whose checkpoint it is about; by the time that the job is written, another one may be the best."""

    def source(self, folder: EventFolder) -> Path | None:
        """A file with its checkpoint; None where that is gone."""
        if self.best is None:
            return self.checkpoint if self.checkpoint.is_file() else None
        try:
            return checkpoint_of(folder, self.best)
        except RunFolderError:
            return None
