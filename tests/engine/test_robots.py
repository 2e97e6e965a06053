"""Robot definitions against the machine that the simulator builds from them."""

import mujoco
import numpy as np
import pytest
import torch

from robots import CALM, ROBOTS, composed, spec_or_skip
from surefoot.engines.mjcf import check_names, robot_spec
from surefoot.engines.mujoco import make_env
from surefoot.errors import EngineError, MissingExtra, UnknownName
from surefoot.manifest import Manifest
from surefoot.manifest.robot import Robot
from surefoot.mdp.observation_layout import action_mirror

GRAVITY = 9.81


@pytest.fixture(params=ROBOTS.values(), ids=ROBOTS)
def task(request: pytest.FixtureRequest) -> Manifest:
    manifest = composed(request.param.task)
    spec_or_skip(manifest.robot)
    return manifest


def test_mass_is_the_published_one(task: Manifest):
    model = robot_spec(str(task.robot.assets.mujoco)).compile()
    assert model.body_mass.sum() == pytest.approx(ROBOTS[task.robot.name].mass, abs=2e-3)


def test_base_height_puts_the_soles_on_the_ground(task: Manifest):
    robot, (model, data) = task.robot, kinematics(task.robot)
    for foot in robot.feet:
        body = model.body(foot.body).id
        point = data.xpos[body] + data.xmat[body].reshape(3, 3) @ foot.offset
        assert point[2] - foot.radius == pytest.approx(-ROBOTS[robot.name].sunk, abs=2e-3)


def kinematics(robot: Robot, joint_pos: np.ndarray | None = None) -> tuple[mujoco.MjModel, mujoco.MjData]:
    """The robot at its base height, with given joint positions (canonical order) or in the default pose."""
    spec = robot_spec(str(robot.assets.mujoco))
    model = spec.compile()
    data = mujoco.MjData(model)
    data.qpos[:7] = [0.0, 0.0, robot.base_height, 1.0, 0.0, 0.0, 0.0]
    for name, value in zip(robot.joint_names, robot.default_joint_pos if joint_pos is None else joint_pos, strict=True):
        data.qpos[model.joint(name).qposadr[0]] = value
    mujoco.mj_kinematics(model, data)
    return model, data


def test_one_joint_moves_what_hangs_on_it_and_nothing_else(task: Manifest):
    robot, (model, rest) = task.robot, kinematics(task.robot)
    for index, joint in enumerate(robot.joints):
        moved_pos = np.array(robot.default_joint_pos)
        moved_pos[index] += 0.2
        _, data = kinematics(robot, moved_pos)
        turned = {model.body(i).name for i in range(1, model.nbody) if abs(data.xquat[i] - rest.xquat[i]).max() > 1e-6}
        first = model.body(int(model.jnt_bodyid[model.joint(joint.name).id])).name
        # By name: left_knee_joint moves left_knee_link, FL_calf_joint moves FL_calf.
        assert first.removesuffix("_link") == ROBOTS[robot.name].link(joint.name)
        below = {first}
        for body in range(1, model.nbody):
            if model.body(int(model.body_parentid[body])).name in below:
                below.add(model.body(body).name)
        assert turned == below
        feet = {foot.name for foot in robot.feet if foot.body in below}
        assert len(feet) <= 1
        for foot in feet:
            assert foot[0].lower() == joint.name[0].lower()


def test_the_mirror_map_is_the_reflection_of_the_machine(task: Manifest):
    """Random poses and their images: every body of the image is where the mirror puts the other side's."""
    robot, mirror = task.robot, action_mirror(task.robot)
    low, high = np.array(robot.soft_joint_limits).T
    for seed in range(5):
        pose = np.random.default_rng(seed).uniform(low, high)
        image = pose[list(mirror.index)] * np.array(mirror.sign)
        model, one = kinematics(robot, pose)
        _, other = kinematics(robot, image)
        for body in range(1, model.nbody):
            name = model.body(body).name
            twin = model.body(ROBOTS[robot.name].twin(name)).id
            expected = one.xpos[body] * [1.0, -1.0, 1.0]
            assert other.xpos[twin] == pytest.approx(expected, abs=1e-3), name


def test_a_swapped_joint_is_no_reflection(task: Manifest):
    """The check above finds a map in which two joints of a side have changed places."""
    robot, mirror = task.robot, action_mirror(task.robot)
    index = list(mirror.index)
    index[0], index[1] = index[1], index[0]
    low, high = np.array(robot.soft_joint_limits).T
    pose = np.random.default_rng(0).uniform(low, high)
    model, one = kinematics(robot, pose)
    _, other = kinematics(robot, pose[index] * np.array(mirror.sign))
    twins = [model.body(ROBOTS[robot.name].twin(model.body(body).name)).id for body in range(1, model.nbody)]
    off = abs(other.xpos[twins] - one.xpos[1:] * [1.0, -1.0, 1.0]).max()
    assert off > 0.02


@pytest.mark.parametrize("simulation", ["lean", "full"])
def test_stands_on_its_feet(task: Manifest, simulation: str):
    """Two seconds with zero actions; a humanoid as long as it can without a policy that balances it."""
    manifest = composed(task.name, *CALM, f"simulation={simulation}")
    env = make_env(manifest, device="cpu", num_envs=2, num_threads=1, evaluation=True)
    zero = torch.zeros(2, len(manifest.robot.joints))
    forces: list[torch.Tensor] = []
    for step in range(round(ROBOTS[task.robot.name].stands / manifest.simulation.step_dt)):
        result = env.step(zero)
        assert not result.terminated.any() and not result.faults.any(), f"step {step}"
        forces.append(env.robot_state.read("foot_force_w")[..., 2])
    tilt = env.robot_state.read("projected_gravity_b")
    assert (tilt[:, 2] < -0.97).all()
    height = env.robot_state.read("base_height")
    assert (abs(height - manifest.robot.base_height) < 0.2 * manifest.robot.base_height).all()
    carried = torch.stack(forces[-25:]).mean(dim=0)
    assert (carried > 0).all()  # every foot
    tolerance = 0.03 if ROBOTS[task.robot.name].stands >= 2 else 0.1  # what tips over carries less of its weight
    assert carried.sum(dim=1).tolist() == pytest.approx((GRAVITY * env.total_mass()).tolist(), rel=tolerance)


def test_a_humanoid_cannot_stand_without_a_policy():
    """What ROBOTS says about the G1's ankles, derived, and that it is so."""
    manifest = composed(ROBOTS["unitree_g1"].task, *CALM)
    robot, (model, data) = manifest.robot, kinematics(manifest.robot)
    mujoco.mj_comPos(model, data)
    height = float(data.subtree_com[1][2])
    ankles = sum(joint.stiffness for joint in robot.joints if "ankle_pitch" in joint.name)
    assert ankles == pytest.approx(57.0)
    assert ankles < 0.3 * float(model.body_mass.sum()) * GRAVITY * height
    env = make_env(manifest, device="cpu", num_envs=1, num_threads=1, evaluation=True)
    fell = [bool(env.step(torch.zeros(1, 29)).terminated) for _ in range(150)]
    assert any(fell)
    assert fell.index(True) * manifest.simulation.step_dt > ROBOTS[robot.name].stands


def test_a_name_that_the_model_lacks_is_refused_with_the_nearest(task: Manifest):
    robot = task.robot
    spec = robot_spec(str(robot.assets.mujoco))
    check_names(spec, robot)
    wrong = robot.model_copy(update={"base_geoms": (robot.base_geoms[0] + "x",)})
    with pytest.raises(EngineError, match=rf"robot.base_geoms: .*Did you mean '{robot.base_geoms[0]}'"):
        check_names(spec, wrong)
    with pytest.raises(EngineError, match=r"robot.joints: .* also has"):
        check_names(spec, robot.model_copy(update={"joints": robot.joints[1:]}))


def test_unknown_model():
    with pytest.raises(UnknownName, match="Did you mean 'unitree_go2'"):
        robot_spec("unitree_go3")


def test_menagerie_without_a_copy_says_what_to_set(tmp_path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("mujoco_menagerie", reason="mujoco-menagerie is not installed")
    monkeypatch.setenv("MENAGERIE_ROOT", str(tmp_path))
    with pytest.raises(EngineError, match=r"'unitree_go2' is not there .*set MENAGERIE_ROOT") as refused:
        robot_spec("unitree_go2")
    assert "\n" not in str(refused.value)
    (tmp_path / "unitree_go2").mkdir()
    with pytest.raises(EngineError, match=r"no .*unitree_go2/go2.xml"):
        robot_spec("unitree_go2")


def test_menagerie_offline_says_what_to_set(tmp_path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("mujoco_menagerie", reason="mujoco-menagerie is not installed")
    monkeypatch.delenv("MENAGERIE_ROOT", raising=False)
    monkeypatch.setenv("MENAGERIE_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("MENAGERIE_BASE_URL", "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(EngineError, match=r"'unitree_go2' is not there .*set MENAGERIE_ROOT") as refused:
        robot_spec("unitree_go2")
    assert "\n" not in str(refused.value)


def test_menagerie_not_installed_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "mujoco_menagerie", None)
    with pytest.raises(MissingExtra, match="pip install mujoco-menagerie"):
        robot_spec("unitree_go2")
