"""Is a cell outside of what a policy was trained on? Compared factor by factor, before anything runs.

A cell is held out if at least one of its conditions is one that the training manifest never produces, and that for
every manifest that the policy was ever trained with. In doubt it is not: ranges include their edges, a direction counts
only where no heading of the robot would give it, an offset that training leaves open is taken for inside, and so is
less noise than training's, which its noise includes.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from surefoot.evaluation.ground import ground_finding
from surefoot.evaluation.panel import Cell, Panel
from surefoot.manifest.factors import FACTORS, FactorKind, Span
from surefoot.manifest.manifest import Manifest

_TOLERANCE = 1e-6
"""Share of a bound that rounding explains."""
EDGE = 0.05
"""Distance outside of training, over training's width, below which a condition is at its edge and not outside."""
_WIDTHS = {"kg": 1.0, "m": 0.1}
"""By unit, in place of a width where training had one value, and that was 0; 1 of every other unit."""


@dataclass(frozen=True)
class ComparedCondition:
    """One condition of a cell against its counterpart in training."""

    factor: str
    cell: str
    """The cell's value, in words."""
    training: str
    """What training had."""
    held_out: bool
    beyond: float | None = None
    """How far outside of training it is, over training's width; None where nothing measures that."""

    @property
    def at_edge(self) -> bool:
        """Outside by next to nothing."""
        return self.held_out and self.beyond is not None and self.beyond < EDGE

    def __str__(self) -> str:
        return f"{self.factor}: {self.cell}; trained on {self.training}"


@dataclass(frozen=True)
class Membership:
    """Where a cell belongs, and why."""

    held_out: bool
    """Outside of the training by more than its edge; the score is about these."""
    findings: tuple[ComparedCondition, ...]
    """All that were compared."""
    refused: bool
    """Meant to be held out, and inside the training distribution."""

    @property
    def at_edge(self) -> bool:
        """Outside of the training by next to nothing: neither held out nor a control."""
        return not self.held_out and any(finding.held_out for finding in self.findings)

    @property
    def group(self) -> str:
        """As reports call it."""
        return "held_out" if self.held_out else "edge" if self.at_edge else "in_distribution"

    @property
    def beyond(self) -> float | None:
        """The largest distance outside of training, over training's width; 0 inside, None where it has no measure."""
        outside = [finding.beyond for finding in self.findings if finding.held_out]
        return None if None in outside else max((value for value in outside if value is not None), default=0.0)

    @property
    def reasons(self) -> tuple[str, ...]:
        """The conditions that training never produced."""
        return tuple(str(finding) for finding in self.findings if finding.held_out)


def memberships(
    panel: Panel, trained_on: Sequence[Manifest], measured_on: Manifest | None = None
) -> dict[str, Membership]:
    """Compare every cell with what a policy was trained on, by name of the cell.

    Args:
        panel: The cells.
        trained_on: Every manifest that the policy was trained with, the newest last.
        measured_on: The task that the panel is run with: robot, declared noise, gait; default: training's newest.
    """
    found: dict[str, Membership] = {}
    for name, cell in panel.cells.items():
        task = measured_on or trained_on[-1]
        findings = _of_all(
            [(*compare_cell(cell, training, task), *_panel_findings(panel, training)) for training in trained_on]
        )
        held_out = any(finding.held_out and not finding.at_edge for finding in findings)
        found[name] = Membership(held_out, findings, refused=not _outside(findings) and not cell.control)
    return found


def _of_all(compared: list[tuple[ComparedCondition, ...]]) -> tuple[ComparedCondition, ...]:
    """The training that had all of a cell's conditions; otherwise the newest, less what an earlier one had."""
    for findings in compared:
        if not _outside(findings):
            return findings
    had = {_key(finding) for findings in compared for finding in findings if not finding.held_out}
    merged = tuple(
        replace(finding, held_out=finding.held_out and _key(finding) not in had, beyond=_nearest(finding, compared))
        for finding in compared[-1]
    )
    if _outside(merged):
        return merged
    apart = [finding for finding in compared[-1] if finding.held_out]
    what = ", ".join(f"{finding.factor} {finding.cell}" for finding in apart)
    return (*merged, ComparedCondition("combination", what, "each of its conditions, in no manifest all of them", True))


def _nearest(finding: ComparedCondition, compared: list[tuple[ComparedCondition, ...]]) -> float | None:
    """Distance from the training that came nearest to a condition."""
    same = [other.beyond for findings in compared for other in findings if _key(other) == _key(finding)]
    return min((beyond for beyond in same if beyond is not None), default=None)


def _key(finding: ComparedCondition) -> tuple[str, str]:
    """The same for one condition whatever it is compared with."""
    return finding.factor, finding.cell.partition(": ")[0]


def _outside(findings: tuple[ComparedCondition, ...]) -> bool:
    return any(finding.held_out for finding in findings)


def compare_cell(cell: Cell, training: Manifest, measured_on: Manifest | None = None) -> tuple[ComparedCondition, ...]:
    """Every condition of a cell, met by a robot of `measured_on`, against one training manifest."""
    task = measured_on or training
    robot, known = task.robot.name, training.robot.name
    return (
        *((ComparedCondition("robot", robot, known, True),) if robot != known else ()),
        ground_finding(cell.terrain, training, ComparedCondition),
        *_factor_findings(cell, training, task),
        *_kick_findings(cell, training, task),
        *_command_findings(cell, training),
    )


def _within(value: float, bounds: tuple[float, float]) -> bool:
    slack = _TOLERANCE * max(1.0, abs(bounds[0]), abs(bounds[1]))
    return bounds[0] - slack <= value <= bounds[1] + slack


def _ranged(factor: str, value: float | Span, bounds: Span, unit: str = "") -> ComparedCondition:
    suffix = f" {unit}" if unit and unit != "-" else ""
    here = value if isinstance(value, tuple) else (value, value)
    inside = all(_within(end, bounds) for end in here)
    beyond = max(0.0, bounds[0] - min(here), max(here) - bounds[1]) / _width(bounds, unit)
    return ComparedCondition(factor, _words(here) + suffix, _words(bounds) + suffix, not inside, beyond)


def _width(bounds: Span, unit: str) -> float:
    """Of a range; of a single value its size."""
    return bounds[1] - bounds[0] or max(abs(bounds[0]), abs(bounds[1])) or _WIDTHS.get(unit, 1.0)


def _panel_findings(panel: Panel, training: Manifest) -> Iterator[ComparedCondition]:
    """Start and duration, which all cells share, where training had none such."""
    trained = training.task.episode_length
    found: list[ComparedCondition] = []
    if not _within(panel.duration, (0.0, trained)):
        found.append(_ranged("duration", panel.duration, (0.0, trained), "s"))
    if panel.start is not None:
        units = {"position_xy": "m", "lin_vel": "m/s", "joint_vel": "rad/s", "ang_vel": "rad/s"}
        for name in type(panel.start).model_fields:
            here, bounds = getattr(panel.start, name), getattr(training.task.resets, name)
            found.append(_ranged(f"start.{name}", here, bounds, units.get(name, "rad")))
    yield from (finding for finding in found if finding.held_out)


def _words(span: Span) -> str:
    low, high = span
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _drawn(kind: FactorKind, training: Manifest) -> Span | None:
    """What training drew a factor from; None where it did not."""
    factor = training.randomization.factors.get(kind.name)
    return None if factor is None else (factor.edges[0], factor.edges[-1])


def _factor_findings(cell: Cell, training: Manifest, task: Manifest) -> Iterator[ComparedCondition]:
    loudness = _loudness(training, task)
    for kind in FACTORS.values():
        value = cell.factor(kind.name)
        if kind.compared == "range":
            yield _range_finding(kind, value, training, task)
        elif kind.compared == "place" and value is not None:  # none: at the middle, which training's ranges are about
            drawn = _drawn(kind, training)
            middle = ComparedCondition(kind.name, f"{value:g} {kind.unit}", "the base's centre of mass", True)
            yield middle if drawn is None else _ranged(kind.name, value, drawn, kind.unit)
        elif kind.compared == "noise" and value is not None:
            yield _noise_finding(kind, value, training, loudness)


def _range_finding(kind: FactorKind, value: float | None, training: Manifest, task: Manifest) -> ComparedCondition:
    """Within the range, edges included; without the factor training had what the robot definition says."""
    drawn, own = _drawn(kind, training), kind.own(training) if kind.own is not None else None
    neutral = None if kind.neutral is None else (kind.neutral, kind.neutral)
    bounds = drawn or own or neutral
    assert bounds is not None
    if value is None:
        assert kind.own is not None
        return _ranged(kind.name, kind.own(task), bounds, kind.unit)
    if kind.step is not None:  # what a cell asks for is rounded to whole steps
        value = round(value / kind.step(training))
    if kind.beside is not None:
        least, most = kind.beside(training)
        bounds = (bounds[0] + least, bounds[1] + most)
    found = _ranged(kind.name, value, bounds, kind.unit)
    uneven = drawn is None and own is not None and own[0] < own[1]
    return replace(found, held_out=True, beyond=None) if uneven else found  # joints that differ were never alike


def declared_noise(task: Manifest) -> dict[str, float]:
    """Half-width of the noise of each actor observation, in its own unit, by term; 0 where there is none."""
    group = task.task.observations.actor
    return {name: term.noise if group.noise else 0.0 for name, term in group.terms.items()}


def _loudness(training: Manifest, task: Manifest) -> float:
    """How many times training's noise a task declares, at most; 0 where it declares none."""
    here, there = declared_noise(task), declared_noise(training)
    times = (noise / there[name] if there.get(name) else math.inf for name, noise in here.items() if noise)
    return max(times, default=0.0)


def _noise_finding(kind: FactorKind, value: float, training: Manifest, loudness: float) -> ComparedCondition:
    """Compared as amplitudes: what a level multiplies is the noise that the task declares."""
    assert kind.neutral is not None
    _, most = _drawn(kind, training) or (kind.neutral, kind.neutral)
    amplitude = value * loudness if value > 0 else 0.0
    words = f"{value:g}" + ("" if loudness in (0.0, 1.0) else f" of noise up to {loudness:g} times training's")
    trained = "no noise" if not any(declared_noise(training).values()) else f"up to {most:g}"
    beyond = max(0.0, amplitude - most) / (most or 1.0)
    return ComparedCondition(kind.name, words, trained, not _within(amplitude, (0.0, most)), beyond)


def _interval(name: str, gap: float, shortest: float) -> ComparedCondition:
    beyond = max(0.0, shortest - gap) / shortest if math.isfinite(shortest) else None
    return ComparedCondition(name, f"{gap:g} s", f"{shortest:g} s and more", gap < shortest - 1e-6, beyond)


def _kick_findings(cell: Cell, training: Manifest, task: Manifest) -> list[ComparedCondition]:
    push = training.randomization.push
    kinds = [kind for kind in FACTORS.values() if kind.compared == "kicks"]
    here = math.prod(cell.factor(kind.name) or 0.0 for kind in kinds)
    # An interval longer than the episode delivers no kick, whatever the strength.
    there = math.prod((_drawn(kind, training) or (1.0, 1.0))[1] for kind in kinds) if training.has_kicks else 0.0
    reach = push.lin_vel_xy * math.sqrt(2) * there  # corner of the square that training draws from
    turn = push.ang_vel_z * there
    findings: list[ComparedCondition] = []
    for kick in cell.kicks:
        findings.append(_ranged("kick", kick.lin_vel * here, (0.0, reach), "m/s"))
        findings.append(_ranged("kick.ang_vel_z", kick.ang_vel_z * here, (-turn, turn), "rad/s"))
    if len(cell.kicks) > 1:
        cycle = 1.0 / task.task.gait.frequency  # what a kick may wait for its phase
        waits = [0.0 if kick.phase is None else cycle for kick in cell.kicks]
        gap = min(
            after.at + wait - before.at for (before, after), wait in zip(pairwise(cell.kicks), waits[1:], strict=True)
        )
        shortest = push.interval[0] if training.has_kicks else math.inf
        findings.append(_interval("kick.interval", gap, shortest))
    return findings


def _command_findings(cell: Cell, training: Manifest) -> list[ComparedCondition]:
    ranges = training.task.commands
    findings: list[ComparedCondition] = []
    axes = (("lin_vel_x", ranges.lin_vel_x), ("lin_vel_y", ranges.lin_vel_y), ("ang_vel_z", ranges.ang_vel_z))
    standing = ranges.standing_fraction > 0
    for axis, (name, bounds) in enumerate(axes, start=1):
        unit = "rad/s" if name == "ang_vel_z" else "m/s"
        values = [entry[axis] for entry in cell.commands if not (standing and entry[1:] == (0.0, 0.0, 0.0))]
        for value in sorted({min(values), max(values)} if values else ()):
            findings.append(_ranged(f"command.{name}", value, bounds, unit))
        if not values:
            findings.append(ComparedCondition(f"command.{name}", f"0 {unit}", "standing", False))
    if len(cell.changes) > 1:
        gap = min(after - before for before, after in pairwise(cell.changes))
        shortest = ranges.resampling_time[0]
        findings.append(_interval("command.interval", gap, shortest))
    return findings
