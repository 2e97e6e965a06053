"""Real PhysX, without Isaac Sim: what its own tensors hold, and what its contacts mean."""

from collections.abc import Iterator
from typing import Any

import mujoco
import numpy as np
import pytest
import torch

import engines_here
from live import batch
from surefoot.engines.isaaclab.compat.point_contacts import _Shapes
from surefoot.engines.isaaclab.robot_model import load_robot_model
from surefoot.engines.step import PhysicalState
from surefoot.errors import EngineError
from surefoot.manifest import Manifest

NUM = 6
EDGES = {
    "friction": [0.4, 1.2],
    "payload_mass": [0.2, 2.0],
    "payload_x": [-0.2, 0.2],
    "payload_z": [0.0, 0.2],
    "com_shift_y": [-0.05, 0.05],
    "link_mass": [0.8, 1.2],
    "motor_strength": [0.7, 1.0],
    "stiffness": [0.8, 1.2],
    "damping": [0.5, 1.5],
    "joint_friction": [0.1, 0.4],
    "armature": [0.5, 2.0],
}


@pytest.fixture(autouse=True)
def physx() -> None:
    if engines_here.isaaclab_backend() != "ovphysx":
        pytest.skip(f"about PhysX; here is {engines_here.isaaclab_backend()}")


def override(*names: str, mode: str = "reset") -> str:
    factors = ", ".join(f"{name}: {{edges: {EDGES[name]}, mode: {mode}}}" for name in names)
    return f"randomization.factors={{{factors}}}"


def held(env: Any, name: str) -> torch.Tensor:
    """A tensor of PhysX itself, not Isaac Lab's copy of it."""
    import warp

    return warp.to_torch(env.scene["robot"].root_view.get_attribute(f"articulation_{name}"))


def test_physx_holds_every_factor_in_every_episode() -> None:
    with batch(NUM, override(*EDGES), "randomization.bucket_by=[]") as env:
        names, bodies = env.scene["robot"].joint_names, env.scene["robot"].body_names
        own = {joint.name: joint for joint in env.manifest.robot.joints}
        model = env._model.mj
        for _ in range(3):
            values = {name: value.clone() for name, value in env.buckets.values.items()}
            gain = torch.tensor([own[name].stiffness for name in names])
            factor = (values["motor_strength"] * values["stiffness"]).unsqueeze(1)
            assert torch.allclose(held(env, "dof_stiffness"), gain * factor, rtol=1e-5)
            damping = torch.tensor([own[name].damping for name in names])
            factor = (values["motor_strength"] * values["damping"]).unsqueeze(1)
            assert torch.allclose(held(env, "dof_damping"), damping * factor, rtol=1e-5)
            limit = torch.tensor([own[name].effort_limit for name in names])
            assert torch.allclose(held(env, "dof_max_force"), limit * values["motor_strength"].unsqueeze(1), rtol=1e-5)
            rotor = torch.tensor([own[name].armature for name in names])
            assert torch.allclose(held(env, "dof_armature"), rotor * values["armature"].unsqueeze(1), rtol=1e-5)
            friction = held(env, "dof_friction_properties")
            for kind in (0, 1):  # at rest, in motion
                assert torch.allclose(friction[..., kind], values["joint_friction"].unsqueeze(1).expand(NUM, 12))
            mass = torch.tensor([float(model.body_mass[model.body(name).id]) for name in bodies])
            wanted = mass * values["link_mass"].unsqueeze(1)
            wanted[:, bodies.index("trunk")] = mass[bodies.index("trunk")] + values["payload_mass"]
            assert torch.allclose(held(env, "body_mass"), wanted, rtol=1e-5)
            material = held(env, "shape_friction_and_restitution")[..., 0]
            for row, value in zip(material, values["friction"], strict=True):
                assert int(torch.isclose(row, value).sum()) == 4  # feet
            env.reset()
        assert not torch.equal(values["armature"], env.buckets.values["armature"])


def test_its_mass_matrix_is_mujocos() -> None:
    """Of the joints: link masses, inertias, centres of mass, frames, axes and armature, all in one."""
    with batch(2, "randomization.factors={}", "randomization.bucket_by=[]") as env:
        zero, joints = torch.zeros(2, 3), env.manifest.robot.joints
        pose = torch.tensor([joint.default_pos for joint in joints]) + 0.1 * torch.arange(12.0).cos()
        position = env.scene.env_origins + torch.tensor([0.0, 0.0, 1.0])
        env.write_state(
            torch.arange(2),
            PhysicalState(
                pos_w=position,
                quat_w=torch.tensor([[1.0, 0.0, 0.0, 0.0]]).expand(2, 4),
                lin_vel_w=zero,
                ang_vel_b=zero,
                joint_pos=pose.expand(2, 12),
                joint_vel=torch.zeros(2, 12),
            ),
        )
        env.refresh(torch.arange(2))
        order = env.handle.from_isaac
        ours = held(env, "mass_matrix")[0, 6:, 6:][order][:, order] + held(env, "dof_armature")[0, order].diag()
        ours = ours.double().numpy()  # PhysX adds the armature when it solves

        model = env._model.mj
        for joint in joints:
            model.dof_armature[model.joint(joint.name).dofadr[0]] = joint.armature
        data = mujoco.MjData(model)
        data.qpos[:7] = 0, 0, 1, 1, 0, 0, 0
        for joint, value in zip(joints, pose.tolist(), strict=True):
            data.qpos[model.joint(joint.name).qposadr[0]] = value
        mujoco.mj_forward(model, data)
        full = np.zeros((model.nv, model.nv))
        mujoco.mj_fullM(model, data, full)
        rows = [int(model.joint(joint.name).dofadr[0]) for joint in joints]
        assert np.allclose(ours, full[np.ix_(rows, rows)], atol=1e-5), np.abs(ours - full[np.ix_(rows, rows)]).max()


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("stiffness", "articulation_dof_stiffness"),
        ("joint_friction", "articulation_dof_friction_properties"),
        ("armature", "articulation_dof_armature"),
        ("friction", "articulation_shape_friction_and_restitution"),
    ],
)
def test_a_planted_write_that_is_lost_is_found(monkeypatch: pytest.MonkeyPatch, name: str, tensor: str) -> None:
    """By reading back, and, where what is read back is what was written, by the motion."""
    with batch(NUM, override(name), "randomization.bucket_by=[]") as env:
        view, ids = env.scene["robot"].root_view, torch.arange(NUM)
        write = type(view).set_attribute

        def lose(self: Any, what: Any, *args: Any, **kwargs: Any) -> None:
            if (what if isinstance(what, str) else what.name.lower()) != tensor:
                write(self, what, *args, **kwargs)

        monkeypatch.setattr(type(view), "set_attribute", lose)
        env.streams.begin_episode(ids)
        env.buckets.resample(ids)
        with pytest.raises(EngineError, match=f"does not reach the physics.*{name}"):
            env.factors.apply(ids)
        from surefoot.engines.isaaclab.probe import check_effect

        monkeypatch.setattr(type(env.factors), "_check", lambda *_: None)
        env.factors.apply(ids)
        with pytest.raises(EngineError, match=rf"randomization\.factors\.{name}: the simulation moves a robot"):
            check_effect(env, has_reference=False)


@pytest.fixture
def go1(go1_manifest: Manifest) -> Any:
    return load_robot_model(go1_manifest.robot, "full")


def test_a_point_belongs_to_the_geometry_that_it_is_on(go1: Any) -> None:
    """Foot of a Go1: a ball of 23 mm at z = -0.213 of the calf, whose own geometries are above it."""
    names = [contact.name for contact in go1.contacts]
    bodies = sorted({contact.body for contact in go1.contacts})
    shapes = _Shapes(go1, names, bodies, "cpu")
    model = go1.mj
    points, body, expected = [], [], []
    for name in names:
        index = model.geom(name).id
        turn = np.zeros(9)
        mujoco.mju_quat2Mat(turn, model.geom_quat[index])
        kind, size = int(model.geom_type[index]), model.geom_size[index]
        reach = size[0] if kind in (int(mujoco.mjtGeom.mjGEOM_SPHERE), int(mujoco.mjtGeom.mjGEOM_CAPSULE)) else size[1]
        local = np.array([0.0, reach, 0.0])  # on the surface, at right angles to a capsule's axis
        points.append(model.geom_pos[index] + turn.reshape(3, 3) @ local)
        body.append(bodies.index(go1.body_of(name)))
        expected.append(name)
    found = shapes.nearest(torch.tensor(np.array(points), dtype=torch.float32), torch.tensor(body))
    nearest = [names[index] for index in found.tolist()]
    feet = [name for name in names if "foot" in name]
    assert len(feet) == 4 and all(nearest[names.index(name)] == name for name in feet)
    assert sum(one == other for one, other in zip(nearest, expected, strict=True)) >= len(names) - 4  # some overlap


@pytest.fixture
def standing() -> Iterator[Any]:
    with batch(NUM, "simulation=full", "task.resets.joint_pos=[0.0,0.0]", evaluation=True) as env:
        env.reset()
        yield env


def test_feet_alone_carry_a_robot_that_stands(standing: Any) -> None:
    env = standing
    force = torch.zeros(NUM)
    for step in range(75):
        result = env.step(torch.zeros(NUM, 12))
        if step >= 50:
            force += env.robot_state.read("foot_force_w")[..., 2].sum(dim=1) / 25
    assert not (result.terminated | result.truncated).any()
    assert torch.allclose(force, 9.81 * env.total_mass(), rtol=0.05)
    assert env.robot_state.read("foot_in_contact").all()
    assert not env.robot_state.read("base_in_contact").any()
    assert env.robot_state.read("limbs_in_contact").sum() == 0


def test_whatever_lies_on_the_ground_is_felt_and_nothing_else(standing: Any) -> None:
    """Robots dropped in any orientation: geometries clearly below or above the ground, by their lowest point."""
    from surefoot.engines.isaaclab.plane_contacts import PlaneContacts

    env, generator = standing, torch.Generator().manual_seed(7)
    quat = torch.randn(NUM, 4, generator=generator)
    position = env.scene.env_origins.clone()
    position[:, 2] += 0.35
    zero = torch.zeros(NUM, 3)
    env.write_state(
        torch.arange(NUM),
        PhysicalState(
            pos_w=position,
            quat_w=quat / quat.norm(dim=1, keepdim=True),
            lin_vel_w=zero,
            ang_vel_b=zero,
            joint_pos=env.robot_state.read("default_joint_pos").expand(NUM, 12),
            joint_vel=torch.zeros(NUM, 12),
        ),
    )
    env.refresh(torch.arange(NUM))
    env.command_joints(env.robot_state.read("default_joint_pos").expand(NUM, 12))
    for _ in range(400):
        env.physics_step()
    state, contacts = env.robot_state, env.robot_state.contacts
    names = contacts._names
    felt, force = contacts.read(), contacts.force()
    plane = PlaneContacts(names, env._model, env.handle, env.device)
    above = clearance(plane)
    assert bool((above[felt] < 0.004).all())  # what is felt is on the ground
    assert not felt[above > 0.004].any()
    assert int(felt.sum()) >= 3 * NUM
    carried = force[..., 2].sum(dim=1)
    still = state.read("base_lin_vel_w").norm(dim=1) < 0.02
    assert int(still.sum()) >= NUM - 2
    # Of two robots that lie on trunk and head one lacks the contact of its trunk (docs/isaaclab.md).
    base = [names.index(name) for name in ("trunk_collision", "head_collision")]
    on_the_back = (above[:, base] < 0.004).all(dim=1)
    assert bool(felt[on_the_back][:, base].any(dim=1).all())
    still &= ~on_the_back
    assert torch.allclose(carried[still], 9.81 * env.total_mass()[still], rtol=0.1)
    assert bool((state.read("limbs_in_contact") > 0).any()) or bool(state.read("base_in_contact").any())


def clearance(plane: Any) -> torch.Tensor:
    """m, of the lowest point of each geometry over z = 0. Shape (N, G)."""
    from surefoot.mdp import frames

    position, quat = plane._handle.body_pose(plane._bodies)
    down = frames.gravity_direction(quat.flatten(0, 1)).unflatten(0, quat.shape[:2])
    height = position[..., 2] - (down * plane._center).sum(dim=-1)
    u = torch.einsum("gij,ngi->ngj", plane._turn, down)
    reach = (plane._half * u.abs()).sum(dim=-1) + plane._ball
    reach = reach + plane._ring * (1.0 - u[..., 2].square()).clamp(min=0.0).sqrt()
    return height - reach


def test_a_leg_on_the_other_leg_is_no_contact_with_the_ground(standing: Any) -> None:
    """In the air, with the feet pressed together by their motors."""
    env = standing
    position = env.scene.env_origins.clone()
    position[:, 2] += 2.0
    zero = torch.zeros(NUM, 3)
    pose = env.robot_state.read("default_joint_pos").expand(NUM, 12).clone()
    pose[:, 0::3] = torch.tensor([0.8, -0.8, 0.8, -0.8])  # hips inwards
    env.write_state(
        torch.arange(NUM),
        PhysicalState(
            pos_w=position,
            quat_w=torch.tensor([[1.0, 0.0, 0.0, 0.0]]).expand(NUM, 4),
            lin_vel_w=zero,
            ang_vel_b=zero,
            joint_pos=env.robot_state.read("default_joint_pos").expand(NUM, 12),
            joint_vel=torch.zeros(NUM, 12),
        ),
    )
    env.refresh(torch.arange(NUM))
    env.command_joints(pose)
    for _ in range(60):
        env.physics_step()
    assert float(env.robot_state.read("base_pos_w")[:, 2].min()) > 0.6  # it still falls
    reached = env.robot_state.read("joint_pos")[:, 0::3].abs()
    assert float(reached.max()) < 0.75  # the legs are in each other's way
    assert env.robot_state.contacts.force().abs().max() == 0.0
