"""Every raw field of RobotState against plain MuJoCo on the same state."""

import mujoco
import numpy as np
import pytest
import torch

from cases import NOMINAL, carried_by_feet, largest, plain_data, random_actions, small_env
from surefoot.engines.mujoco.env import MujocoEnv
from surefoot.errors import EngineError

CONVERGED = ["simulation.iterations=100", "simulation.ls_iterations=50"]


@pytest.fixture(scope="module")
def env() -> MujocoEnv:
    """Eight robots on the full contact model, after a second of stumbling."""
    env = small_env(8, "simulation=full", *NOMINAL, *CONVERGED, "task.episode_length=1000")
    for action in random_actions(50, 8, scale=0.8):
        env.step(action)
    return env


@pytest.fixture(scope="module")
def plain(env: MujocoEnv) -> list[mujoco.MjData]:
    return [plain_data(env, index) for index in range(env.num_envs)]


def velocity(env: MujocoEnv, data: mujoco.MjData, kind: mujoco.mjtObj, name: str, local: bool) -> np.ndarray:
    """Angular, then linear velocity of an object at its own origin."""
    model, result = env.sim.mj_model, np.zeros(6)
    mujoco.mj_objectVelocity(model, data, kind, mujoco.mj_name2id(model, kind, name), result, int(local))
    return result


def test_base(env: MujocoEnv, plain: list[mujoco.MjData]):
    read, body = env.robot_state.read, mujoco.mjtObj.mjOBJ_XBODY
    world = np.stack([velocity(env, data, body, "robot/trunk", local=False) for data in plain])
    local = np.stack([velocity(env, data, body, "robot/trunk", local=True) for data in plain])
    trunk = [data.body("robot/trunk") for data in plain]
    assert largest(read("base_pos_w"), np.stack([b.xpos for b in trunk])) < 1e-5
    assert largest(read("base_quat_w"), np.stack([b.xquat for b in trunk])) < 1e-5
    assert largest(read("base_lin_vel_w"), world[:, 3:]) < 1e-5
    assert largest(read("base_lin_vel_b"), local[:, 3:]) < 1e-5
    assert largest(read("base_ang_vel_w"), world[:, :3]) < 1e-5
    assert largest(read("base_ang_vel_b"), local[:, :3]) < 1e-5
    down = np.stack([b.xmat.reshape(3, 3).T @ [0.0, 0.0, -1.0] for b in trunk])
    assert largest(read("projected_gravity_b"), down) < 1e-5
    yaw = [np.arctan2(b.xmat[3], b.xmat[0]) for b in trunk]
    forward = [np.cos(y) * v[3] + np.sin(y) * v[4] for y, v in zip(yaw, world, strict=True)]
    assert largest(read("base_lin_vel_yaw")[:, 0], np.array(forward)) < 1e-4


def test_feet(env: MujocoEnv, plain: list[mujoco.MjData]):
    feet, site = env.manifest.robot.feet, mujoco.mjtObj.mjOBJ_SITE
    # The MJCF's own sites, of which the robot definition makes no use.
    position = np.stack([[data.site(f"robot/{foot.name}").xpos for foot in feet] for data in plain])
    speed = np.stack([[velocity(env, data, site, f"robot/{foot.name}", False)[3:] for foot in feet] for data in plain])
    assert largest(env.robot_state.read("foot_pos_w"), position) < 1e-5
    assert largest(env.robot_state.read("foot_vel_w"), speed) < 1e-4
    radius = np.array([foot.radius for foot in feet])
    assert largest(env.robot_state.read("foot_height"), position[..., 2] - radius) < 1e-5


def ground_contacts(env: MujocoEnv, data: mujoco.MjData) -> dict[str, np.ndarray]:
    """Force of the ground on each geometry that touches it, N, world."""
    model, found = env.sim.mj_model, {}
    terrain = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, "terrain")
    for index, contact in enumerate(data.contact):
        bodies = [int(model.geom_bodyid[geom]) for geom in contact.geom]
        if terrain not in bodies:
            continue
        force = np.zeros(6)
        mujoco.mj_contactForce(model, data, index, force)
        on_second = contact.frame.reshape(3, 3).T @ force[:3]  # the contact's x axis points from geom 0 to geom 1
        other = 1 - bodies.index(terrain)
        name = model.geom(contact.geom[other]).name.removeprefix("robot/")
        found[name] = found.get(name, np.zeros(3)) + (on_second if other == 1 else -on_second)
    return found


def test_contacts(env: MujocoEnv, plain: list[mujoco.MjData]):
    robot, read = env.manifest.robot, env.robot_state.read
    feet, expected = [foot.geoms[0] for foot in robot.feet], [ground_contacts(env, data) for data in plain]
    touching = np.array([[name in found for name in feet] for found in expected])
    force = np.array([[found.get(name, np.zeros(3)) for name in feet] for found in expected])
    assert read("foot_in_contact").tolist() == touching.tolist()
    assert 0 < touching.sum() < touching.size  # some feet are down and some are up
    assert largest(read("foot_force_w"), force) < 0.01 * np.abs(force).max()
    base = [any(name in found for name in robot.base_geoms) for found in expected]
    limbs = [sum(name in found for name in robot.limb_geoms) for found in expected]
    assert read("base_in_contact").tolist() == base
    assert read("limbs_in_contact").tolist() == limbs


def test_accelerometer(env: MujocoEnv, plain: list[mujoco.MjData]):
    """What MuJoCo's sensor of that name is computed from; only from the first reading on does anything cost."""
    model, kind = env.sim.mj_model, mujoco.mjtObj.mjOBJ_SITE
    assert "qacc" not in env.sim._data_bridge.views
    before, felt = env.sim.state.copy(), []
    for data in plain:
        found = np.zeros(6)
        mujoco.mj_rnePostConstraint(model, data)
        mujoco.mj_objectAcceleration(model, data, kind, mujoco.mj_name2id(model, kind, "robot/imu"), found, 1)
        felt.append(found[3:])
    assert np.abs(felt).max() > 20  # it stumbles
    assert largest(env.robot_state.read("imu_lin_acc_b"), np.stack(felt)) < 1e-3 * np.abs(felt).max()
    assert np.array_equal(env.sim.state, before)


def test_accelerometer_of_mujoco_warp():
    """In the air, where the two have no contacts to solve."""
    felt = []
    for warp in (False, True):
        env = small_env(4, *NOMINAL, evaluation=True, warp_on_cpu=warp)
        env.reset()
        env.sim.data.qpos[:, 2] += 0.2
        for action in random_actions(4, 4):
            env.step(action)
        felt.append(env.robot_state.read("imu_lin_acc_b").clone())
    assert largest(*felt) < 1e-2
    assert felt[0].norm(dim=1).min() > 0.5  # legs swing


def test_the_accelerometer_can_be_an_observation_with_noise():
    """A term of its own behind the shipped ones; half-width 0.5 m/s^2."""
    own = "+task.observations.actor.terms.imu_lin_acc"
    plain, noisy = (small_env(8, *NOMINAL, f"{own}={{func: imu_lin_acc, noise: {noise}}}") for noise in (0.0, 0.5))
    read = []
    for env in (plain, noisy):
        observed = env.get_observations()["actor"][:, -3:]
        read.append(observed - env.robot_state.read("imu_lin_acc_b"))
    assert largest(read[0], torch.zeros(8, 3)) == 0.0
    assert 0.3 < read[1].abs().max() <= 0.5


def test_torque_is_the_clipped_pd_law(env: MujocoEnv):
    robot, read = env.manifest.robot, env.robot_state.read
    target = read("default_joint_pos") + env.manifest.task.actions.scale * read("action")
    gains = torch.tensor([[joint.stiffness, joint.damping, joint.effort_limit] for joint in robot.joints]).T
    torque = (gains[0] * (target - read("joint_pos")) - gains[1] * read("joint_vel")).clamp(-gains[2], gains[2])
    assert largest(read("joint_torque"), torque) < 1e-3
    assert (torque.abs() > 5).any()


def test_joint_acceleration_is_the_change_of_velocity_over_a_control_step(env: MujocoEnv):
    before = env.robot_state.read("joint_vel").clone()
    result = env.step(random_actions(1, 8, seed=5)[0])
    kept = ~(result.terminated | result.truncated)
    change = (env.robot_state.read("joint_vel") - before) / env.step_dt
    assert largest(env.robot_state.read("joint_acc")[kept], change[kept]) < 1e-2


def test_moving_one_joint_moves_that_joint_and_no_other():
    env = small_env(12, *NOMINAL, evaluation=True)
    model, names = env.sim.mj_model, env.manifest.robot.joint_names
    before = env.robot_state.read("joint_pos").clone()
    for row, name in enumerate(names):
        env.sim.data.qpos[row, int(model.joint(f"robot/{name}").qposadr[0])] += 0.1
        env.sim.data.qvel[row, int(model.joint(f"robot/{name}").dofadr[0])] += 0.2
    env.robot_state.invalidate()
    assert largest(env.robot_state.read("joint_pos") - before, 0.1 * torch.eye(12)) < 1e-6
    assert largest(env.robot_state.read("joint_vel"), 0.2 * torch.eye(12)) < 1e-6


def test_one_action_drives_the_actuator_of_that_joint_and_no_other():
    env = small_env(12, *NOMINAL, evaluation=True)
    model, robot = env.sim.mj_model, env.manifest.robot
    env.step(torch.eye(12))  # environment i: action 1 on joint i
    for row, moved in enumerate(robot.joint_names):
        for actuator in range(model.nu):
            joint = model.joint(int(model.actuator_trnid[actuator, 0])).name.removeprefix("robot/")
            default = robot.default_joint_pos[robot.joint_names.index(joint)]
            wanted = default + (env.manifest.task.actions.scale if joint == moved else 0.0)
            assert env.sim.data.ctrl[row, actuator].item() == pytest.approx(wanted, abs=1e-6)


def test_standing_robot_is_carried_by_its_feet():
    env = small_env(4, *NOMINAL, evaluation=True)
    carried = carried_by_feet(env)
    assert env.robot_state.read("foot_in_contact").all()
    assert torch.allclose(carried, 9.81 * env.total_mass(), rtol=0.01)


def test_limb_contacts_are_refused_where_the_contact_model_has_none():
    env = small_env(2, "simulation=lean")
    with pytest.raises(EngineError, match=r"limbs_in_contact.*simulation=full"):
        env.robot_state.read("limbs_in_contact")
