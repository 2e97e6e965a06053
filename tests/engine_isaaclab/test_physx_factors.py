"""Every factor reaches PhysX's views and, on the double, the motion; Newton's are in tests/engine_isaaclab3."""

from collections.abc import Iterator
from typing import Any

import mujoco
import numpy as np
import pytest
import torch

from engines_here import make_isaaclab_env
from surefoot.engines.isaaclab import compat
from surefoot.engines.mjcf import robot_spec
from surefoot.errors import EngineError
from surefoot.manifest import compose_manifest
from surefoot_tasks import manifest_root

NUM = 6
PLACES = {"payload_mass": [0.5, 2.0], "payload_x": [-0.2, 0.2], "payload_y": [-0.1, 0.1], "payload_z": [0.0, 0.2]}
OTHERS = {
    "friction": [0.4, 1.2],
    "com_shift_y": [-0.05, 0.05],
    "link_mass": [0.8, 1.2],
    "motor_strength": [0.7, 1.0],
    "stiffness": [0.8, 1.2],
    "damping": [0.5, 1.5],
    "joint_friction": [0.1, 0.4],
    "armature": [0.5, 2.0],
}


def environments(edges: dict[str, list[float]]) -> Any:
    factors = ", ".join(f"{name}: {{edges: {span}, mode: reset}}" for name, span in edges.items())
    overrides = [f"randomization.factors={{{factors}}}", "randomization.bucket_by=[]"]
    manifest = compose_manifest(manifest_root(), "Surefoot-Velocity-Flat-Unitree-Go1-v0", overrides)
    torch.set_num_threads(1)
    return make_isaaclab_env(manifest, num_envs=NUM, evaluation=True)


@pytest.fixture
def env(isaaclab: str, request: pytest.FixtureRequest) -> Iterator[Any]:
    if isaaclab != "2.3":
        pytest.skip("PhysX's views: Isaac Sim or its double; here is Newton")
    built = environments(request.param)
    built.reset()
    yield built
    built.close()


def view(env: Any) -> Any:
    return env.scene["robot"].root_physx_view


@pytest.mark.parametrize("env", [PLACES | OTHERS], indirect=True)
def test_physx_holds_every_factor_in_every_episode(env: Any) -> None:
    for _ in range(3):
        values, robot = env.buckets.values, env.manifest.robot
        own = {joint.name: joint for joint in robot.joints}
        gain = torch.tensor([own[name].stiffness for name in env.scene["robot"].joint_names])
        factor = (values["motor_strength"] * values["stiffness"]).unsqueeze(1)
        assert torch.allclose(view(env).get_dof_stiffnesses(), gain * factor, rtol=1e-5)
        limit = torch.tensor([own[name].effort_limit for name in env.scene["robot"].joint_names])
        assert torch.allclose(view(env).get_dof_max_forces(), limit * values["motor_strength"].unsqueeze(1), rtol=1e-5)
        wanted = values["joint_friction"].unsqueeze(1).expand(NUM, len(robot.joints))
        for kind in (0, 1):  # at rest, in motion
            assert torch.allclose(view(env).get_dof_friction_properties()[..., kind], wanted)
        before = values["payload_x"].clone()
        env.reset()
        assert not torch.equal(before, env.buckets.values["payload_x"])


@pytest.mark.parametrize("env", [PLACES], indirect=True)
def test_a_payload_moves_the_robot_as_a_second_body_would(env: Any) -> None:
    """Mass matrix and gravity of the double's model against the MJCF with a body of the trunk's shape welded to it."""
    for index in range(NUM):
        mass, x, y, z = (float(env.buckets.values[name][index]) for name in PLACES)
        spec = robot_spec("unitree_go1")
        trunk = spec.body("trunk")
        own = env._model.mj.body("trunk")
        load = trunk.add_body(pos=[x, y, z], mass=mass, ipos=[0, 0, 0], iquat=own.iquat)
        load.inertia, load.explicitinertial = own.inertia * mass / own.mass[0], True
        for joint in env.manifest.robot.joints:
            spec.joint(joint.name).armature = joint.armature
        expected = dynamics(spec.compile(), env)
        assert np.allclose(dynamics(view(env)._batch.models[index], env), expected, atol=2e-5)


def dynamics(model: mujoco.MjModel, env: Any) -> np.ndarray:
    """Mass matrix, and torques against gravity and inertia, in the manifest's joint order."""
    joints = [model.joint(joint.name) for joint in env.manifest.robot.joints]
    rows = np.array([*range(6), *(int(joint.dofadr[0]) for joint in joints)])
    data = mujoco.MjData(model)
    data.qpos[2:7] = 1.0, 0.9, 0.1, -0.3, 0.2
    for index, joint in enumerate(joints):
        data.qpos[joint.qposadr[0]], data.qvel[joint.dofadr[0]] = 0.1 * index, 1.0 - 0.2 * index
    data.qvel[:6] = 0.3, -0.2, 0.1, 1.0, -2.0, 0.5
    mujoco.mj_forward(model, data)
    matrix = np.zeros((model.nv, model.nv))
    mujoco.mj_fullM(model, data, matrix)
    return np.column_stack((matrix[np.ix_(rows, rows)], data.qfrc_bias[rows]))


@pytest.mark.parametrize("env", [PLACES], indirect=True)
def test_a_start_is_that_of_the_base_wherever_its_centre_of_mass_has_gone(env: Any) -> None:
    """Isaac Lab keeps centres of mass for a step; those of this very reset count for the velocity that is written."""
    env.step(torch.zeros(NUM, 12))
    env.robot_state.read("base_lin_vel_w")
    everyone, lin = torch.arange(NUM), torch.tensor([0.5, -0.2, 0.1]).expand(NUM, 3)
    env.streams.begin_episode(everyone)
    env.buckets.resample(everyone)
    env.apply_factors(everyone)
    position, quat = env.handle.base_pose()
    env.handle.write_base(
        everyone, position.clone(), quat.clone(), lin, torch.tensor([[1.0, -2.0, 3.0]]).expand(NUM, 3)
    )
    held = torch.stack([torch.from_numpy(data.qvel[:3]) for data in view(env)._batch.data])
    assert torch.allclose(held.float(), lin, atol=1e-5)


@pytest.mark.parametrize("env", [PLACES | OTHERS], indirect=True)
def test_planted_writes_that_are_lost_are_found(env: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = torch.arange(NUM)
    setters = ("masses", "inertias", "coms", "dof_friction_properties", "dof_stiffnesses", "material_properties")
    for setter, factor in zip(
        setters, ("payload_mass", "payload_mass", "payload_x", "joint_friction", "stiffness", "friction"), strict=True
    ):
        with monkeypatch.context() as patch:
            patch.setattr(type(view(env)), f"set_{setter}", lambda *_, **__: None)
            env.streams.begin_episode(ids)
            env.buckets.resample(ids)
            with pytest.raises(EngineError, match=f"does not reach the physics.*{factor}"):
                env.factors.apply(ids)
    env.factors.apply(ids)
    friction = view(env).get_dof_friction_properties()
    friction[..., 1] = 0.0  # at rest alone
    view(env).set_dof_friction_properties(friction, ids)
    assert env.handle.joint_parameter("joint_friction").isnan().all()


def test_isaac_sim_whose_joint_friction_is_no_torque_is_refused(isaaclab: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if isaaclab != "2.3":
        pytest.skip("about Isaac Sim or its double; here is Newton")
    monkeypatch.setattr("isaacsim.core.version.get_version", lambda: ("4.5.0", "", "4", "5", "0", "", "", ""))
    with pytest.raises(EngineError, match=r"needs Isaac Sim 5 or newer.*installed is 4\.5\.0"):
        compat.launch("2.3", "isaacsim_physx", "cpu")
