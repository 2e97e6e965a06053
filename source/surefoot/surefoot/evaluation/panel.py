"""A panel: cells of conditions that policies are measured under; frozen, hashed, independent of how one was trained.

The file is YAML. `nominal` holds the conditions that cells share; a cell names what differs, and why it is there.
"""

import hashlib
import json
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, create_model, model_validator

from surefoot.manifest.base import (
    Fraction,
    KeyedError,
    Name,
    NonNegativeFloat,
    PositiveFloat,
    Range,
    Section,
    Seed,
    Text,
    not_tiny,
)
from surefoot.manifest.factors import FACTORS, FactorKind
from surefoot.manifest.manifest import MAX_ENVS

SCHEMA_VERSION = 1
PLANE = "plane"


Speed = Annotated[float, Field(ge=-100, le=100)]
"""m/s or rad/s; no walking robot is a tenth as fast."""


class Ground(Section):
    """What the robot stands on."""

    kind: Text = PLANE
    """`plane`, or one of the engine's terrain classes."""
    difficulty: Fraction = 0.0
    """From the easiest to the hardest that the class has."""
    seed: Seed = 0
    """Of the tile's shape."""


class Kick(Section):
    """The base velocity is changed at once, as by an impulse of the robot's mass times that change."""

    at: PositiveFloat
    """s since the start."""
    phase: Fraction | None = None
    """Fraction of the gait cycle that it waits for from then on; none: it does not wait."""
    lin_vel: Annotated[float, Field(ge=0, le=100)] = 0.0
    """m/s."""
    direction_deg: Annotated[float, Field(ge=-360, le=360)] = 0.0
    """Where it pushes the robot, from its heading, counter-clockwise: 0 forward, 90 to its left."""
    ang_vel_z: Speed = 0.0
    """rad/s, counter-clockwise."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.lin_vel == 0 and self.ang_vel_z == 0:
            raise KeyedError("lin_vel", "a kick that changes nothing: lin_vel and ang_vel_z are both 0")
        return self


Entry = tuple[NonNegativeFloat, Speed, Speed, Speed]
"""Time, s; vx, vy, m/s; yaw rate, rad/s; base yaw frame."""


_HASHED_AT_DEFAULT = frozenset({
    "friction", "payload_mass", "payload_x", "payload_y", "payload_z", "motor_strength", "control_delay",
    "observation_delay", "noise_level", "sensor_bias",
})  # fmt: skip
"""Factors that the first panels spelled out in their hash; a later one is in it where a cell imposes it, so that it
changes no hash of before."""


def _as_field(kind: FactorKind) -> tuple[Any, float | None]:
    """Type and default of a factor's key: at its neutral value, or left to the robot."""

    def in_range(value: float) -> float:
        if problem := kind.problem(value, whole=kind.step is None):
            raise ValueError(problem)
        return value

    checked: Any = Annotated[float, AfterValidator(in_range)]
    return (checked | None if kind.neutral is None else checked), kind.neutral


_FIELDS: dict[str, Any] = {name: _as_field(kind) for name, kind in FACTORS.items()}


class Cell(create_model("Imposed", __base__=Section, **_FIELDS)):
    """One point of the space of conditions. Every value is imposed, none is drawn.

    Beside the keys below each factor of `surefoot.manifest.factors` is a key, in its own unit; delays are in s.
    """

    why: str = Field(min_length=20, max_length=10_000)
    """What it is there for, in a sentence."""
    control: bool = False
    """Meant to lie inside the training distribution."""
    terrain: Ground = Ground()
    kicks: Annotated[tuple[Kick, ...], Field(max_length=1000)] = ()
    commands: Annotated[tuple[Entry, ...], Field(min_length=1, max_length=1000)]
    """In force from their time on."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        times = [entry[0] for entry in self.commands]
        if times[0] != 0:
            raise KeyedError("commands.0", f"expected the first entry at 0 s, got {times[0]:g} s")
        for index, (before, after) in enumerate(pairwise(times), start=1):
            if after <= before:
                raise KeyedError(f"commands.{index}", f"expected ascending times, {after:g} s follows {before:g} s")
        kick_times = [kick.at for kick in self.kicks]
        if kick_times != sorted(set(kick_times)):
            raise KeyedError("kicks", f"expected ascending times, got {kick_times}")
        for name, kind in FACTORS.items():
            if self.factor(name) == kind.neutral:
                continue
            if kind.needs and self.factor(kind.needs) == FACTORS[kind.needs].neutral:
                raise KeyedError(name, f"does nothing without {kind.needs}, which is {self.factor(kind.needs):g}")
            if kind.compared == "kicks" and not self.kicks:
                raise KeyedError(name, "has nothing to scale: the cell has no kicks")
        if self.terrain.kind == PLANE and (self.terrain.difficulty, self.terrain.seed) != (0.0, 0):
            raise KeyedError("terrain.kind", "a plane has no difficulty and no seed")
        return self

    def factor(self, name: str) -> float | None:
        """Value of a factor, a delay in s; None: what the robot definition says."""
        return getattr(self, name)

    @property
    def changes(self) -> list[float]:
        """s at which the command becomes another one, the start included."""
        before: list[tuple[float, ...] | None] = [None, *(entry[1:] for entry in self.commands)]
        return [entry[0] for entry, last in zip(self.commands, before, strict=False) if entry[1:] != last]

    @property
    def conditions(self) -> dict[str, Any]:
        """Everything that the robot meets: the cell without its documentation."""
        plain = self.model_dump(mode="json", exclude={"why", "control"})
        left = {name for name in FACTORS.keys() - _HASHED_AT_DEFAULT if plain[name] == FACTORS[name].neutral}
        return {key: value for key, value in plain.items() if key not in left}

    @property
    def sha256(self) -> str:
        """Hex SHA-256 of the conditions."""
        return _sha256(self.conditions)


class Start(Section):
    """State at the start of an episode, drawn uniformly; the same for every policy, whatever it was trained from."""

    position_xy: Range
    """m, offset from the middle of the ground, each axis."""
    yaw: Range
    """rad."""
    lin_vel: Range
    """m/s, each world axis."""
    ang_vel: Range
    """rad/s, each base axis."""
    joint_pos: Range
    """rad, offset from the default pose."""
    joint_vel: Range
    """rad/s."""


class Success(Section):
    """An episode succeeds if nothing ends it and both mean errors are within these bounds."""

    lin_vel_error: PositiveFloat
    """m/s."""
    yaw_rate_error: PositiveFloat
    """rad/s."""


class Parent(Section):
    """The panel that another one extends, as it was when the two were put together."""

    name: Name
    sha256: str


class Panel(Section):
    """A list of cells, each run `replicates` times."""

    schema_version: Literal[1]
    name: Name
    """As `--panel` takes it; a changed panel gets a new one."""
    extends: Parent | None = None
    """In a file the parent's name alone; its cells are among `cells` here."""
    why: str = Field(min_length=20, max_length=10_000)
    drawn: bool = False
    """Ground, start and factors are the task's, drawn as in training and balanced over the replicates of a cell; a cell
    imposes commands alone, and the panel is for every robot."""
    robots: Annotated[tuple[Text, ...], Field(max_length=100)] = ()
    """Robots that its masses, speeds and heights fit."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)]
    """Of every random draw."""
    replicates: Annotated[int, Field(gt=0, le=MAX_ENVS)]
    """Episodes in each cell; they differ in start and sensor noise."""
    duration: Annotated[float, Field(gt=0, le=3600), AfterValidator(not_tiny)]
    """s of an episode: an hour at most, 180,000 control steps."""
    warm_up: NonNegativeFloat
    """s at the start that no mean counts."""
    success: Success
    start: Start | None = None
    """None where it is drawn as in training."""
    cells: Annotated[dict[Name, Cell], Field(min_length=1, max_length=10_000)]
    """By name; their order has no meaning."""

    @model_validator(mode="after")
    def _check_drawn(self) -> Self:
        for key in ("robots", "start"):
            if self.drawn == bool(getattr(self, key)):
                missing = "missing key; it has no default"
                raise KeyedError(key, "of a drawn panel they are the task's" if self.drawn else missing)
        free = {name: field for name, field in Cell.model_fields.items() if name not in ("why", "control", "commands")}
        for name, cell in self.cells.items() if self.drawn else ():
            for key, field in free.items():
                if getattr(cell, key) != field.get_default(call_default_factory=True):
                    raise KeyedError(f"cells.{name}.{key}", "imposed, but the panel is drawn: its cells command only")
        return self

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.warm_up >= self.duration:
            raise KeyedError("warm_up", f"expected less than the duration of {self.duration:g} s, got {self.warm_up:g}")
        if self.num_envs > MAX_ENVS:
            raise KeyedError("replicates", f"{len(self.cells)} cells of {self.replicates} are more than {MAX_ENVS}")
        seen: dict[str, str] = {}
        for name, cell in self.cells.items():
            twin = seen.setdefault(cell.sha256, name)
            if twin != name:
                raise KeyedError(f"cells.{name}", f"has the conditions of {twin!r}")
            last = max([cell.commands[-1][0], *(kick.at for kick in cell.kicks)])
            if last >= self.duration:
                raise KeyedError(f"cells.{name}", f"something happens at {last:g} s, after {self.duration:g} s")
        return self

    @property
    def num_envs(self) -> int:
        """One environment for each cell and replicate."""
        return len(self.cells) * self.replicates

    @property
    def canonical_json(self) -> str:
        """One text per panel: keys sorted, cells by name, without the sentences that say why."""
        cells = {name: cell.conditions | {"control": cell.control} for name, cell in self.cells.items()}
        plain = self.model_dump(mode="json", exclude={"why", "cells"}) | {"cells": cells}
        if self.extends is None:  # hashes of before extensions know no such key
            del plain["extends"]
        if not self.drawn:
            del plain["drawn"]  # panels of before keep their hashes
        return _canonical(plain)

    @property
    def sha256(self) -> str:
        """Hex SHA-256 of the canonical JSON."""
        return hashlib.sha256(self.canonical_json.encode()).hexdigest()


def _canonical(plain: Any) -> str:
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _sha256(plain: Any) -> str:
    return hashlib.sha256(_canonical(plain).encode()).hexdigest()
