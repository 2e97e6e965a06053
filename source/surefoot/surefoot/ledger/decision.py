"""The document of a decision: whether a candidate takes the place of a champion, why, and on which evidence.

It lies in the folder of the run that it is about, under `gate/`, so that a ledger can be filled again from run folders.
"""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from surefoot.errors import LedgerError, RunFolderError
from surefoot.files import write_atomically
from surefoot.jobs.job import Sha256, read_document, to_json
from surefoot.manifest.base import Section

FOLDER = "gate"
_MAX_BYTES = 16 * 1024**2
Verdict = Literal["promote", "refuse", "not enough evidence"]


class Side(Section):
    """A checkpoint with the runs that speak for it."""

    run: str
    """Folder of the run whose checkpoint it is, as it was called."""
    checkpoint: str
    """Name of its file."""
    checkpoint_sha256: Sha256
    iteration: Annotated[int, Field(ge=0)]
    manifest_sha256: str
    seeds: tuple[int, ...]
    """Of the trainings whose results were used."""
    samples: float | None = None
    score: float | None = None


class Test(Section):
    """One condition of the rule."""

    name: str
    kind: Literal["precondition", "primary", "guard", "transfer"]
    outcome: Literal["met", "broken", "open"]
    """Shown to hold; shown not to; the evidence does not say."""
    difference: float | None = None
    """Candidate less champion, positive where the candidate is better."""
    low: float | None = None
    """One-sided 95 % bounds."""
    high: float | None = None
    margin: float | None = None
    p_value: float | None = None
    sentence: str


class Decision(Section):
    """Of one candidate."""

    schema_version: Literal[1] = 1
    action: Literal["gate", "rollback"] = "gate"
    verdict: Verdict
    reasons: tuple[str, ...]
    task: str
    time: str
    candidate: Side
    champion: Side | None = None
    """None where there was none."""
    further: tuple[str, ...] = ()
    """Checkpoints of other trainings of the same recipe that spoke for the candidate."""
    replaces: str = ""
    """SHA-256 of the decision that made the champion, or of several, a space between them; empty without one."""
    crowns: bool = True
    """Whether it was asked against the champion; a verdict on others leaves the champion."""
    unit: Literal["seeds", "episodes", ""] = ""
    """What the primary test counts."""
    panel: str = ""
    panel_sha256: str = ""
    panel_seed: int | None = None
    """Of the sealed replicates, drawn when the gate was asked; None: replicates that were there before."""
    metric_versions: dict[str, int] = Field(default_factory=dict[str, int])
    rule: dict[str, Any] = Field(default_factory=dict[str, Any])
    """The manifest's section `promotion`."""
    tests: tuple[Test, ...] = ()
    power: dict[str, float | None] = Field(default_factory=dict[str, "float | None"])
    """By true difference: chance that the primary test finds it; and the difference that it finds in 80 %."""
    decided_before: Annotated[int, Field(ge=0)] = 0
    """Decisions on this task that the same panel was used for before."""
    versions: dict[str, str] = Field(default_factory=dict[str, str])
    note: str = ""
    """What a person wrote beside it."""
    sha256: Sha256 | Literal[""] = ""
    """Of everything else in this file."""

    def sealed(self) -> "Decision":
        """With its own hash."""
        return self.model_copy(update={"sha256": _digest(self)})

    @property
    def makes_champion(self) -> bool:
        """Whether the candidate is the champion from then on."""
        return self.verdict == "promote" and self.crowns


def _digest(decision: Decision) -> str:
    plain = decision.model_dump(mode="json", exclude={"sha256"})
    return hashlib.sha256(json.dumps(plain, sort_keys=True, allow_nan=False).encode()).hexdigest()


def read_decision(path: Path) -> Decision:
    """Read the document of a decision.

    Raises:
        LedgerError: Absent, changed after it was written, or not one of this version.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise LedgerError(f"{path}: larger than {_MAX_BYTES // 1024**2} MiB; not the document of a decision.")
        decision = read_document(path, Decision, "decision of the gate")
    except OSError as error:
        raise LedgerError(f"{path}: cannot be read ({error.strerror}).") from None
    except RunFolderError as error:
        raise LedgerError(str(error)) from None
    if decision.sha256 != _digest(decision):
        raise LedgerError(
            f"{path}: was changed after it was written (its hash does not fit). Restore it, or delete it and ask the "
            "gate again."
        )
    return decision


def write_decision(run: Path, decision: Decision) -> Path:
    """Write a sealed decision into a run folder; the same one twice is one file.

    Raises:
        RunFolderError: The folder cannot be written.
    """
    folder = run / FOLDER
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"{folder}: cannot be created ({error.strerror}).") from error
    stamp = "".join(sign if sign.isalnum() else "-" for sign in decision.time)
    path = folder / f"{stamp}_{decision.sha256[:12]}.json"
    write_atomically(path, to_json(decision))
    return path
