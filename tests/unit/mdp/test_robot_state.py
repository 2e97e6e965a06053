"""What RobotState derives, and when it forgets."""

import math

import numpy as np
import pytest
import torch

from surefoot.errors import EngineError, UnknownName
from surefoot.manifest import Manifest, override_manifest, validate
from surefoot.mdp.fields import CONSTANTS, FIELDS, field
from surefoot.mdp.robot_state import max_episode_steps
from table_state import TableState


@pytest.fixture
def state(go1_manifest: Manifest) -> TableState:
    return TableState(go1_manifest, 2)


def test_every_field_has_the_shape_that_the_list_promises(go1_manifest: Manifest) -> None:
    plain = go1_manifest.to_plain()
    plain["task"]["height_scan"] = {"size": [0.4, 0.2], "resolution": 0.1}
    state = TableState(validate(plain), 2)
    for name, entry in FIELDS.items():
        assert tuple(state.read(name).shape) == (2, *entry.concrete_shape(state.manifest.robot, 5 * 3)), name


def test_constants_have_no_environment_dimension(state: TableState) -> None:
    for name, entry in CONSTANTS.items():
        value = state.read(name)
        shape = tuple(value.shape) if isinstance(value, torch.Tensor) else np.shape(value)
        assert shape == entry.concrete_shape(state.manifest.robot), name


def test_bools_are_bools(state: TableState) -> None:
    assert state.read("is_moving").dtype == torch.bool


def test_the_same_velocity_in_world_base_and_yaw_frame(state: TableState) -> None:
    half = math.radians(90) / 2
    state.table["base_quat_w"][:] = torch.tensor([math.cos(half), 0.0, 0.0, math.sin(half)])  # facing world y
    state.table["base_lin_vel_w"][:] = torch.tensor([0.0, 2.0, 0.5])
    assert state.read("base_lin_vel_b")[0].tolist() == pytest.approx([2.0, 0.0, 0.5], abs=1e-6)
    assert state.read("base_lin_vel_yaw")[0].tolist() == pytest.approx([2.0, 0.0, 0.5], abs=1e-6)


def test_pitch_separates_base_and_yaw_frame(state: TableState) -> None:
    half = math.radians(-90) / 2  # nose straight up
    state.table["base_quat_w"][:] = torch.tensor([math.cos(half), 0.0, math.sin(half), 0.0])
    state.table["base_lin_vel_w"][:] = torch.tensor([0.0, 0.0, 1.0])
    assert state.read("base_lin_vel_b")[0].tolist() == pytest.approx([1.0, 0.0, 0.0], abs=1e-6)
    assert state.read("base_lin_vel_yaw")[0, 2].item() == pytest.approx(1.0)
    assert state.read("projected_gravity_b")[0].tolist() == pytest.approx([-1.0, 0.0, 0.0], abs=1e-6)


def test_angular_velocity_is_turned_to_the_world(state: TableState) -> None:
    half = math.radians(90) / 2
    state.table["base_quat_w"][:] = torch.tensor([math.cos(half), math.sin(half), 0.0, 0.0])  # rolled to the right
    state.table["base_ang_vel_b"][:] = torch.tensor([0.0, 3.0, 0.0])
    assert state.read("base_ang_vel_w")[0].tolist() == pytest.approx([0.0, 0.0, 3.0], abs=1e-6)


def test_an_accelerometer_feels_the_base_the_turning_and_its_place(state: TableState) -> None:
    """Nose down: the world's up is the base's -x. At (0.1, 0.2, 0): 3^2 x 0.1 and 3^2 x 0.2 towards the axis, and
    2 x 0.1 along y, -2 x 0.2 along x, because the turn about z gets faster by 2 rad/s^2.
    """
    half = math.radians(90) / 2
    state.table["base_quat_w"][:] = torch.tensor([math.cos(half), 0.0, math.sin(half), 0.0])
    state.acceleration = torch.tensor([[0.0, 0.0, 9.81]]).expand(2, 3), torch.tensor([[0.0, 0.0, 2.0]]).expand(2, 3)
    state.table["base_ang_vel_b"][:] = torch.tensor([0.0, 0.0, 3.0])
    state.imu_offset = torch.tensor([0.1, 0.2, 0.0])
    assert state.read("imu_lin_acc_b")[1].tolist() == pytest.approx([-9.81 - 0.9 - 0.4, -1.8 + 0.2, 0.0], abs=1e-5)


def test_a_robot_whose_imu_is_nowhere_has_no_accelerometer(state: TableState) -> None:
    state.imu_offset = None
    with pytest.raises(EngineError, match=r"'imu_lin_acc_b' cannot be read: robot.imu_site 'imu' is no site of"):
        state.read("imu_lin_acc_b")


def test_heights_and_distance(state: TableState) -> None:
    state.table["base_pos_w"][0] = torch.tensor([13.0, 24.0, 0.3])
    state.origins[0] = torch.tensor([10.0, 20.0, 0.0])
    state.table["foot_pos_w"][0, 1, 2] = 0.123
    assert state.read("base_height")[0].item() == pytest.approx(0.3)
    assert state.read("distance_from_origin")[0].item() == pytest.approx(5.0)
    assert state.read("foot_height")[0, 1].item() == pytest.approx(0.123 - state.manifest.robot.feet[1].radius)


def test_moving_begins_above_the_threshold(go1_manifest: Manifest) -> None:
    state = TableState(override_manifest(go1_manifest, ["task.commands.moving_threshold=0.1"]), 3)
    state.command[:] = torch.tensor([[0.0, 0.0, 0.0], [0.06, 0.06, 0.0], [0.0, 0.0, -0.2]])  # norms 0, 0.085, 0.2
    assert state.read("is_moving").tolist() == [False, False, True]


def test_values_are_cached_until_invalidated(state: TableState) -> None:
    before = state.read("base_height").clone()
    state.table["base_pos_w"][:, 2] = 0.5
    state._cache["base_height"] = before  # what a reader earlier in the step saw
    assert torch.equal(state.read("base_height"), before)
    state.invalidate()
    assert state.read("base_height").tolist() == [0.5, 0.5]


def test_acceleration_is_the_change_of_velocity_over_a_control_step(state: TableState) -> None:
    state.end_of_physics()
    state.table["joint_vel"][0, 3] = 0.5
    state.end_of_physics()
    step = state.manifest.simulation.step_dt
    assert state.read("joint_acc")[0, 3].item() == pytest.approx(0.5 / step)
    state.end_of_physics()
    assert state.read("joint_acc").abs().max() == 0.0


def test_reset_leaves_no_acceleration_and_sets_the_clock(state: TableState) -> None:
    state.table["joint_vel"][:] = 1.0
    state.end_of_physics()
    state.table["joint_vel"][1] = -4.0  # written by the reset
    state.reset(torch.tensor([1]), torch.tensor([0.25]))
    state.end_of_physics()
    step = state.manifest.simulation.step_dt
    assert state.read("joint_acc")[1].abs().max() == 0.0
    assert state.gait.phase[1].item() == pytest.approx(0.25 + state.manifest.task.gait.frequency * step)


def test_soft_limits_shrink_about_the_middle(go1_manifest: Manifest) -> None:
    limits = ["robot.joints.0.limits=[-0.6,1.0]", "robot.joints.3.limits=[-1.0,0.6]"]  # the two front hips mirror
    manifest = override_manifest(go1_manifest, ["robot.soft_limit_factor=0.5", *limits])
    assert manifest.robot.soft_joint_limits[0] == pytest.approx((-0.2, 0.6))  # middle 0.2, half range 0.8


def test_episode_steps(go1_manifest: Manifest) -> None:
    manifest = override_manifest(
        go1_manifest, ["task.episode_length=10.0", "simulation.timestep=0.005", "simulation.decimation=4"]
    )
    assert max_episode_steps(manifest) == 500


def test_unknown_field_names_the_nearest(state: TableState) -> None:
    with pytest.raises(UnknownName, match="Did you mean 'joint_pos'"):
        state.read("joint_poss")
    assert field("joint_pos").unit == "rad"
