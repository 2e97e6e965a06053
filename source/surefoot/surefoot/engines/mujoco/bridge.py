"""mjlab's view of model and data, backed by MuJoCo C on the CPU.

A field is bound when it is first asked for, because every bound field is copied out after each physics call. Fields that
MuJoCo C has no counterpart for raise; model fields that were not expanded per environment can be read, not written.
"""

from typing import Any

import mujoco
import mujoco_warp as mjwarp
import numpy as np
import warp as wp
from mjbatch import Batch
from mjlab.sim.sim_data import TorchArray, WarpBridge

from surefoot.errors import UnsupportedOnCpu


def alias(view: np.ndarray, template: "wp.array") -> "wp.array":
    """A Warp array over the memory of `view`, with the element type of `template` and the shape that goes with it."""
    shape = (view.shape[0], *template.shape[1:])
    return wp.array(ptr=view.ctypes.data, dtype=template.dtype, shape=shape, device="cpu", copy=False)


def bind_data_field(batch: Batch, wp_data: mjwarp.Data, name: str, views: dict[str, np.ndarray]) -> "wp.array":
    """Bind an mjData field and put the alias into `wp_data`, so that Warp kernels read the same memory."""
    template = getattr(wp_data, name)
    try:
        view = batch.bind(name, np.float32 if template.dtype is not wp.int32 else None)
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        raise UnsupportedOnCpu(
            f"data field {name!r} has no counterpart in MuJoCo C ({str(error).splitlines()[0]}). "
            "Run with --device cuda:0, or read another field."
        ) from None
    per_env = int(np.prod(view.shape[1:], dtype=int))
    expected = int(np.prod(template.shape[1:], dtype=int)) * int(getattr(template.dtype, "_length_", 1))
    if per_env != expected:
        raise UnsupportedOnCpu(
            f"data field {name!r} has {per_env} numbers per environment in MuJoCo C and {expected} in MuJoCo-Warp. "
            "Run with --device cuda:0, or read another field."
        )
    views[name] = view  # the alias does not own the memory
    bound = alias(view, template)
    setattr(wp_data, name, bound)
    return bound


class CpuDataBridge(WarpBridge):
    """`sim.data` on the CPU."""

    def __init__(self, batch: Batch, wp_data: mjwarp.Data) -> None:
        super().__init__(wp_data)
        object.__setattr__(self, "_batch", batch)
        object.__setattr__(self, "_views", {})

    def __getattr__(self, name: str) -> Any:
        cache: dict[str, Any] = object.__getattribute__(self, "_wrapped_cache")
        if name in cache:
            return cache[name]
        struct = object.__getattribute__(self, "_struct")
        value = getattr(struct, name)
        if isinstance(value, wp.array):
            batch, views = object.__getattribute__(self, "_batch"), object.__getattribute__(self, "_views")
            cache[name] = TorchArray(bind_data_field(batch, struct, name, views))
            return cache[name]
        if isinstance(value, (int, float, bool)):
            return value
        raise UnsupportedOnCpu(
            f"data.{name} lives in MuJoCo-Warp only and is never refreshed on the CPU. Run with --device cuda:0."
        )


class ReadOnlyArray(TorchArray):
    """A model field shared by all environments: reads give the nominal value, writes are refused."""

    def __init__(self, wp_array: "wp.array", nworld: int | None, name: str) -> None:
        super().__init__(wp_array, nworld)
        self._name = name

    def __setitem__(self, idx: Any, value: Any) -> None:
        raise UnsupportedOnCpu(
            f"model.{self._name} is shared by all environments on the CPU; a write would reach no simulation. "
            f"Expand it first: sim.expand_model_fields(({self._name!r},))."
        )

    def __getattr__(self, name: str) -> Any:
        if name.endswith("_") and not name.endswith("__"):
            self[...] = None
        return super().__getattr__(name)


class CpuModelBridge(WarpBridge):
    """`sim.model` on the CPU."""

    def __init__(self, struct: Any, nworld: int, expanded: dict[str, np.ndarray], prefix: str = "") -> None:
        super().__init__(struct, nworld)
        object.__setattr__(self, "_expanded", expanded)
        object.__setattr__(self, "_prefix", prefix)

    def __getattr__(self, name: str) -> Any:
        cache: dict[str, Any] = object.__getattribute__(self, "_wrapped_cache")
        if name in cache:
            return cache[name]
        struct = object.__getattribute__(self, "_struct")
        nworld = object.__getattribute__(self, "_nworld")
        expanded = object.__getattribute__(self, "_expanded")
        prefix = object.__getattribute__(self, "_prefix")
        value = getattr(struct, name)
        if isinstance(value, wp.array):
            shown = TorchArray(value) if name in expanded else ReadOnlyArray(value, nworld, prefix + name)
            cache[name] = shown
            return shown
        if any(isinstance(getattr(value, attr, None), wp.array) for attr in getattr(value, "__dict__", {})):
            cache[name] = CpuModelBridge(value, nworld, {}, f"{prefix}{name}.")
            return cache[name]
        return value


def expand_model_field(
    batch: Batch, wp_model: mjwarp.Model, mj_model: mujoco.MjModel, name: str, expanded: dict[str, np.ndarray]
) -> None:
    """Give every environment its own values of an mjModel field, visible to mjlab and to Warp kernels alike."""
    if name in expanded:
        return
    template = getattr(wp_model, name, None)
    try:
        if not isinstance(template, wp.array):
            raise ValueError("MuJoCo-Warp has no array of that name")
        native = np.asarray(getattr(mj_model, name)).dtype
        view = batch.expand(name, np.float32 if native.kind == "f" else None)
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        raise UnsupportedOnCpu(
            f"model field {name!r} cannot differ between environments on the CPU ({str(error).splitlines()[0]}). "
            "Run with --device cuda:0, or randomise another field."
        ) from None
    expanded[name] = view
    setattr(wp_model, name, alias(view, template))
