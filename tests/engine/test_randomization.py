"""Each environment is plain MuJoCo with a model of its own: what is randomised is written, read back and felt."""

from typing import Any

import mujoco
import pytest
import torch
from mjlab.envs import ManagerBasedRlEnv
from mjlab.envs.mdp import dr
from mjlab.managers.event_manager import EventTermCfg
from mjlab.managers.scene_entity_config import SceneEntityCfg

from cases import carried_by_feet, largest, mjlab_cfg, plain_data, plain_model, small_env
from surefoot.engines.mujoco import make_mjlab_env

FEET = SceneEntityCfg("robot", geom_names=(".*_foot_collision",))
TRUNK = SceneEntityCfg("robot", body_names=("trunk",))
JOINTS = SceneEntityCfg("robot", joint_names=(".*",))


def test_added_mass_is_carried_by_the_feet():
    calm = [f"task.resets.{name}=[0,0]" for name in ("lin_vel", "ang_vel", "joint_pos")]
    env = small_env(8, "randomization.factors.payload_mass.edges=[0,3]", *calm, evaluation=True)
    carried = carried_by_feet(env)
    assert (carried.max() - carried.min()) > 10.0
    assert torch.allclose(carried, 9.81 * env.total_mass(), rtol=0.01)


def test_friction_bounds_the_tangential_force():
    ratio = []
    for friction in ("[0.05,0.05]", "[1.2,1.2]"):
        env = small_env(4, f"randomization.factors.friction.edges={friction}", evaluation=True)
        env.sim.data.qvel[:, 0] = 1.0  # a shove, m/s
        largest_ratio = 0.0
        for _ in range(25):
            env.step(torch.zeros(4, 12))
            force = env.robot_state.read("foot_force_w")
            loaded = force[..., 2] > 5.0
            largest_ratio = max(largest_ratio, (force[..., :2].norm(dim=-1) / force[..., 2])[loaded].max().item())
        ratio.append(largest_ratio)
    assert ratio[0] == pytest.approx(0.05, rel=0.02)  # sliding: the friction cone's edge
    assert ratio[1] > 0.3


EVENTS: dict[str, tuple[Any, dict[str, Any], str]] = {
    "geom_friction": (dr.geom_friction, {"asset_cfg": FEET, "operation": "abs", "ranges": (0.1, 1.5)}, "geom_friction"),
    "body_mass": (dr.body_mass, {"asset_cfg": TRUNK, "operation": "scale", "ranges": (0.8, 1.3)}, "body_mass"),
    "pseudo_inertia": (dr.pseudo_inertia, {"asset_cfg": TRUNK, "alpha_range": (-0.2, 0.2)}, "body_inertia"),
    "body_com_offset": (dr.body_com_offset, {"asset_cfg": TRUNK, "ranges": (-0.05, 0.05)}, "body_ipos"),
    "joint_damping": (dr.joint_damping, {"asset_cfg": JOINTS, "ranges": (0.0, 2.0)}, "dof_damping"),
    "joint_armature": (dr.joint_armature, {"asset_cfg": JOINTS, "ranges": (0.002, 0.05)}, "dof_armature"),
    "joint_friction": (dr.joint_friction, {"asset_cfg": JOINTS, "ranges": (0.0, 1.0)}, "dof_frictionloss"),
    "pd_gains": (dr.pd_gains, {"kp_range": (0.7, 1.3), "kd_range": (0.7, 1.3)}, "actuator_gainprm"),
    "effort_limits": (dr.effort_limits, {"effort_limit_range": (0.1, 0.4)}, "actuator_forcerange"),
}


def randomized(func: Any, params: dict[str, Any]) -> ManagerBasedRlEnv:
    cfg = mjlab_cfg(num_envs=4)
    cfg.events = {
        **{name: term for name, term in cfg.events.items() if term.mode == "reset"},
        "under_test": EventTermCfg(func=func, mode="startup", params=params),
    }
    env = make_mjlab_env(cfg, device="cpu")
    env.reset()
    return env


@pytest.mark.parametrize("name", EVENTS)
def test_mjlab_event_is_what_plain_mujoco_does_with_that_model(name: str):
    func, params, field = EVENTS[name]
    env = randomized(func, params)
    values = getattr(env.sim.model, field)[:]
    assert not torch.equal(values[0], values[1])  # environments differ
    action = 2.0 * torch.randn(4, 12, generator=torch.Generator().manual_seed(0))
    env.action_manager.process_action(action)
    env.action_manager.apply_action()
    env.scene.write_data_to_sim()
    env.sim.forward()
    models = [plain_model(env, index) for index in range(4)]
    single = [plain_data(env, index, models[index]) for index in range(4)]
    nominal = [plain_data(env, index) for index in range(4)]
    for _ in range(40):
        env.sim.step()
        for index in range(4):
            mujoco.mj_step(models[index], single[index])
            mujoco.mj_step(env.sim.mj_model, nominal[index])
    got = env.sim.data.qpos[:]
    assert largest(got, torch.stack([torch.from_numpy(data.qpos.copy()) for data in single])) < 2e-4
    # The control: the same steps on the nominal model lead elsewhere.
    assert largest(got, torch.stack([torch.from_numpy(data.qpos.copy()) for data in nominal])) > 2e-3


def test_encoder_bias_shifts_what_is_measured_and_not_what_is():
    env = randomized(dr.encoder_bias, {"asset_cfg": SceneEntityCfg("robot"), "bias_range": (0.05, 0.1)})
    robot = env.scene["robot"].data
    bias = robot.joint_pos_biased - robot.joint_pos
    assert bias.min() >= 0.05 - 1e-6 and bias.max() <= 0.1 + 1e-6


def test_randomization_starts_from_the_nominal_value_each_time():
    env = randomized(dr.body_mass, {"asset_cfg": TRUNK, "operation": "scale", "ranges": (1.2, 1.2)})
    nominal = env.sim.mj_model.body("robot/trunk").mass[0]
    for _ in range(3):
        env.event_manager.apply(mode="startup")
    mass = env.sim.model.body_mass[:, env.sim.mj_model.body("robot/trunk").id]
    assert mass.tolist() == pytest.approx([1.2 * nominal] * 4, rel=1e-5)
