"""Physics beside its floor, and what is printed and written of it."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from made_up_probe import NUM, STEPS, made_up_probe
from surefoot.crosscheck import report
from surefoot.crosscheck.definitions import compare_definitions
from surefoot.crosscheck.physics_drift import PhysicsDifference, compare_physics
from surefoot.crosscheck.probe_file import Probe
from surefoot.crosscheck.report import CrosscheckResult
from surefoot.crosscheck.run import Question, Side, crosscheck, parse_sides
from surefoot.errors import CrosscheckError, ManifestError, UnknownName
from surefoot.reporting import write_json
from surefoot_tasks import manifest_root

TASK = "Surefoot-Velocity-Flat-Unitree-Go1-v0"


def row(rows: list[PhysicsDifference], part: str, quantity: str, steps: int) -> PhysicsDifference:
    (found,) = [entry for entry in rows if (entry.part, entry.quantity, entry.steps) == (part, quantity, steps)]
    return found


def test_differences_stand_beside_the_floor_of_each_engine() -> None:
    a, b, again = made_up_probe(), made_up_probe(), made_up_probe()
    b.arrays["hold/joint_pos"][4] += np.array([0.3, 0.4], dtype=np.float32)  # in the fifth step
    again.arrays["hold/joint_pos"][4, 2, 0] += 0.01
    rows = compare_physics(a, b, (again, b))
    found = row(rows, "hold", "joint_pos", 5)
    assert found.rms == pytest.approx(np.sqrt((0.3**2 + 0.4**2) / 2), abs=1e-6)
    assert found.largest == pytest.approx(0.4, abs=1e-6)
    assert found.floors == (pytest.approx(0.01, abs=1e-6), 0.0)
    assert found.num_envs == NUM
    assert row(rows, "hold", "joint_pos", STEPS).largest == 0.0


def test_robots_that_ended_are_left_out() -> None:
    a, b = made_up_probe(), made_up_probe()
    b.arrays["open_loop/base_pos"][:, 1] += 7.0
    b.arrays["open_loop/ended"][3, 1] = True
    rows = compare_physics(a, b, (a, b))
    assert row(rows, "open_loop", "base_pos", 1).largest == pytest.approx(7.0)
    after = row(rows, "open_loop", "base_pos", 5)
    assert (after.largest, after.num_envs) == (0.0, NUM - 1)
    b.arrays["open_loop/ended"][4] = True
    rows = compare_physics(a, b, (a, b))
    assert row(rows, "open_loop", "base_pos", 5).largest is None


def outcome(b: Probe) -> CrosscheckResult:
    a = made_up_probe()
    return CrosscheckResult("Made-Up-v0", a, b, compare_definitions(a, b), compare_physics(a, b, (a, b)))


def test_the_report_names_what_differs_and_ends_with_the_verdict(tmp_path: Path) -> None:
    text = report.table(outcome(made_up_probe()))
    assert text.endswith("No definition differs; physics may.")
    assert "differs" not in text.replace("No definition differs", "")
    broken = made_up_probe()
    broken.arrays["flight/rewards"][..., 1] *= 2
    found = outcome(broken)
    text = report.table(found)
    assert text.endswith("1 definitions differ.")
    assert "rewards: torques" in text
    write_json(tmp_path / "crosscheck.json", report.to_plain(found))
    plain = json.loads((tmp_path / "crosscheck.json").read_text())
    assert plain["definitions_differ"] == 1
    assert [check["name"] for check in plain["checks"] if check["status"] == "differs"] == ["torques"]
    assert len(report.table(found, every=True).splitlines()) > len(plain["checks"])


def test_the_policy_of_both_engines_stands_side_by_side() -> None:
    interval, nothing = {"value": 0.09, "low": 0.08, "high": 0.1}, {"value": None, "low": None, "high": None}
    summary = {
        "lin_vel_error": interval,
        "yaw_rate_error": interval,
        "fall_rate": nothing,
        "cost_of_transport": {"value": 0.9, "low": None, "high": None},
    }
    a = made_up_probe("one")
    found = CrosscheckResult("Made-Up-v0", a, made_up_probe("two"), [], [], (summary, summary))
    lines = report.table(found).splitlines()
    assert [line.split()[:2] for line in lines if "0.090 (0.080 to 0.100)" in line] == [
        ["one", "0.090"],
        ["two", "0.090"],
    ]


def test_sides_are_read_from_the_command_line() -> None:
    a, b = parse_sides(
        "mujoco,isaaclab:newton_mjwarp", ["isaaclab=/opt/python"], ["b:seed=3", "b:simulation.decimation=4"], "cpu"
    )
    assert a == Side("mujoco", sys.executable, "cpu", ())
    assert b == Side("isaaclab:newton_mjwarp", "/opt/python", "cpu", ("seed=3", "simulation.decimation=4"))


def test_an_interpreter_may_be_given_for_one_backend_alone() -> None:
    engines = "isaaclab:newton_mjwarp,isaaclab:ovphysx"
    a, b = parse_sides(engines, ["isaaclab=/opt/one", "isaaclab:ovphysx=/opt/other"], [], "cpu")
    assert (a.python, b.python) == ("/opt/one", "/opt/other")


def test_options_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'mujoco'"):
        parse_sides("mujoco,mujocco", [], [], "cpu")
    with pytest.raises(CrosscheckError, match="expected two engines"):
        parse_sides("mujoco", [], [], "cpu")
    with pytest.raises(CrosscheckError, match="expected ENGINE=PATH"):
        parse_sides("mujoco,mujoco", ["isaaclab=/opt/python"], [], "cpu")
    with pytest.raises(CrosscheckError, match="expected a:KEY=VALUE or b:KEY=VALUE"):
        parse_sides("mujoco,mujoco", [], ["seed=3"], "cpu")


def test_a_bad_override_is_refused_before_anything_starts(tmp_path: Path) -> None:
    a, b = parse_sides("mujoco,mujoco", [], ["b:task.rewards.torque.weight=-1"], "cpu")
    question = Question(TASK, manifest_root(), (a, b), quiet=True)
    with pytest.raises(ManifestError, match="torque"):
        crosscheck(question, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_engine_that_gives_nothing_is_a_failure_whatever_its_exit_code(tmp_path: Path) -> None:
    silent = Side("mujoco", "/bin/true")
    with pytest.raises(CrosscheckError, match=r"gave no result \(exit code 0\): nothing was printed"):
        crosscheck(Question(TASK, manifest_root(), (silent, silent), quiet=True), tmp_path)
    absent = Side("mujoco", str(tmp_path / "python"))
    with pytest.raises(CrosscheckError, match="cannot be run"):
        crosscheck(Question(TASK, manifest_root(), (absent, absent), quiet=True), tmp_path)
