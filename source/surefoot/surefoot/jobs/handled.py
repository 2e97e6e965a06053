"""What the trainer has done about its events, on the disk: a killed trainer neither forgets nor repeats a reaction."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from surefoot.files import write_atomically

FILE_NAME = "handled.json"


@dataclass(frozen=True)
class Omitted:
    """An event that was due and has no job."""

    event: str
    iteration: int
    reason: str


class Handled:
    """Results that were reacted to, and events that were left out, each with the iteration in which that happened.

    Args:
        folder: The run's folder of events.
        resumed_at: What came after this iteration is forgotten: the run goes on from there.
    """

    def __init__(self, folder: Path, resumed_at: int) -> None:
        self._path = folder / FILE_NAME
        self.results: dict[str, int] = {}
        self.omitted: list[Omitted] = []
        plain = read_handled(folder)
        self.results = {job: at for job, at in plain[0].items() if at <= resumed_at}
        self.omitted = [entry for entry in plain[1] if entry.iteration <= resumed_at]

    def add(self, job: str, iteration: int) -> None:
        """A result was reacted to in an iteration."""
        self.results[job] = iteration

    def omit(self, entry: Omitted) -> None:
        """An event has no job."""
        self.omitted.append(entry)

    def write(self) -> None:
        """Write all of it.

        Raises:
            RunFolderError: The folder cannot be written.
        """
        plain = {"results": self.results, "omitted": [asdict(entry) for entry in self.omitted]}
        write_atomically(self._path, json.dumps(plain).encode())


def read_handled(folder: Path) -> tuple[dict[str, int], list[Omitted]]:
    """Results by job with the iteration, and omitted events; nothing where the file is absent or damaged."""
    try:
        plain = json.loads((folder / FILE_NAME).read_text())
        results = {str(job): int(at) for job, at in plain["results"].items()}
        omitted = [Omitted(str(e["event"]), max(0, int(e["iteration"])), str(e["reason"])) for e in plain["omitted"]]
        return results, omitted
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}, []
