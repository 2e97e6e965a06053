"""Panels of which everything but the commands is drawn as in training: order, manifest, membership, and what is drawn.

The environments of such a panel draw by their number, so that what a replicate meets depends on its place among the
cells; cells therefore stand in the order of their commands, whatever their order in the file.
"""

from collections.abc import Sequence
from typing import Any

from surefoot.evaluation.conditions import SPARE
from surefoot.evaluation.ground import LEVEL
from surefoot.evaluation.ground import trained_on as ground_of
from surefoot.evaluation.held_out import ComparedCondition, Membership, compare_cell
from surefoot.evaluation.panel import Panel
from surefoot.manifest.factors import FACTORS
from surefoot.manifest.manifest import Manifest, canonical_data
from surefoot.manifest.validate import validate


def in_order(panel: Panel) -> Panel:
    """The panel with its cells in the order of their commands."""
    cells = dict(sorted(panel.cells.items(), key=lambda item: item[1].commands))
    return panel.model_copy(update={"cells": cells})


def drawn_manifest(task: Manifest, panel: Panel) -> Manifest:
    """The manifest that a drawn panel is run with: the task's own, but its time-out comes after the measurement ends.

    Raises:
        ManifestError: The seed is out of range.
    """
    longer = task.task.model_copy(update={"episode_length": panel.duration + SPARE})
    changed = task.model_copy(update={"task": longer, "seed": panel.seed})
    return validate(changed.to_plain(), source=f"panel {panel.name}")


def drawn_memberships(panel: Panel, trained_on: Sequence[Manifest], measured_on: Manifest) -> dict[str, Membership]:
    """Compare what is drawn, and each command, with what a policy was trained on.

    A factor is held out where the whole range that is drawn from lies outside of training's, generated ground where it
    has no class of training's; a part that lies outside is in `manifest_changes` of the report.

    Args:
        panel: The cells.
        trained_on: Every manifest that the policy was trained with, the newest last.
        measured_on: The task that the panel is run with.
    """
    found: dict[str, Membership] = {}
    for name, cell in panel.cells.items():
        compared = [
            (*_commands(compare_cell(cell, training, measured_on)), *_ranges(training, measured_on))
            for training in trained_on
        ]
        inside = [findings for findings in compared if not any(finding.held_out for finding in findings)]
        found[name] = Membership(not inside, inside[0] if inside else compared[-1], refused=False)
    return found


def _commands(findings: tuple[ComparedCondition, ...]) -> list[ComparedCondition]:
    return [finding for finding in findings if finding.factor == "robot" or finding.factor.startswith("command.")]


def _ranges(training: Manifest, measured_on: Manifest) -> list[ComparedCondition]:
    """What is drawn: ground and factors."""
    findings: list[ComparedCondition] = []
    if (here := measured_on.task.terrain.generator) is not None:
        there = training.task.terrain.generator
        known = {
            LEVEL,
            *(there.classes if there is not None else ()),
        }  # wherever training was, it began on level ground
        unknown = not known.intersection(here.classes)
        findings.append(ComparedCondition("terrain", ", ".join(here.classes), ground_of(training), unknown))
    for name, factor in measured_on.randomization.factors.items():
        neutral = FACTORS[name].neutral
        trained = (neutral, neutral) if neutral is not None else ()
        if name in training.randomization.factors:
            trained = training.randomization.factors[name].edges
        if not trained:
            continue  # training had what the robot definition says; in doubt that lies inside
        low, high = factor.edges[0], factor.edges[-1]
        outside = high < trained[0] or low > trained[-1]
        findings.append(ComparedCondition(name, f"{low:g} to {high:g}", f"{trained[0]:g} to {trained[-1]:g}", outside))
    return findings


def what_is_drawn(manifest: Manifest) -> dict[str, Any]:
    """What the environments of a drawn panel draw, as plain values: two reports are compared where it is the same."""
    task, drawn = manifest.task, canonical_data(manifest.randomization)
    delays = {name: list(term.delay_steps) for name, term in task.observations.actor.terms.items()}
    return {
        "factors": drawn["factors"],
        "bucket_by": drawn["bucket_by"],
        "start": task.resets.model_dump(mode="json", exclude={"randomize_episode_start"}),
        "terrain": canonical_data(task.terrain),
        "delay_steps": delays | {"action": list(task.actions.delay_steps)},
    }
