"""What the CPU path cannot do is refused with a way out, never ignored."""

import mujoco_warp as mjwarp
import numpy as np
import pytest
import torch
import warp as wp
from mjlab.managers.event_manager import RecomputeLevel

from cases import mjlab_cfg, small_env
from surefoot.engines.mujoco import make_mjlab_env
from surefoot.engines.mujoco.batch_sim import BatchSimulation
from surefoot.engines.mujoco.env import MujocoEnv
from surefoot.errors import UnsupportedOnCpu


@pytest.fixture
def env() -> MujocoEnv:
    return small_env(4)


@pytest.mark.parametrize("value", [0.5, torch.tensor(0.5)])
def test_write_to_a_shared_model_field(env: MujocoEnv, value: float | torch.Tensor):
    with pytest.raises(UnsupportedOnCpu, match=r"dof_damping.*expand_model_fields"):
        env.sim.model.dof_damping[:] = value


@pytest.mark.parametrize("write", ["fill_", "mul_", "copy_"])
def test_in_place_method_of_a_shared_model_field(env: MujocoEnv, write: str):
    with pytest.raises(UnsupportedOnCpu, match="geom_size"):
        getattr(env.sim.model.geom_size, write)(1.0)


@pytest.mark.parametrize("inference", [False, True])
def test_write_through_a_view_of_a_shared_model_field(inference: bool):
    env = small_env(1)
    with torch.inference_mode(inference):
        view = env.sim.model.dof_damping[0]
        view[3] = 7.0
        with pytest.raises(UnsupportedOnCpu, match="dof_damping"):
            env.step(torch.zeros(1, 12))


def test_expanded_field_can_be_written(env: MujocoEnv):
    env.sim.expand_model_fields(("dof_damping",))
    env.sim.model.dof_damping[2, 6:] = 50.0
    for _ in range(5):
        env.step(torch.ones(4, 12))
    speed = env.robot_state.read("joint_vel").abs().mean(dim=1)
    assert speed[2] < 0.5 * speed[[0, 1, 3]].min()


def test_options(env: MujocoEnv):
    with pytest.raises(UnsupportedOnCpu, match=r"opt\.timestep.*configuration"):
        env.sim.model.opt.timestep[:] = 0.001
    with pytest.raises(AttributeError):
        env.sim.model.opt.iterations = 3
    with pytest.raises(ValueError, match=r"opt\.gravity"):
        env.sim.expand_model_fields(("opt.gravity",))


def test_field_that_mujoco_c_cannot_vary(env: MujocoEnv):
    with pytest.raises(UnsupportedOnCpu, match="nq"):
        env.sim.expand_model_fields(("nq",))


@pytest.mark.parametrize("name", ["contact", "efc"])
def test_contact_and_constraint_buffers(env: MujocoEnv, name: str):
    with pytest.raises(UnsupportedOnCpu, match=rf"{name}.*never refreshed"):
        getattr(env.sim.data, name)
    with pytest.raises(UnsupportedOnCpu, match=name):
        getattr(env.sim.wp_data, name)


@pytest.mark.parametrize("name", ["nacon", "ne", "nefc", "actuator_moment", "qLD", "solver_niter", "energy"])
def test_data_without_a_counterpart(env: MujocoEnv, name: str):
    with pytest.raises(UnsupportedOnCpu, match=name):
        getattr(env.sim.data, name)


def test_replacing_a_warp_array(env: MujocoEnv):
    with pytest.raises(UnsupportedOnCpu, match="qpos"):
        env.sim.wp_data.qpos = wp.zeros((4, 19), dtype=float)


def test_stepping_the_warp_structures_past_the_engine(env: MujocoEnv):
    with pytest.raises(UnsupportedOnCpu):
        mjwarp.step(env.sim.wp_model, env.sim.wp_data)


def test_recomputed_constants_are_per_environment(env: MujocoEnv):
    # payload_mass is randomised, so what is derived from masses was expanded.
    subtree = env.sim.model.body_subtreemass[:, env.body_id("trunk")]
    assert torch.allclose(subtree, env.total_mass(), rtol=1e-5)


def test_recomputed_constants_that_were_not_expanded_are_not_read_stale():
    cfg = mjlab_cfg(num_envs=2)
    cfg.events = {}
    env = make_mjlab_env(cfg, device="cpu")
    assert env.sim.model.body_subtreemass[1].max() > 0
    env.sim.expand_model_fields(("body_mass",))
    env.sim.model.body_mass[1] *= 2
    env.sim.recompute_constants(RecomputeLevel.set_const)
    with pytest.raises(UnsupportedOnCpu, match=r"body_subtreemass.*not expanded"):
        _ = env.sim.model.body_subtreemass


def test_what_only_a_sensor_makes_mujoco_c_compute_is_refused_without_one():
    """It would be zero. mjlab's own Go1 has an accelerometer, this project's robots have none."""
    with pytest.raises(UnsupportedOnCpu, match=r"cacc.*stays zero without an acceleration or force sensor"):
        _ = small_env(1).sim.data.cacc
    cfg = mjlab_cfg(num_envs=1)
    cfg.events = {}
    assert make_mjlab_env(cfg, device="cpu").sim.data.cacc.abs().max() > 1.0


def test_mesh_variants():
    with pytest.raises(UnsupportedOnCpu, match="mesh variants"):
        BatchSimulation._init_with_variants(object.__new__(BatchSimulation))


def test_every_field_that_is_offered_has_mujoco_warps_values():
    """Layouts agree: each array of mjwarp.Data that can be read holds what MuJoCo-Warp holds for that state."""
    env = small_env(2, "randomization.factors.payload_mass.edges=[0,0]")
    for _ in range(10):
        env.step(0.3 * torch.ones(2, 12))
    sim, compared = env.sim, 0
    data = mjwarp.put_data(sim.mj_model, sim.mj_data, nworld=2, nconmax=64, njmax=300)
    for name in ("qpos", "qvel", "ctrl", "qacc_warmstart", "time"):
        wp.to_torch(getattr(data, name))[:] = getattr(sim.data, name)[:]
    mjwarp.forward(sim.wp_model, data)
    for name in vars(data):
        reference = getattr(data, name)
        if not isinstance(reference, wp.array) or reference.size == 0 or reference.dtype is wp.int32:
            continue
        try:
            mine = getattr(sim.data, name)[:].numpy()
        except UnsupportedOnCpu:
            continue
        theirs = reference.numpy().reshape(mine.shape)
        scale = max(1.0, float(np.abs(theirs).max()))
        assert float(np.abs(mine - theirs).max()) < 2e-2 * scale, name
        compared += 1
    assert compared > 30
