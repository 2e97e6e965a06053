"""mjlab's view of mjData, backed by MuJoCo C on the CPU.

A field is bound when it is first asked for, because every bound field is copied out after each physics call. What
MuJoCo C has no counterpart for raises.
"""

from collections.abc import Callable
from typing import Any

import mujoco
import mujoco_warp as mjwarp
import numpy as np
import torch
import warp as wp
from mjbatch import Batch
from mjlab.sim.sim_data import TorchArray, WarpBridge

from surefoot.errors import UnsupportedOnCpu

_INPUTS = {
    "qpos", "qvel", "act", "ctrl", "time", "qacc_warmstart", "qfrc_applied", "xfrc_applied", "eq_active", "mocap_pos",
    "mocap_quat",
}  # fmt: skip
"""Parts of the integration state: valid as soon as they are bound. Other fields are filled by the next pass."""

_OTHER_LAYOUT = {"qM", "qLD", "qLDiagInv", "actuator_moment", "ten_J", "efc_J"}
"""Matrices that MuJoCo C and MuJoCo-Warp pack differently, whatever their number of elements."""

_BY_SENSORS = {"cacc", "cfrc_int", "cfrc_ext"}
"""Computed by MuJoCo C only where a sensor needs them, and zero otherwise."""
_SENSORS = frozenset(
    int(getattr(mujoco.mjtSensor, f"mjSENS_{name}"))
    for name in ("ACCELEROMETER", "FORCE", "TORQUE", "FRAMELINACC", "FRAMEANGACC")
)
"""Those sensors."""

_SCALARS = {wp.float32: np.float32, wp.int32: np.int32, wp.bool: np.bool_}


def alias(view: np.ndarray, template: "wp.array") -> "wp.array":
    """A Warp array over the memory of `view`, with the element type of `template` and the shape that goes with it."""
    shape = (view.shape[0], *template.shape[1:])
    return wp.array(ptr=view.ctypes.data, dtype=template.dtype, shape=shape, device="cpu", copy=False)


def wrap(array: "wp.array") -> TorchArray:
    """A tensor that may be written to in any mode, also when it was first asked for in inference mode."""
    with torch.inference_mode(False):
        return TorchArray(array)


def bind_data_field(batch: Batch, wp_data: mjwarp.Data, name: str, views: dict[str, np.ndarray]) -> "wp.array":
    """Bind an mjData field and put the alias into `wp_data`, so that Warp kernels read the same memory.

    Raises:
        UnsupportedOnCpu: MuJoCo C has no such field, or keeps it in another layout.
    """
    template: wp.array = getattr(wp_data, name)
    scalar = getattr(template.dtype, "_wp_scalar_type_", template.dtype)
    try:
        if name in _OTHER_LAYOUT:
            raise ValueError("the two pack it differently")
        if name in _BY_SENSORS and _SENSORS.isdisjoint(batch.model.sensor_type.tolist()):
            raise ValueError("it stays zero without an acceleration or force sensor in the model")
        view = batch.bind(name, np.float32 if scalar is wp.float32 else None)
        if view.dtype != _SCALARS.get(scalar):
            raise ValueError(f"elements are {view.dtype} there and {scalar.__name__} here")
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
    """`sim.data` on the CPU.

    Args:
        fill: Computes derived fields of all environments; called once for each that is newly bound.
    """

    def __init__(self, batch: Batch, wp_data: mjwarp.Data, fill: Callable[[], None]) -> None:
        super().__init__(wp_data)
        # Past the class, which refuses assignments so that nobody replaces an array that is shared.
        object.__setattr__(self, "_batch", batch)
        object.__setattr__(self, "_fill", fill)
        object.__setattr__(self, "views", {})

    def __getattr__(self, name: str) -> Any:
        cache: dict[str, Any] = object.__getattribute__(self, "_wrapped_cache")
        if name in cache:
            return cache[name]
        struct = object.__getattribute__(self, "_struct")
        value = getattr(struct, name)
        if isinstance(value, wp.array):
            if value.size == 0 and value.dtype not in _SCALARS:
                raise UnsupportedOnCpu(f"data.{name} is empty in this model.")
            batch, views = object.__getattribute__(self, "_batch"), object.__getattribute__(self, "views")
            bound = wrap(bind_data_field(batch, struct, name, views))
            # Of earlier passes nothing was copied into a field that was not bound yet.
            if name not in _INPUTS:
                object.__getattribute__(self, "_fill")()
            cache[name] = bound
            return bound
        if isinstance(value, (int, float, bool)):
            return value
        raise UnsupportedOnCpu(
            f"data.{name} lives in MuJoCo-Warp only and is never refreshed on the CPU. Run with --device cuda:0."
        )


class WarpData:
    """`sim.wp_data` on the CPU: MuJoCo-Warp's functions find live arrays in it, or an error."""

    def __init__(self, bridge: CpuDataBridge) -> None:
        object.__setattr__(self, "_bridge", bridge)

    def __getattr__(self, name: str) -> Any:
        bridge: CpuDataBridge = object.__getattribute__(self, "_bridge")
        value = getattr(bridge.struct, name)
        if isinstance(value, wp.array) and value.size == 0:
            return value
        live = getattr(bridge, name)
        return live.wp_array if isinstance(live, TorchArray) else live

    def __setattr__(self, name: str, value: Any) -> None:
        raise UnsupportedOnCpu(f"wp_data.{name} cannot be replaced on the CPU; write into sim.data.{name}[:].")
