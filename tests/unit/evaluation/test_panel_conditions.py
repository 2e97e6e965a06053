"""From a panel to a manifest: everything is imposed, and what differs from the training is said."""

import hashlib

import pytest

from scripted_env import go1
from scripted_panel import DT, drawn_panel, panel_of
from surefoot.errors import CheckpointError, PanelError
from surefoot.evaluation import provenance
from surefoot.evaluation.conditions import check_kicks, panel_manifest
from surefoot.evaluation.held_out import memberships
from surefoot.evaluation.provenance import changes_that_count, report_path
from surefoot.manifest import override_manifest
from surefoot.runs.checkpoint import Checkpoint


def test_delays_are_those_of_the_cells_alone():
    """Training draws up to 2 steps; a cell with a delay of 1 step must not be measured with 1 to 3."""
    late = override_manifest(go1(), ["task.actions.delay_steps=[0,2]",
                                     "+task.observations.actor.terms.joint_pos.delay_steps=[0,3]"])  # fmt: skip
    manifest = panel_manifest(late, panel_of(), 0)
    assert manifest.task.actions.delay_steps == (0, 0)
    assert all(term.delay_steps == (0, 0) for term in manifest.task.observations.actor.terms.values())
    always = override_manifest(go1(), ["task.actions.delay_steps=[1,2]"])
    assert memberships(panel_of(), [always])["only"].reasons == (
        "control_delay: 0 physics steps; trained on 1 to 2 physics steps",
    )


def test_a_kick_that_may_wait_beyond_the_end_is_refused():
    cycle = 1.0 / go1().task.gait.frequency
    steps = round(2 * cycle / DT)
    fits = panel_of({"a": {"kicks": [{"at": 0.9 * cycle, "lin_vel": 1.0, "phase": 0.5}]}}, steps=steps)
    check_kicks(fits, go1())
    late = panel_of({"a": {"kicks": [{"at": 1.1 * cycle, "lin_vel": 1.0, "phase": 0.5}]}}, steps=steps)
    with pytest.raises(PanelError, match=r"cells\.a\.kicks: with a gait cycle of .* the last one may wait until"):
        check_kicks(late, go1())
    both = {"kicks": [{"at": 0.9 * cycle, "lin_vel": 1.0, "phase": 0.5}, {"at": cycle, "lin_vel": 1.0, "phase": 0.5}]}
    with pytest.raises(PanelError, match="the last one may wait until"):
        check_kicks(panel_of({"a": both}, steps=steps), go1())


def test_what_an_override_changes_is_said_and_what_the_panel_sets_is_not():
    quiet = override_manifest(go1(), ["task.observations.actor.noise=false", "task.actions.clip=7", "seed=3",
                                      "randomization.push.lin_vel_xy=0.3", "task.episode_length=5"])  # fmt: skip
    changed = {key for key, _, _ in changes_that_count(go1(), quiet)}
    assert changed == {"task.observations.actor.noise", "task.actions.clip"}
    assert changes_that_count(go1(), go1()) == []


def test_a_checkpoint_that_is_replaced_while_it_is_read_is_not_the_one_that_is_named(tmp_path, monkeypatch):
    """A run that trains puts a new best under the same name; the report would name its hash."""
    path = tmp_path / "model_best.pt"
    path.write_bytes(b"old")

    def replaced(file):
        file.write_bytes(b"new")
        return "the old one"

    monkeypatch.setattr(provenance, "load", replaced)
    with pytest.raises(CheckpointError, match="another checkpoint took its place"):
        provenance.load_and_hash(path)
    monkeypatch.setattr(provenance, "load", lambda file: file.read_bytes())
    assert provenance.load_and_hash(path) == (b"new", hashlib.sha256(b"new").hexdigest())


@pytest.mark.parametrize(
    ("changes", "engine", "overrides", "name"),
    [
        ({}, "mujoco", [], "panel_test_v1_7.json"),
        ({"seed": 3}, "isaaclab:physx", [], "panel_test_v1_7_isaaclab_physx_seed3.json"),
        ({"replicates": 2}, "mujoco", [], "panel_test_v1_7_PANEL.json"),
        ({}, "mujoco", ["task.rewards.torques.weight=0"], "panel_test_v1_7.json"),
        ({}, "mujoco", ["randomization.factors.friction.edges=[0.3,0.3]"], "panel_test_v1_7_TASK.json"),
    ],
)
def test_an_evaluation_of_something_else_takes_nobodys_file(changes, engine, overrides, name: str, tmp_path):
    shipped = drawn_panel([(0.5, 0.0, 0.0)])
    panel, task = shipped.model_copy(update=changes), override_manifest(go1(), overrides)
    name = name.replace("PANEL", panel.sha256[:8]).replace("TASK", task.sha256[:8])
    weights = Checkpoint(path=tmp_path / "model_7.pt", manifest=go1(), iteration=7, content={}, earlier=())
    assert report_path(weights, panel, shipped, task, engine, bool(overrides)) == tmp_path / name
