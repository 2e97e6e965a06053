"""Construction of environments on CUDA (MuJoCo-Warp) or the CPU (MuJoCo C)."""

import contextlib
import functools
import warnings
from collections.abc import Iterator
from typing import Any

import mjlab.envs.manager_based_rl_env as mjlab_env
import warp as wp
from mjlab.envs import ManagerBasedRlEnv, ManagerBasedRlEnvCfg

from surefoot.engines.device import check_device
from surefoot.engines.factors import PLACE, SHIFT
from surefoot.engines.mujoco.batch_sim import BatchSimulation
from surefoot.engines.mujoco.binder import build_env_cfg
from surefoot.engines.mujoco.contact_times import use_fast_contact_times
from surefoot.engines.mujoco.env import MujocoEnv, can_fuse
from surefoot.manifest.manifest import Manifest
from surefoot.randomization.conditions import Conditions


def make_env(
    manifest: Manifest,
    *,
    device: str,
    num_envs: int | None = None,
    num_threads: int = 0,
    render: tuple[int, int] | None = None,
    visuals: bool = False,
    evaluation: bool = False,
    replicates: int = 1,
    conditions: Conditions | None = None,
    single_steps: bool = False,
    warp_on_cpu: bool = False,
) -> MujocoEnv:
    """Build a batch of environments; see `surefoot.engines.base.Engine`.

    Args:
        warp_on_cpu: Step with MuJoCo-Warp on the CPU, one thread and slow; the reference for the CPU path.
    """
    device = check_device(device)
    if conditions is not None:
        num_envs = conditions.num_envs
    cfg = build_env_cfg(manifest, num_envs or manifest.training.num_envs, visuals)
    rough = bool(conditions.ground) if conditions is not None else manifest.task.terrain.kind == "generator"
    drawn = manifest.randomization.factors if conditions is None else conditions.factors
    midphase = not {*PLACE, *SHIFT}.intersection(drawn)
    fused = can_fuse(manifest) and not single_steps
    with _simulation(device, num_threads, fused, warp_on_cpu, native_ccd=not rough, midphase=midphase):
        env = MujocoEnv(
            cfg,
            device,
            manifest,
            evaluation=evaluation,
            replicates=replicates,
            conditions=conditions,
        )
    env.draw_at(render)
    return env


def make_mjlab_env(cfg: ManagerBasedRlEnvCfg, *, device: str, num_threads: int = 0, **kwargs: Any) -> ManagerBasedRlEnv:
    """Any mjlab environment; where `device` is `cpu`, its physics is in MuJoCo C."""
    device = check_device(device)
    with _simulation(device, num_threads, fused=False, warp_on_cpu=False, auto_reset=False):
        env = ManagerBasedRlEnv(cfg, device, **kwargs)
    if isinstance(env.sim, BatchSimulation):
        use_fast_contact_times(env.scene.sensors.values(), env.sim)
    return env


@contextlib.contextmanager
def _simulation(
    device: str,
    num_threads: int,
    fused: bool,
    warp_on_cpu: bool,
    auto_reset: bool = True,
    native_ccd: bool = True,
    midphase: bool = True,
) -> Iterator[None]:
    """Let mjlab build its simulation from our class while an environment is constructed."""
    wp.config.quiet = True
    _quiet_tables()
    if device != "cpu" or warp_on_cpu:
        yield
        return
    warnings.filterwarnings("ignore", "MULTICCD is enabled", module="mujoco_warp")  # MuJoCo C steps, not it
    # mjlab's environment names the class in its constructor and takes none from outside.
    original = mjlab_env.Simulation
    mjlab_env.Simulation = functools.partial(
        BatchSimulation,
        num_threads=num_threads,
        fused=fused,
        auto_reset=auto_reset,
        native_ccd=native_ccd,
        midphase=midphase,
    )
    try:
        yield
    finally:
        mjlab_env.Simulation = original


def _quiet_tables() -> None:
    """mjlab prints every manager's table; the manifest says the same."""
    mjlab_env.print_info = lambda *args, **kwargs: None
