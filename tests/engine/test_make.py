"""Devices and extras that are not there are refused before anything is built."""

import pytest
import torch

from cases import manifest, small_env
from surefoot.engines import load_engine
from surefoot.engines.mujoco import make_env
from surefoot.errors import EngineError, UnknownName


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cpu:1", ""])
def test_unknown_device(device: str):
    with pytest.raises(EngineError, match=r"unknown; expected cpu or cuda:N"):
        make_env(manifest(), device=device, num_envs=2)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_missing_cuda():
    with pytest.raises(EngineError, match=r"0 CUDA devices. Run with --device cpu"):
        make_env(manifest(), device="cuda:0", num_envs=2)


def test_device_number_beyond_those_there():
    with pytest.raises(EngineError, match=r"cuda:99.*not there"):
        make_env(manifest(), device="cuda:99", num_envs=2)


def test_unknown_engine_names_the_nearest():
    with pytest.raises(UnknownName, match="Did you mean 'mujoco'"):
        load_engine("mujuco")


def test_engine_loads_by_name():
    assert load_engine("mujoco").make_env is make_env


@pytest.mark.parametrize(("simulation", "num_geoms"), [("lean", 7), ("full", 31)])
def test_a_model_for_training_carries_no_meshes_and_no_idle_geometry(simulation: str, num_geoms: int):
    # lean: the ground, trunk, head and four feet; full: those and the hips, thighs and calves.
    model, drawn = (
        small_env(2, f"simulation={simulation}").sim.mj_model,
        make_env(manifest(f"simulation={simulation}"), device="cpu", num_envs=2, visuals=True).sim.mj_model,
    )
    assert (model.nmesh, model.ngeom) == (0, num_geoms)
    assert drawn.nmesh == 5
    assert model.body_mass.tolist() == drawn.body_mass.tolist()
    assert model.body_inertia.tolist() == drawn.body_inertia.tolist()
