"""The table of floors: what counts for which score, and what nobody has measured."""

import itertools
from pathlib import Path

import pytest

from surefoot.engines.base import physics_name
from surefoot.engines.isaaclab.compat import versions
from surefoot.errors import ManifestError
from surefoot.manifest import Manifest, compose_manifest
from surefoot.replay.floor import Floor, Floors, add_floor, floor_targets, nominal, read_floors
from surefoot.replay.replay_modes import NEEDS
from surefoot.replay.suite import ready_suite
from surefoot_tasks import manifest_root

ENTRY = Floor(
    robot="unitree_go1",
    task="T",
    writer="mujoco",
    engine="isaaclab:newton_mjwarp",
    contact_model="full",
    score_version=1,
    horizon=0.4,
    windows=5,
    scores={"open_loop": 0.07},
    measured="a test",
)


def test_a_floor_is_of_robot_contact_model_writer_engine_mode_horizon_and_version(go1_manifest: Manifest):
    table, newton = Floors(schema_version=1, floors=(ENTRY,)), "isaaclab:newton_mjwarp"
    full = compose_manifest(manifest_root(), "Surefoot-Velocity-Flat-Unitree-Go1-v0", ["simulation=full"])
    other = full.model_copy(update={"robot": full.robot.model_copy(update={"name": "unitree_go2"})})
    assert table.score(full, "mujoco", newton, "open_loop", 0.4) == 0.07
    assert table.score(full, "mujoco", newton, "torque", 0.4) is None
    assert go1_manifest.simulation.contact_model != full.simulation.contact_model
    assert table.score(go1_manifest, "mujoco", newton, "open_loop", 0.4) is None
    assert table.score(full, "mujoco", "isaaclab:physx", "open_loop", 0.4) is None
    assert table.score(other, "mujoco", newton, "open_loop", 0.4) is None
    assert table.score(full, newton, "mujoco", "open_loop", 0.4) is None
    assert table.score(full, "mujoco", newton, "open_loop", 0.4, version=2) is None
    assert table.score(full, "mujoco", newton, "open_loop", 1.0) is None  # two engines disagree more after 1 s


def test_on_the_engine_that_wrote_the_log_it_is_zero(go1_manifest: Manifest):
    assert Floors(schema_version=1).score(go1_manifest, "mujoco", "mujoco", "torque", 0.4) == 0.0


def test_a_measurement_replaces_the_one_before(tmp_path: Path):
    (tmp_path / "traces").mkdir()
    path = tmp_path / "traces" / "floors.yaml"
    assert read_floors(tmp_path).floors == ()
    other = ENTRY.model_copy(update={"engine": "isaaclab:physx"})
    again = ENTRY.model_copy(update={"scores": {"open_loop": 0.09}})
    longer = ENTRY.model_copy(update={"horizon": 1.0})
    for floor in (ENTRY, other, longer, again):
        add_floor(path, floor)
    assert read_floors(tmp_path).floors == (other, longer, again)
    path.write_text(path.read_text().replace("open_loop", "openloop"))
    with pytest.raises(ManifestError, match=r"floors\.0\.scores"):
        read_floors(tmp_path)


def test_the_motion_begins_in_the_default_pose_and_new_targets_come_with_control_steps(go1_manifest: Manifest):
    targets = floor_targets(go1_manifest, seconds=1.0)
    robot, simulation = go1_manifest.robot, go1_manifest.simulation
    assert targets.shape == (round(1.0 / simulation.timestep), 12)
    assert targets[0] == pytest.approx(robot.default_joint_pos, abs=1e-6)
    blocks = targets.reshape(-1, simulation.decimation, 12)
    assert (blocks == blocks[:, :1]).all() and (blocks[1:, 0] != blocks[:-1, 0]).any(axis=1).all()


def test_it_is_measured_on_the_robot_as_it_is_defined(go1_manifest: Manifest):
    plain = nominal(go1_manifest)
    assert plain.randomization.factors == {} and plain.task.resets.yaw == (0.0, 0.0)
    assert plain.robot == go1_manifest.robot


@pytest.mark.parametrize(("version", "backend"), [("3.0", "newton_mjwarp"), ("2.3", "isaacsim_physx")])
def test_an_engine_stands_for_the_backend_that_it_simulates_with(
    monkeypatch: pytest.MonkeyPatch, go1_manifest: Manifest, version: str, backend: str
):
    """Newton has floors for both contact models of both robots; nobody has measured one for PhysX."""
    monkeypatch.setattr(versions, "isaaclab_version", lambda: version)
    assert physics_name("isaaclab") == f"isaaclab:{backend}"
    assert [physics_name(name) for name in ("mujoco", "isaaclab:x")] == ["mujoco", "isaaclab:x"]
    plain = ready_suite("go2_v1", manifest_root(), Path(), "isaaclab")
    assert plain.sha256 == ready_suite("go2_v1", manifest_root(), Path(), f"isaaclab:{backend}").sha256
    for robot, model, mode in itertools.product(("unitree_go1", "unitree_go2"), ("lean", "full"), NEEDS):
        named = go1_manifest.robot.model_copy(update={"name": robot})
        physics = go1_manifest.simulation.model_copy(update={"contact_model": model})
        task = go1_manifest.model_copy(update={"robot": named, "simulation": physics})
        floor = plain.floors.score(task, "mujoco", physics_name("isaaclab"), mode, plain.suite.horizon)
        assert (floor is not None) == (version == "3.0")


def test_the_table_that_comes_with_the_project_is_one():
    for floor in read_floors(manifest_root()).floors:
        assert floor.writer != floor.engine and floor.measured
