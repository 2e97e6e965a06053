"""The schedule section: what is evaluated while a run trains, and what a result does to the run."""

from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from surefoot.errors import did_you_mean
from surefoot.manifest.audit import Action
from surefoot.manifest.base import (
    KeyedError,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Section,
    Seed,
    Threads,
)

Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=60)]
"""Name of an event or a limit: part of file names and of dotted keys."""


@dataclass(frozen=True)
class EventKind:
    """What the schema knows of a kind of event; everything else is in its module."""

    module: str
    """Imported when an event of this kind is planned or evaluated."""
    content: str
    """What its content is called; empty where it has none."""
    group: str
    """Where its metrics stand in a result."""
    no_score: str = ""
    """Why it has no held-out score; empty where it has one."""


KINDS = {
    "panel": EventKind("surefoot.evaluation.job", "panel", "held_out"),
    "grid": EventKind("surefoot.evaluation.grid_job", "", "in_distribution", "is drawn from the training distribution"),
    "replay": EventKind("surefoot.replay.job", "trace suite", "transfer", "compares with robots' logs"),
}
"""A frozen panel of held-out and control cells; the grid of velocity commands on the ground of training; a suite of
robots' logs."""


Bound = Annotated[float, Field(ge=-1e12, le=1e12)]
"""Of a metric, in its unit."""


class Limit(Section):
    """What a result must not show."""

    metric: Annotated[str, Field(min_length=1, max_length=120)]
    """Name of a metric of the result, or `score`."""
    group: Literal["held_out", "in_distribution", "transfer"] = "held_out"
    compare: Literal["value", "low", "high"] = "value"
    """The estimate, or an end of its 95 % interval."""
    minimum: Bound | None = None
    maximum: Bound | None = None
    after: NonNegativeInt = 0
    """Iteration of the checkpoint from which on the limit holds."""
    action: Action = "log"

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        if self.minimum is None and self.maximum is None:
            raise KeyedError("minimum", "expected a minimum, a maximum or both: without one the limit is never met")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise KeyedError("minimum", f"expected at most the maximum {self.maximum:g}, got {self.minimum:g}")
        return self


class Event(Section):
    """One evaluation, again and again."""

    kind: str
    """One of `KINDS`."""
    content: Annotated[str, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]*)?$", max_length=120)] = ""
    """Name of the panel or of the trace suite; nothing for a grid."""
    every: NonNegativeInt = 0
    """Iterations between two of them; 0 leaves the other occasions."""
    at_end: bool = False
    on_best: bool = False
    """Also on the checkpoint that another event has just found to be the best."""
    keep_best: bool = False
    """Whether the checkpoint with the best held-out score is kept as model_best.pt."""
    seed: Seed | None = None
    """Of every random draw of the evaluation; none: the panel's or suite's own, 0 for a grid."""
    limits: dict[Label, Limit] = Field(default_factory=dict[Label, Limit], max_length=100)

    @model_validator(mode="after")
    def _check_event(self) -> Self:
        if not (self.every or self.at_end or self.on_best):
            raise KeyedError("every", "expected an occasion: every > 0, at_end or on_best")
        if self.kind not in KINDS:
            raise KeyedError("kind", f"no kind of event {self.kind!r}. {did_you_mean(self.kind, KINDS)}")
        about = KINDS[self.kind]
        if self.content and not about.content:
            raise KeyedError("content", f"a {self.kind} has no content, got {self.content!r}")
        if about.content and not self.content:
            raise KeyedError("content", f"expected the name of a {about.content}")
        if self.keep_best and about.no_score:
            raise KeyedError("keep_best", f"a {self.kind} {about.no_score}: it has no held-out score")
        if self.on_best and self.keep_best:
            raise KeyedError("on_best", "an event that keeps the best cannot wait for it as well")
        return self


class Worker(Section):
    """The process that evaluates beside the training."""

    threads: Threads = 1
    """Of physics and networks, on a CPU."""
    nice: Annotated[int, Field(ge=0, le=19)] = 10
    """How far the worker steps back where cores are contended."""
    timeout: PositiveFloat = 3600.0
    """s that one evaluation may take."""
    attempts: PositiveInt = 2
    """How often an evaluation is begun whose process dies."""


class Schedule(Section):
    """Events of a run; without one no worker is started."""

    events: dict[Label, Event] = Field(default_factory=dict[Label, Event], max_length=100)
    worker: Worker = Worker()
    max_outstanding: PositiveInt = 8
    """Jobs without a result from which on an event is left out, which the record says."""
    on_fault: Action = "log"
    """What an evaluation without a result does to the run."""
    wait: NonNegativeFloat = 7200.0
    """s that training waits at its end for results."""

    @model_validator(mode="after")
    def _check_best(self) -> Self:
        keepers = [name for name, event in self.events.items() if event.keep_best]
        if len(keepers) > 1:
            raise KeyedError(f"events.{keepers[1]}.keep_best", f"{keepers[0]!r} keeps the best already; expected one")
        for name, event in self.events.items():
            if event.on_best and not keepers:
                raise KeyedError(f"events.{name}.on_best", "no event has keep_best: nothing is ever the best")
        return self
