"""Every factor of the manifest does to the physics what its name says."""

import mujoco
import pytest
import torch
from torch import Tensor

from cases import largest, plain_data, plain_model, random_actions
from randomized import MODEL, env_with
from surefoot.engines.factors import Base
from surefoot.engines.mujoco.env import MujocoEnv
from surefoot.errors import EngineError

FAR = torch.full((1, 12), 10.0)
"""An action that asks for 5 rad from the default pose: every motor is at its limit."""
PAYLOAD = {"payload_mass": 1.0, "payload_x": 2.0, "payload_y": 0.0, "payload_z": 0.0}


def posed(env: MujocoEnv, joint_offset: float = 0.0, joint_vel: float = 0.0, target_offset: float = 0.0) -> Tensor:
    """Torques in the air, with the joints off the pose, in motion, and targets off the pose. Shape (N, 12)."""
    state = env.robot_state
    default = state.read("default_joint_pos")
    env.sim.data.qpos[:, 2] = 2.0
    env.sim.data.qpos[:, state.q_ids] = default + joint_offset
    env.sim.data.qvel[:] = 0.0
    env.sim.data.qvel[:, state.v_ids] = joint_vel
    env.sim.data.ctrl[:] = (default + target_offset).expand(env.num_envs, 12)  # Go1's actuators are in joint order
    env.sim.forward()
    state.invalidate()
    return state.read("joint_torque").clone()


@pytest.mark.parametrize("name", [name for name in MODEL if not name.startswith("payload")] + ["payload_mass"])
def test_each_environment_is_plain_mujoco_with_that_model(name: str):
    env = env_with(3, {name: MODEL[name]}, "task.resets.lin_vel=[1,1]")
    _follows_plain_mujoco(env)


def test_a_payload_off_centre_is_plain_mujoco_with_that_model():
    env = env_with(3, {name: MODEL[name] for name in ("payload_mass", "payload_x", "payload_y", "payload_z")})
    _follows_plain_mujoco(env)


def test_dc_motors_of_other_strength_and_gains_are_plain_mujoco_with_that_model():
    factors = {name: MODEL[name] for name in ("motor_strength", "stiffness", "damping", "payload_mass")}
    env = env_with(3, factors, "robot.motors=dc_motor", mode="reset")
    _follows_plain_mujoco(env)
    values = env.buckets.values
    back_emf = -23.7 / 30.1 * values["motor_strength"]
    assert torch.allclose(env.sim.model.actuator_biasprm[:, 1, 2], back_emf)
    both = env.sim.model.actuator_biasprm[:, 0, 2] + back_emf
    assert torch.allclose(both, -0.5 * values["damping"] * values["motor_strength"], atol=1e-6)


def _follows_plain_mujoco(env: MujocoEnv) -> None:
    env.action_manager.process_action(2.0 * random_actions(1, 3)[0])
    env.action_manager.apply_action()
    env.scene.write_data_to_sim()
    env.sim.forward()
    models = [plain_model(env, index) for index in range(3)]
    own = [plain_data(env, index, models[index]) for index in range(3)]
    nominal = [plain_data(env, index) for index in range(3)]
    for _ in range(10):
        env.sim.step_and_forward(4)
        for index in range(3):
            for _ in range(4):
                mujoco.mj_step(models[index], own[index])
                mujoco.mj_step(env.sim.mj_model, nominal[index])
    got = env.sim.data.qpos[:]
    assert largest(got, torch.stack([torch.from_numpy(data.qpos.copy()) for data in own])) < 2e-4
    assert largest(got, torch.stack([torch.from_numpy(data.qpos.copy()) for data in nominal])) > 1e-3


def test_a_moved_centre_of_mass_loses_no_contact():
    env = env_with(1024, {"com_shift_x": (0.08, 0.1)}, "simulation=full")
    state, model = env.robot_state, env.sim.mj_model.__copy__()
    gen = torch.Generator().manual_seed(0)
    limits = torch.tensor([joint.limits for joint in env.manifest.robot.joints])
    qpos = env.sim.data.qpos
    qpos[:, 2] = 0.1 + 0.2 * torch.rand(1024, generator=gen)
    qpos[:, 3:7] = torch.nn.functional.normalize(torch.randn(1024, 4, generator=gen), dim=1)
    qpos[:, state.q_ids] = limits[:, 0] + (limits[:, 1] - limits[:, 0]) * torch.rand(1024, 12, generator=gen)
    env.sim.forward()
    trunk, columns = model.body("robot/trunk").id, torch.cat((state._base_found_ids, state._limb_found_ids)).tolist()

    def touching(disabled: int) -> Tensor:
        """Geometries on the ground in plain MuJoCo. Shape (1024, num_geoms)."""
        rows = []
        for index in range(1024):
            model.body_ipos[trunk] = env.sim.model.body_ipos[index, trunk].numpy()
            model.opt.disableflags = disabled
            data = mujoco.MjData(model)
            data.qpos = qpos[index].numpy()
            mujoco.mj_forward(model, data)
            rows.append(torch.from_numpy(data.sensordata[columns] > 0))
        return torch.stack(rows)

    flags, midphase = model.opt.disableflags, int(mujoco.mjtDisableBit.mjDSBL_MIDPHASE)
    every = touching(flags | midphase)
    assert torch.equal(env.sim.data.sensordata[:, columns] > 0, every)
    assert (every & ~touching(flags & ~midphase)).sum() > 5  # what MuJoCo's midphase misses


def test_payload_adds_to_the_total_mass():
    env = env_with(8, {"payload_mass": (1.0, 3.0)})
    assert torch.allclose(env.total_mass(), 5.204 + 4 * (0.68 + 1.009 + 0.195862) + env.buckets.values["payload_mass"])


def test_link_mass_scales_all_but_the_base():
    env = env_with(2, {"link_mass": (1.5, 1.5)})
    assert env.total_mass().tolist() == pytest.approx([5.204 + 1.5 * 4 * (0.68 + 1.009 + 0.195862)] * 2)


def test_joined_masses_by_hand():
    base = Base(1.0, torch.zeros(3, dtype=torch.float64), torch.eye(3, dtype=torch.float64))
    loaded = base.loaded({name: torch.full((1,), v, dtype=torch.float64) for name, v in PAYLOAD.items()})
    assert (loaded.mass.tolist(), loaded.com.tolist()) == ([2.0], [[1.0, 0.0, 0.0]])
    # About y and z two masses of 1 kg at 1 m from the common centre.
    assert loaded.apart is not None and torch.diagonal(loaded.apart[0]).tolist() == [0.0, 2.0, 2.0]


def test_the_centre_of_mass_is_where_payload_and_shift_put_it():
    factors = {"payload_mass": (2.602, 2.602), "payload_x": (0.3223, 0.3223), "com_shift_y": (0.01, 0.01)}
    env = env_with(1, factors)
    posed(env)
    env.sim.data.qpos[:, 3:7] = torch.tensor([1.0, 0, 0, 0])
    env.sim.forward()
    trunk = env.body_id("trunk")
    com = (env.sim.data.xipos[0, trunk] - env.sim.data.xpos[0, trunk]).tolist()
    # Half the base's 5.204 kg, 0.3 m ahead of its centre at 0.0223 m: a third of the way, and 0.01 m to the left.
    assert com == pytest.approx([0.0223 + 0.1, 0.002 + 0.01, -0.0005], abs=1e-6)


def test_half_the_motor_strength_is_half_the_saturated_torque():
    limits = torch.tensor([23.7, 23.7, 35.55] * 4)
    for strength in (1.0, 0.5):
        env = env_with(1, {"motor_strength": (strength, strength)})
        env.step(FAR)
        assert torch.allclose(env.robot_state.read("joint_torque").abs()[0], strength * limits, rtol=1e-5)


def test_gains():
    stiff = env_with(1, {"stiffness": (1.2, 1.2)})
    assert posed(stiff, target_offset=0.1)[0].tolist() == pytest.approx([1.2 * 35.0 * 0.1] * 12, rel=1e-5)
    assert posed(stiff, joint_vel=2.0)[0].tolist() == pytest.approx([-0.5 * 2.0] * 12, rel=1e-4)
    damped = env_with(1, {"damping": (3.0, 3.0)})
    assert posed(damped, target_offset=0.1)[0].tolist() == pytest.approx([35.0 * 0.1] * 12, rel=1e-5)
    assert posed(damped, joint_vel=2.0)[0].tolist() == pytest.approx([-3.0 * 0.5 * 2.0] * 12, rel=1e-4)
    weak = env_with(1, {"motor_strength": (0.5, 0.5)})
    assert posed(weak, target_offset=0.1, joint_vel=2.0)[0].tolist() == pytest.approx(
        [0.5 * (3.5 - 1.0)] * 12, rel=1e-4
    )


def test_joint_friction_holds_what_is_weaker_than_it():
    speeds: list[float] = []
    for friction in (0.0, 1.0):
        env = env_with(1, {"joint_friction": (friction, friction)})
        posed(env, target_offset=0.5 / 35.0)  # 0.5 N m
        for _ in range(5):
            env.sim.step()
        speeds.append(env.robot_state.raw_joint_vel().abs().max().item())
    assert speeds[1] < 0.2 * speeds[0]  # MuJoCo's dry friction is soft: it creeps


def test_armature_is_inertia_of_the_joint():
    def acceleration(scale: float) -> Tensor:
        env = env_with(1, {"armature": (scale, scale)})
        posed(env, target_offset=0.01)
        before = env.robot_state.raw_joint_vel().clone()
        env.sim.step()
        return (env.robot_state.raw_joint_vel() - before).abs()[0]

    assert (acceleration(10.0) < 0.6 * acceleration(1.0)).all()


def test_a_slippery_foot_slides_further():
    calm = [f"task.resets.{name}=[0,0]" for name in ("lin_vel", "ang_vel", "joint_pos", "yaw")]
    ways: list[float] = []
    for friction in (0.1, 1.2):
        env = env_with(4, {"friction": (friction, friction)}, *calm, evaluation=True)
        env.step(torch.zeros(4, 12))
        env.sim.data.qvel[:, 0] = 0.7
        start = env.sim.data.qpos[:, 0].clone()
        for _ in range(20):
            env.step(torch.zeros(4, 12))
        ways.append((env.sim.data.qpos[:, 0] - start).mean().item())
    assert ways[0] > 1.5 * ways[1]


def test_noise_level_scales_the_noise_of_the_same_draws():
    clean = env_with(4, {"friction": (0.8, 0.8)}, "task.observations.actor.noise=false").get_observations()["actor"]
    once = env_with(4, {"noise_level": (1.0, 1.0)}).get_observations()["actor"] - clean
    twice = env_with(4, {"noise_level": (2.0, 2.0)}).get_observations()["actor"] - clean
    assert once.abs().max() > 0.5
    assert torch.allclose(twice, 2 * once, atol=1e-5)


def test_push_strength_scales_the_kick_of_the_same_draws():
    changes: list[Tensor] = []
    for strength in (1.0, 2.0):
        env = env_with(4, {"push_strength": (strength, strength)})
        before = env.sim.data.qvel[:, :6].clone()
        env.pushes.time_left[:] = 0.0
        env._push()
        changes.append(env.sim.data.qvel[:, :6] - before)
    assert changes[0][:, [0, 1, 5]].abs().min() > 1e-3
    assert torch.allclose(changes[1], 2 * changes[0], atol=1e-5)


def test_only_the_fields_that_are_needed_differ_between_environments():
    assert env_with(2, {"friction": (0.4, 1.2)}).sim.expanded_fields == {"geom_friction"}
    assert env_with(2, {"noise_level": (0.5, 1.5)}).sim.expanded_fields == set()
    assert "body_iquat" not in env_with(2, {"payload_mass": (0.0, 1.0)}).sim.expanded_fields


def test_a_base_that_cannot_be_is_refused_before_anything_moves():
    with pytest.raises(
        EngineError, match=r"randomization\.factors\.payload_mass\.edges: payload_mass -6 leaves 'trunk'"
    ):
        env_with(1, {"payload_mass": (-6.0, 0.0)})
    with pytest.raises(EngineError, match=r"payload_mass -1, payload_x 0\.5 leaves 'trunk'"):
        env_with(1, {"payload_mass": (-1.0, 0.0), "payload_x": (0.0, 0.5)})
