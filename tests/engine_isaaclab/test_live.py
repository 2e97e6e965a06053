"""The engine on a real Isaac Lab: 3.0 with Newton on the CPU, or 2.3 on the double of Isaac Sim."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from engines_here import isaaclab_backend, make_isaaclab_env
from surefoot.audit.accounts.fault_kinds import KINDS, kind_index
from surefoot.engines.isaaclab import compat
from surefoot.manifest import compose_manifest
from surefoot_tasks import manifest_root

NUM = 12
GRAVITY = 9.81


@pytest.fixture(scope="module")
def env(isaaclab: str) -> Iterator[Any]:
    """One environment batch: Isaac Lab has one simulation at a time."""
    torch.set_num_threads(1)
    built = make_isaaclab_env(
        compose_manifest(manifest_root(), "Surefoot-Velocity-Flat-Unitree-Go1-v0"),
        num_envs=NUM,
        evaluation=True,
    )
    yield built
    built.close()


@pytest.fixture(autouse=True)
def fresh(env: Any) -> None:
    env.reset()


def test_one_joint_at_a_time(env: Any) -> None:
    state, robot = env.robot_state, env.scene["robot"]
    default = state.read("default_joint_pos")
    env.handle.write_joints(torch.arange(NUM), default + 0.2 * torch.eye(NUM), torch.zeros(NUM, NUM))
    state.invalidate()
    assert torch.allclose(state.read("joint_pos_rel"), 0.2 * torch.eye(NUM), atol=1e-6)
    for index, joint in enumerate(env.manifest.robot.joints):
        column = list(robot.joint_names).index(joint.name)
        assert float(compat.as_tensor(robot.data.joint_pos)[index, column]) == pytest.approx(
            joint.default_pos + 0.2, abs=1e-6
        )


def test_frames_are_those_of_mujoco(env: Any) -> None:
    """Base and feet, positions and velocities, right after a write and after a step."""
    quat = torch.tensor([math.cos(0.2), math.sin(0.2), 0.0, 0.0]).expand(NUM, 4)  # roll 0.4 rad, w x y z
    lin, ang = torch.tensor([0.5, -0.2, 0.1]).expand(NUM, 3), torch.tensor([0.3, 0.7, -0.4]).expand(NUM, 3)
    position = env.scene.env_origins + torch.tensor([0.0, 0.0, 1.0])
    state = env.robot_state
    env.handle.write_base(torch.arange(NUM), position, quat, lin, ang)
    env.handle.write_joints(
        torch.arange(NUM), state.read("default_joint_pos").expand(NUM, -1), 0.5 * torch.ones(NUM, NUM)
    )
    env.sim.forward()
    state.invalidate()
    assert torch.allclose(state.read("base_quat_w"), quat, atol=1e-6)
    assert torch.allclose(state.read("base_lin_vel_w"), lin, atol=1e-5)
    assert torch.allclose(state.read("base_ang_vel_w"), ang, atol=1e-5)

    check_feet(env)
    env.step(torch.zeros(NUM, NUM))
    check_feet(env)


def check_feet(env: Any) -> None:
    """Against MuJoCo's kinematics of the same state, in one environment."""
    import mujoco

    state, robot = env.robot_state, env.manifest.robot
    model = env._model.mj
    data = mujoco.MjData(model)
    data.qpos[:3], data.qpos[3:7] = state.read("base_pos_w")[5], state.read("base_quat_w")[5]
    data.qvel[:3], data.qvel[3:6] = state.read("base_lin_vel_w")[5], state.read("base_ang_vel_b")[5]
    for column, joint in enumerate(robot.joints):
        index = model.joint(joint.name).id
        data.qpos[model.jnt_qposadr[index]] = state.read("joint_pos")[5, column]
        data.qvel[model.jnt_dofadr[index]] = state.read("joint_vel")[5, column]
    mujoco.mj_forward(model, data)
    for index, foot in enumerate(robot.feet):
        body = model.body(foot.body).id
        point = data.xpos[body] + data.xmat[body].reshape(3, 3) @ foot.offset
        jacobian = np.zeros((3, model.nv))
        mujoco.mj_jac(model, data, jacobian, None, point, body)
        assert state.read("foot_pos_w")[5, index].tolist() == pytest.approx(point.tolist(), abs=1e-5)
        assert state.read("foot_vel_w")[5, index].tolist() == pytest.approx((jacobian @ data.qvel).tolist(), abs=1e-5)


def test_the_ground_carries_each_robot_with_its_payload(env: Any) -> None:
    """Mean vertical force over half a second of standing is weight; the payloads span 2.5 kg of about 13."""
    force, stands = torch.zeros(NUM), torch.ones(NUM, dtype=torch.bool)
    for step in range(75):
        result = env.step(torch.zeros(NUM, NUM))
        stands &= ~(result.terminated | result.truncated)  # a few tip over from their random start
        if step >= 50:
            force += result_force(env) / 25
    mass = env.total_mass()
    assert int(stands.sum()) >= NUM - 3
    assert float(mass[stands].max() - mass[stands].min()) > 1.0
    assert torch.allclose(force[stands], GRAVITY * mass[stands], rtol=0.05)


def result_force(env: Any) -> torch.Tensor:
    """N, vertical, of the ground on all feet. Shape (num_envs,)."""
    return env.robot_state.read("foot_force_w")[..., 2].sum(dim=1)


def test_friction_is_what_the_solver_computes_with(env: Any, isaaclab: str) -> None:
    env.step(torch.zeros(NUM, NUM))
    if isaaclab == "3.0" and isaaclab_backend() == "ovphysx":
        import warp

        view = env.scene["robot"].root_view
        held = warp.to_torch(view.get_attribute("articulation_shape_friction_and_restitution"))[..., 0]
    elif isaaclab == "3.0":
        from isaaclab_newton.physics import NewtonManager

        held = torch.from_numpy(NewtonManager._solver.mjw_model.geom_friction.numpy()[..., 0])
    else:
        held = env.scene["robot"].root_physx_view.get_material_properties()[..., 0]
    for row, value in zip(held, env.buckets.values["friction"], strict=True):
        assert int(torch.isclose(row, value).sum()) == 4  # feet


def test_reward_is_the_sum_of_its_terms(env: Any) -> None:
    for _ in range(5):
        result = env.step(0.3 * torch.randn(NUM, NUM, generator=torch.Generator().manual_seed(1)))
        assert torch.allclose(result.audit.rates.sum(dim=1) * env.step_dt, result.reward, atol=1e-5)
    assert not result.faults.any()


def test_a_start_depends_on_its_episode_alone(env: Any) -> None:
    episode = env.streams.episode.clone()
    env._reset_idx(torch.tensor([3]))
    alone = env.robot_state.read("joint_pos")[3].clone()
    env.streams.episode.copy_(episode)
    env._reset_idx(torch.arange(NUM).flip(0))
    together = env.robot_state.read("joint_pos")
    assert torch.equal(together[3], alone)
    assert not torch.equal(together[4], alone)


def test_an_action_that_is_no_number_is_one_fault(env: Any) -> None:
    action = torch.zeros(NUM, NUM)
    action[2, 5] = math.nan
    result = env.step(action)
    expected = torch.zeros(NUM, len(KINDS), dtype=torch.bool)
    expected[2, kind_index("action")] = True
    assert torch.equal(result.faults, expected)
    assert int(env.episode_length_buf[2]) == 0
    assert torch.isfinite(env.step(torch.zeros(NUM, NUM)).observations["critic"]).all()


def test_a_broken_state_is_found_and_does_not_spread(env: Any) -> None:
    state = env.robot_state
    velocity = state.read("joint_vel").clone()
    velocity[7] = math.nan
    env.handle.write_joints(torch.arange(NUM), state.read("joint_pos").clone(), velocity)
    result = env.step(torch.zeros(NUM, NUM))
    assert result.faults[:, kind_index("state")].nonzero().flatten().tolist() == [7]
    assert not (result.terminated[7] | result.truncated[7])
    for _ in range(3):
        result = env.step(torch.zeros(NUM, NUM))
        assert not result.faults.any()
        assert torch.isfinite(result.reward).all()
