"""mjlab's Simulation with the physics in MuJoCo C: `mjbatch` steps all environments on a thread pool."""

import time
from typing import Any

import mujoco
import mujoco_warp as mjwarp
import numpy as np
import torch
import warp as wp
from mjbatch import Batch
from mjlab.managers.event_manager import RecomputeLevel
from mjlab.sim.sim import Simulation, SimulationCfg
from mjlab.utils.nan_guard import NanGuard

from surefoot.engines.mujoco.bridge import CpuDataBridge, CpuModelBridge, bind_data_field, expand_model_field
from surefoot.errors import UnsupportedOnCpu

_SENSED = ("geom_xpos", "geom_xmat", "site_xpos", "site_xmat", "cam_xpos", "cam_xmat", "xpos", "xquat", "xmat")
"""Data fields that mjlab's ray casting and camera kernels read."""


class BatchSimulation(Simulation):
    """Drop-in for mjlab's `Simulation` on the CPU.

    Args:
        num_threads: Physics threads; 0 means all cores.
        fused: `step_and_forward` may run all physics steps of a control step in one call of the thread pool.
    """

    def __init__(
        self, num_envs: int, cfg: SimulationCfg, *args: Any, num_threads: int = 0, fused: bool = False, **kwargs: Any
    ) -> None:
        self._num_threads = num_threads
        self._fused = fused
        self.physics_seconds = 0.0
        super().__init__(num_envs, cfg, *args, **kwargs)

    def _init_with_model(self, model: mujoco.MjModel) -> None:
        model.vis.global_.bvactive = 0  # bounding volumes for drawing; on by default and slow in MuJoCo 3.11
        super()._init_with_model(model)

    def _init_with_variants(self, *args: Any, **kwargs: Any) -> None:
        raise UnsupportedOnCpu(
            "Entities with mesh variants need a model per environment, which MuJoCo C on the CPU does not offer. "
            "Run with --device cuda:0."
        )

    def _finish_init(self) -> None:
        # One world is enough as a template of types and shapes: every array that is read is aliased to the batch.
        self._wp_data = mjwarp.put_data(self._mj_model, self._mj_data, nworld=1, nconmax=64, njmax=256)
        self._wp_data.nworld = self.num_envs
        self.batch = Batch(self._mj_model, self.num_envs, self._num_threads, self._fused)
        self._expanded_views: dict[str, np.ndarray] = {}
        self._sensed_views: dict[str, np.ndarray] = {}
        self._reset_mask_np = np.zeros(self.num_envs, dtype=bool)
        self._model_bridge = CpuModelBridge(self._wp_model, self.num_envs, self._expanded_views)
        self._data_bridge = CpuDataBridge(self.batch, self._wp_data)
        self._sensor_context = None
        self.use_cuda_graph = False
        self.create_graph()
        self.nan_guard = NanGuard(self.cfg.nan_guard, self.num_envs, self._mj_model)
        for name in ("qpos", "qvel", "ctrl", "time"):
            getattr(self._data_bridge, name)
        self.batch.forward()

    def set_sensor_context(self, ctx: Any) -> None:
        for name in _SENSED:
            getattr(self._data_bridge, name)
        super().set_sensor_context(ctx)
        self.batch.forward()

    def expand_model_fields(self, fields: tuple[str, ...]) -> None:
        if not fields:
            return
        unknown = [name for name in fields if not hasattr(self._mj_model, name)]
        if unknown:
            raise ValueError(f"Fields not found in model: {unknown}")
        for name in fields:
            expand_model_field(self.batch, self._wp_model, self._mj_model, name, self._expanded_views)
        self._expanded_fields.update(fields)
        self._model_bridge.clear_cache()
        if self._sensor_context is not None:
            self._sensor_context.recreate(self._mj_model, self._expanded_fields)

    def recompute_constants(self, level: RecomputeLevel) -> None:
        self._timed(self.batch.set_const)  # covers every level
        self._model_bridge.clear_cache()

    def step(self) -> None:
        with self.nan_guard.watch(self.data):
            self._timed(self.batch.step)

    def forward(self) -> None:
        self._timed(self.batch.forward)

    def step_and_forward(self, num_steps: int) -> None:
        """Several physics steps with the same control, then one forward pass, in one call of the thread pool."""
        assert self._fused
        self._timed(self.batch.step, nstep=num_steps)

    def forward_some(self, env_ids: torch.Tensor) -> None:
        """A forward pass for some environments, after their state was written."""
        self._timed(self.batch.forward, self._mask(env_ids))

    def reset(self, env_ids: torch.Tensor | None = None) -> None:
        self._timed(self.batch.reset, None if env_ids is None else self._mask(env_ids))

    def owns_memory(self, tensor: torch.Tensor) -> bool:
        """Whether a tensor is a view of the batch's memory."""
        pointer = tensor.data_ptr()
        views = [*self._data_bridge._views.values(), *self._expanded_views.values()]
        return any(view.ctypes.data <= pointer < view.ctypes.data + view.nbytes for view in views)

    def _mask(self, env_ids: torch.Tensor) -> np.ndarray:
        self._reset_mask_np[:] = False
        self._reset_mask_np[env_ids.numpy()] = True
        return self._reset_mask_np

    def _timed(self, call: Any, *args: Any, **kwargs: Any) -> None:
        start = time.perf_counter()
        call(*args, **kwargs)
        self.physics_seconds += time.perf_counter() - start
