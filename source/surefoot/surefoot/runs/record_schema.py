"""What stands in `run_record.json`; docs/events.md lists the fields."""

from typing import Annotated, Literal

from pydantic import Field

from surefoot.jobs.job import Metric, Sha256
from surefoot.manifest.base import Section

SCHEMA_VERSION = 1
Count = Annotated[int, Field(ge=0)]
Status = Literal["running", "finished", "interrupted", "stopped", "failed"]


class ManifestSpan(Section):
    """A manifest and the iteration from which on it was in force."""

    from_iteration: Count
    sha256: Sha256


class Training(Section):
    """How much."""

    iterations: Count
    """PPO iterations done: updates of the policy."""
    until: Count
    """PPO iterations asked for."""
    num_envs: Count
    samples: Count
    """Environment steps over all environments."""
    seconds: float
    """Wall-clock of the iterations, without checkpoints; of those whose accounts are not lost."""
    samples_per_s: float | None
    """Samples of the same iterations over `seconds`."""


class Evaluation(Section):
    """One job, answered or not."""

    job: str
    event: str
    kind: str
    content: str
    content_sha256: str
    iteration: Count
    checkpoint_sha256: str
    status: Literal["valid", "not valid", "fault", "unanswered"]
    reasons: tuple[str, ...] = ()
    """Why it is not valid, or has no answer."""
    score: float | None = None
    """Held out; higher is better."""
    held_out: dict[str, Metric] = Field(default_factory=dict[str, Metric])
    in_distribution: dict[str, Metric] = Field(default_factory=dict[str, Metric])
    transfer: dict[str, Metric] = Field(default_factory=dict[str, Metric])
    tags: tuple[str, ...] = ()
    seconds: float | None = None
    """Wall-clock of the evaluation."""
    report: str = ""
    """Folder of the full report, relative to the run folder."""


class OmittedEvent(Section):
    """An event that was due and has no job."""

    event: str
    iteration: Count
    reason: str


class Best(Section):
    """Where `model_best.pt` comes from."""

    iteration: Count
    score: float
    event: str
    job: str
    checkpoint_sha256: str


class Faults(Section):
    """What broke."""

    steps: dict[str, float]
    """Environment steps by kind of fault."""
    invalid_share: float | None
    """Environment steps with any fault over all."""
    evaluations: Count
    """Jobs without a result to be trusted: faults, not valid, unanswered, damaged; and events that were left out."""


class AlertCounts(Section):
    """What the run was warned of."""

    by_kind: dict[str, int]
    by_action: dict[str, int]


class Transfer(Section):
    """Against recordings of robots: of the newest valid results that have any."""

    metrics: dict[str, Metric]
    tags: tuple[str, ...]


class Record(Section):
    """One run."""

    schema_version: Literal[1] = SCHEMA_VERSION
    run: str
    """Name of the run folder."""
    status: Status
    reason: str
    """Why it was stopped or failed."""
    started: str
    written: str
    task: str
    engine: str
    device: str
    hardware: str
    versions: dict[str, str]
    seed: Count
    manifest_sha256: Sha256
    """Of the manifest in force."""
    manifests: tuple[ManifestSpan, ...]
    training: Training
    scheduled: tuple[str, ...]
    """Events of the manifest."""
    events_mode: Literal["worker", "inline", "off"]
    quality: dict[str, Evaluation]
    """The newest valid evaluation of each event."""
    evaluations: tuple[Evaluation, ...]
    """All of them, in order."""
    unanswered: tuple[str, ...]
    """Jobs without a result."""
    omitted: tuple[OmittedEvent, ...]
    damaged_files: tuple[str, ...]
    """Jobs and results that were found damaged and put aside."""
    best: Best | None
    faults: Faults
    alerts: AlertCounts
    transfer: Transfer

    @property
    def is_held_out(self) -> bool:
        """Whether anything held out was measured."""
        return any(entry.held_out for entry in self.quality.values())
