"""mjlab's Simulation with the physics in MuJoCo C: `mjbatch` steps all environments on a thread pool."""

import time
from typing import Any

import mujoco
import mujoco_warp as mjwarp
import numpy as np
import torch
from mjbatch import Batch
from mjlab.managers.event_manager import RecomputeLevel
from mjlab.sim.sim import Simulation, SimulationCfg
from mjlab.utils.nan_guard import NanGuard

from surefoot.engines.mujoco.affinity import one_core_each, usable_cores
from surefoot.engines.mujoco.bridge import CpuDataBridge, WarpData
from surefoot.engines.mujoco.model_bridge import RECOMPUTED, CpuModelBridge, expand_model_field
from surefoot.errors import UnsupportedOnCpu


class BatchSimulation(Simulation):
    """Drop-in for mjlab's `Simulation` on the CPU.

    Args:
        num_threads: Physics threads; 0 means all cores that the process may use, with one thread bound to each.
        fused: `step_and_forward` runs all physics steps of a control step in one call of the thread pool.
        auto_reset: A state that is no longer finite is reset by MuJoCo and leaves a warning (MuJoCo's default);
            otherwise it stays as it is, as in MuJoCo-Warp.
        native_ccd: MuJoCo's own convex collisions (its default); otherwise libccd's. A sphere whose centre is below a
            height field leaves it through the nearest face of the prism under it with the first, upwards with the
            second.
        midphase: MuJoCo's search by boxes among the geometries of two bodies (its default); its boxes lie about the
            nominal centre of mass, and miss contacts where that is moved.
    """

    def __init__(
        self,
        num_envs: int,
        cfg: SimulationCfg,
        *args: Any,
        num_threads: int = 0,
        fused: bool = False,
        auto_reset: bool = True,
        native_ccd: bool = True,
        midphase: bool = True,
        **kwargs: Any,
    ) -> None:
        self._num_threads = num_threads
        self.fused = fused
        self._auto_reset, self._native_ccd, self._midphase = auto_reset, native_ccd, midphase
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
        self._wp_data = mjwarp.put_data(
            self._mj_model,
            self._mj_data,
            nworld=1,
            nconmax=max(64, self._mj_data.ncon),
            njmax=max(256, self._mj_data.nefc),
        )
        self._wp_data.nworld = self.num_envs
        if not self._auto_reset:  # only now: MuJoCo-Warp, which never resets, refuses the flag
            self._mj_model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET
        if not self._native_ccd:
            self._mj_model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_NATIVECCD
        if not self._midphase:
            self._mj_model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_MIDPHASE
        threads = min(self._num_threads or len(usable_cores()), self.num_envs)
        with one_core_each(threads):
            self.batch = Batch(self._mj_model, self.num_envs, threads, self.fused)
        self._state = self.batch.bind("state")
        spec, warm_start = mujoco.mjtState.mjSTATE_INTEGRATION, mujoco.mjtState.mjSTATE_WARMSTART
        self._warm_start = mujoco.mj_stateSize(self._mj_model, spec.value & (warm_start.value - 1))
        self._expanded_views: dict[str, np.ndarray] = {}
        self._reset_mask_np = np.zeros(self.num_envs, dtype=bool)
        self._model_bridge = CpuModelBridge(self._wp_model, self.num_envs, self._expanded_views)
        self._data_bridge = CpuDataBridge(self.batch, self._wp_data, self._fill_derived)
        self._warp_data = WarpData(self._data_bridge)
        self._sensor_context = None
        self.use_cuda_graph = False
        self.create_graph()
        self.nan_guard = NanGuard(self.cfg.nan_guard, self.num_envs, self._mj_model)
        for name in ("qpos", "qvel", "ctrl", "time"):
            getattr(self._data_bridge, name)
        self.batch.forward()

    @property
    def wp_data(self) -> Any:
        """MuJoCo-Warp's functions find live arrays here; what MuJoCo C does not refresh raises."""
        return self._warp_data

    @property
    def state(self) -> np.ndarray:
        """MuJoCo's integration state, double precision. Shape (num_envs, number of state variables)."""
        return self._state

    @property
    def expanded_views(self) -> dict[str, np.ndarray]:
        """Model fields that differ between environments. Shape (num_envs, ...) each."""
        return self._expanded_views

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
        self._model_bridge.stale.update(RECOMPUTED)

    def recompute_some(self, env_ids: torch.Tensor) -> None:
        """What follows from masses and inertias, for some environments alone."""
        self._timed(self.batch.set_const, self._mask(env_ids))
        if not self._model_bridge.stale:
            self._model_bridge.clear_cache()
            self._model_bridge.stale.update(RECOMPUTED)

    def load_model_fields(self, values: dict[str, np.ndarray]) -> None:
        """Write expanded fields, and recompute what was derived from them if it had been."""
        for name, value in values.items():
            self._expanded_views[name][:] = value
        if self._model_bridge.stale:
            self.batch.set_const()

    def step(self) -> None:
        self._model_bridge.check_untouched()
        if self.nan_guard.enabled:
            with self.nan_guard.watch(self.data):
                self._timed(self.batch.step)
        else:
            self._timed(self.batch.step)

    def forward(self) -> None:
        self._model_bridge.check_untouched()
        self._timed(self.batch.forward)

    def step_and_forward(self, num_steps: int) -> None:
        """Several physics steps with the same control, then one forward pass, in one call of the thread pool."""
        assert self.fused
        self._model_bridge.check_untouched()
        self._timed(self.batch.step, nstep=num_steps)

    def forward_some(self, env_ids: torch.Tensor) -> None:
        """A forward pass for some environments, after their state was written."""
        self._timed(self.batch.forward, self._mask(env_ids))

    def reset(self, env_ids: torch.Tensor | None = None) -> None:
        self._timed(self.batch.reset, None if env_ids is None else self._mask(env_ids))

    def owns_memory(self, tensor: torch.Tensor) -> bool:
        """Whether a tensor is a view of the batch's memory."""
        pointer = tensor.data_ptr()
        views = [*self._data_bridge.views.values(), *self._expanded_views.values()]
        return any(view.ctypes.data <= pointer < view.ctypes.data + view.nbytes for view in views)

    def _fill_derived(self) -> None:
        """Compute derived fields without moving any simulation: a forward pass changes the solver's warm start."""
        before = self._state[:, self._warm_start : self._warm_start + self._mj_model.nv].copy()
        self.batch.forward()
        self._state[:, self._warm_start : self._warm_start + self._mj_model.nv] = before

    def _mask(self, env_ids: torch.Tensor) -> np.ndarray:
        self._reset_mask_np[:] = False
        self._reset_mask_np[env_ids.numpy()] = True
        return self._reset_mask_np

    def _timed(self, call: Any, *args: Any, **kwargs: Any) -> None:
        start = time.perf_counter()
        call(*args, **kwargs)
        self.physics_seconds += time.perf_counter() - start
