"""Is a cell outside of what a policy was trained on? Compared factor by factor, before anything runs.

A cell is held out if at least one of its conditions is one that the training manifest never produces, and that for
every manifest that the policy was ever trained with. In doubt it is not: ranges include their edges, a direction counts
only where no heading of the robot would give it, an offset that training leaves open is taken for inside, and so is
less noise than training's, which its noise includes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from surefoot.evaluation.ground import ground_finding
from surefoot.evaluation.panel import Cell, Panel
from surefoot.manifest.factors import FACTORS
from surefoot.manifest.manifest import Manifest

_TOLERANCE = 1e-6
"""Share of a bound that rounding explains."""


@dataclass(frozen=True)
class Finding:
    """One condition of a cell against its counterpart in training."""

    factor: str
    cell: str
    """The cell's value, in words."""
    training: str
    """What training had."""
    held_out: bool

    def __str__(self) -> str:
        return f"{self.factor}: {self.cell}; trained on {self.training}"


@dataclass(frozen=True)
class Membership:
    """Where a cell belongs, and why."""

    held_out: bool
    findings: tuple[Finding, ...]
    """All that were compared."""
    refused: bool
    """Meant to be held out, and inside the training distribution."""

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
        findings = _of_all([compare_cell(cell, training, task) for training in trained_on])
        held_out = _outside(findings)
        found[name] = Membership(held_out, findings, refused=not held_out and not cell.control)
    return found


def _of_all(compared: list[tuple[Finding, ...]]) -> tuple[Finding, ...]:
    """The training that had all of a cell's conditions; otherwise the newest, less what an earlier one had."""
    for findings in compared:
        if not _outside(findings):
            return findings
    had = {_key(finding) for findings in compared for finding in findings if not finding.held_out}
    merged = tuple(replace(finding, held_out=finding.held_out and _key(finding) not in had) for finding in compared[-1])
    if _outside(merged):
        return merged
    apart = [finding for finding in compared[-1] if finding.held_out]
    what = ", ".join(f"{finding.factor} {finding.cell}" for finding in apart)
    return (*merged, Finding("combination", what, "each of its conditions, in no manifest all of them", True))


def _key(finding: Finding) -> tuple[str, str]:
    """The same for one condition whatever it is compared with."""
    return finding.factor, finding.cell.partition(": ")[0]


def _outside(findings: tuple[Finding, ...]) -> bool:
    return any(finding.held_out for finding in findings)


def compare_cell(cell: Cell, training: Manifest, measured_on: Manifest | None = None) -> tuple[Finding, ...]:
    """Every condition of a cell, met by a robot of `measured_on`, against one training manifest."""
    task = measured_on or training
    robot, known = task.robot.name, training.robot.name
    return (
        *((Finding("robot", robot, known, True),) if robot != known else ()),
        ground_finding(cell.terrain, training, Finding),
        *_factor_findings(cell, training),
        *_delay_findings(cell, training),
        *_sensor_findings(cell, training, task),
        *_kick_findings(cell, training, task),
        *_command_findings(cell, training),
    )


def factor_range(training: Manifest, name: str, neutral: float | None) -> tuple[float, float] | None:
    """What training drew a factor from; without it the neutral value, or None where only the model knows that."""
    factor = training.randomization.factors.get(name)
    if factor is not None:
        return factor.edges[0], factor.edges[-1]
    return None if neutral is None else (neutral, neutral)


def _within(value: float, bounds: tuple[float, float]) -> bool:
    slack = _TOLERANCE * max(1.0, abs(bounds[0]), abs(bounds[1]))
    return bounds[0] - slack <= value <= bounds[1] + slack


def _ranged(factor: str, value: float, bounds: tuple[float, float], unit: str = "") -> Finding:
    suffix = f" {unit}" if unit and unit != "-" else ""
    low, high = bounds
    trained = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    return Finding(factor, f"{value:g}{suffix}", trained + suffix, not _within(value, bounds))


def _nominal_friction(training: Manifest) -> float:
    return training.robot.contact_models[training.simulation.contact_model].foot_friction[0]


def _factor_findings(cell: Cell, training: Manifest) -> list[Finding]:
    nominal = _nominal_friction(training)
    friction = nominal if cell.friction is None else cell.friction
    bounds = factor_range(training, "friction", nominal)
    assert bounds is not None
    findings = [_ranged("friction", friction, bounds)]
    for name in ("payload_mass", "motor_strength"):
        bounds = factor_range(training, name, FACTORS[name].neutral)
        assert bounds is not None
        findings.append(_ranged(name, getattr(cell, name), bounds, FACTORS[name].unit))
    for name, value in zip(("payload_x", "payload_y", "payload_z"), cell.offset, strict=True):
        bounds = factor_range(training, name, None)
        if value is None:
            continue  # at the base's centre of mass, which ranges of an offset are about
        if bounds is None:
            findings.append(Finding(name, f"{value:g} m", "the base's centre of mass", True))
        else:
            findings.append(_ranged(name, value, bounds, "m"))
    return findings


def _delay_findings(cell: Cell, training: Manifest) -> list[Finding]:
    """Compared in whole steps: what a cell asks for is rounded to them."""
    simulation = training.simulation
    low, high = factor_range(training, "control_delay", 0.0) or (0.0, 0.0)
    least, most = training.task.actions.delay_steps
    control = (low + least, high + most)
    sensors = factor_range(training, "observation_delay", 0.0) or (0.0, 0.0)
    shift = [term.delay_steps for term in training.task.observations.actor.terms.values()]
    sensors = (sensors[0] + min(lag[0] for lag in shift), sensors[1] + max(lag[1] for lag in shift))
    return [
        _ranged("control_delay", round(cell.control_delay / simulation.timestep), control, "physics steps"),
        _ranged("observation_delay", round(cell.observation_delay / simulation.step_dt), sensors, "control steps"),
    ]


def declared_noise(task: Manifest) -> dict[str, float]:
    """Half-width of the noise of each actor observation, in its own unit, by term; 0 where there is none."""
    group = task.task.observations.actor
    return {name: term.noise if group.noise else 0.0 for name, term in group.terms.items()}


def _sensor_findings(cell: Cell, training: Manifest, task: Manifest) -> list[Finding]:
    """Compared as amplitudes: what a level multiplies is the noise that the task declares."""
    here, there = declared_noise(task), declared_noise(training)
    scale = max(
        (noise / there[name] if there.get(name) else math.inf for name, noise in here.items() if noise), default=0.0
    )
    findings: list[Finding] = []
    for factor, value, neutral in (("noise_level", cell.noise_level, 1.0), ("sensor_bias", cell.sensor_bias, 0.0)):
        _, most = factor_range(training, factor, neutral) or (neutral, neutral)
        amplitude = value * scale if value > 0 else 0.0
        words = f"{value:g}" + ("" if scale in (0.0, 1.0) else f" of noise up to {scale:g} times training's")
        trained = "no noise" if not any(there.values()) else f"up to {most:g}"
        findings.append(Finding(factor, words, trained, not _within(amplitude, (0.0, most))))
    return findings


def _kick_findings(cell: Cell, training: Manifest, task: Manifest) -> list[Finding]:
    push = training.randomization.push
    strength = (factor_range(training, "push_strength", 1.0) or (1.0, 1.0))[1] if training.has_kicks else 0.0
    reach = push.lin_vel_xy * math.sqrt(2) * strength  # corner of the square that training draws from
    findings: list[Finding] = []
    for kick in cell.kicks:
        findings.append(_ranged("kick", kick.lin_vel, (0.0, reach), "m/s"))
        turn = push.ang_vel_z * strength
        findings.append(_ranged("kick.ang_vel_z", kick.ang_vel_z, (-turn, turn), "rad/s"))
    if len(cell.kicks) > 1:
        cycle = 1.0 / task.task.gait.frequency  # what a kick may wait for its phase
        waits = [0.0 if kick.phase is None else cycle for kick in cell.kicks]
        gap = min(
            after.at + wait - before.at for (before, after), wait in zip(pairwise(cell.kicks), waits[1:], strict=True)
        )
        shortest = push.interval[0] if training.has_kicks else math.inf
        findings.append(Finding("kick.interval", f"{gap:g} s", f"{shortest:g} s and more", gap < shortest - 1e-6))
    return findings


def _command_findings(cell: Cell, training: Manifest) -> list[Finding]:
    ranges = training.task.commands
    findings: list[Finding] = []
    axes = (("lin_vel_x", ranges.lin_vel_x), ("lin_vel_y", ranges.lin_vel_y), ("ang_vel_z", ranges.ang_vel_z))
    standing = ranges.standing_fraction > 0
    for axis, (name, bounds) in enumerate(axes, start=1):
        unit = "rad/s" if name == "ang_vel_z" else "m/s"
        values = [entry[axis] for entry in cell.commands if not (standing and entry[1:] == (0.0, 0.0, 0.0))]
        for value in sorted({min(values), max(values)} if values else ()):
            findings.append(_ranged(f"command.{name}", value, bounds, unit))
        if not values:
            findings.append(Finding(f"command.{name}", f"0 {unit}", "standing", False))
    if len(cell.changes) > 1:
        gap = min(after - before for before, after in pairwise(cell.changes))
        shortest = ranges.resampling_time[0]
        findings.append(Finding("command.interval", f"{gap:g} s", f"{shortest:g} s and more", gap < shortest - 1e-6))
    return findings
