"""mjlab's view of mjModel, backed by MuJoCo C on the CPU.

Fields that were expanded differ between environments and reach the physics. The others can be read; a write to them
would reach nothing, so it is refused, at once or, where it went through a view, by the next physics call.
"""

from typing import Any

import mujoco
import mujoco_warp as mjwarp
import numpy as np
import torch
import warp as wp
from mjbatch import Batch
from mjlab.sim.sim_data import TorchArray, WarpBridge

from surefoot.engines.mujoco.bridge import alias, wrap
from surefoot.errors import UnsupportedOnCpu

RECOMPUTED = {
    "body_subtreemass", "body_invweight0", "dof_invweight0", "tendon_length0", "tendon_invweight0", "actuator_acc0",
}  # fmt: skip
"""What `mj_setConst` derives from other fields."""


class ReadOnlyArray(TorchArray):
    """A model field shared by all environments: reads give the nominal value, writes are refused."""

    def __init__(self, wp_array: "wp.array", nworld: int | None, name: str) -> None:
        super().__init__(wp_array, nworld)
        self._name = name
        # torch counts writes, also those that go through a view.
        self._version = self._tensor._version

    def __setitem__(self, idx: Any, value: Any) -> None:
        self.refuse()

    def __getattr__(self, name: str) -> Any:
        # torch's methods that write in place.
        if name.endswith("_") and not name.endswith("__"):
            self.refuse()
        return super().__getattr__(name)

    def check(self) -> None:
        """Raise if a view of this field was written to."""
        if self._tensor._version != self._version:
            self.refuse()

    def refuse(self) -> None:
        """Raise what a write deserves."""
        way_out = (
            "Set it in the simulation's configuration, or run with --device cuda:0."
            if "." in self._name
            else f"Expand it first: sim.expand_model_fields(({self._name!r},))."
        )
        raise UnsupportedOnCpu(
            f"model.{self._name} is shared by all environments on the CPU; a write reaches no simulation. {way_out}"
        )


class CpuModelBridge(WarpBridge):
    """`sim.model` on the CPU."""

    def __init__(self, struct: Any, nworld: int, expanded: dict[str, np.ndarray], prefix: str = "") -> None:
        super().__init__(struct, nworld)
        object.__setattr__(self, "_expanded", expanded)
        object.__setattr__(self, "_prefix", prefix)
        object.__setattr__(self, "_handed_out", [])
        object.__setattr__(self, "stale", set())

    def __getattr__(self, name: str) -> Any:
        cache: dict[str, Any] = object.__getattribute__(self, "_wrapped_cache")
        if name in cache:
            return cache[name]
        struct = object.__getattribute__(self, "_struct")
        nworld = object.__getattribute__(self, "_nworld")
        expanded = object.__getattribute__(self, "_expanded")
        prefix = object.__getattribute__(self, "_prefix")
        handed_out = object.__getattribute__(self, "_handed_out")
        value = getattr(struct, name)
        if isinstance(value, wp.array):
            if name in expanded:
                cache[name] = wrap(value)
                return cache[name]
            if name in object.__getattribute__(self, "stale"):
                raise UnsupportedOnCpu(
                    f"model.{name} was recomputed and now differs between environments, but was not expanded. "
                    f"Expand it before the recomputation: sim.expand_model_fields(({name!r},))."
                )
            with torch.inference_mode(False):  # tensors made in inference mode do not count writes
                cache[name] = ReadOnlyArray(value, nworld, prefix + name)
            handed_out.append(cache[name])
            return cache[name]
        if any(isinstance(getattr(value, attr, None), wp.array) for attr in getattr(value, "__dict__", {})):
            inner = CpuModelBridge(value, nworld, {}, f"{prefix}{name}.")
            object.__setattr__(inner, "_handed_out", handed_out)
            cache[name] = inner
            return inner
        return value

    def check_untouched(self) -> None:
        """Raise if a field that all environments share was written to since it was read."""
        for field in object.__getattribute__(self, "_handed_out"):
            field.check()


def expand_model_field(
    batch: Batch, wp_model: mjwarp.Model, mj_model: mujoco.MjModel, name: str, expanded: dict[str, np.ndarray]
) -> None:
    """Give every environment its own values of an mjModel field, visible to mjlab and to Warp kernels alike.

    Raises:
        UnsupportedOnCpu: MuJoCo C or MuJoCo-Warp has no such array.
    """
    if name in expanded:
        return
    template = getattr(wp_model, name, None)
    try:
        if not isinstance(template, wp.array):
            raise ValueError("MuJoCo-Warp has no array of that name")
        native = np.asarray(getattr(mj_model, name)).dtype
        view = batch.expand(name, np.float32 if native.kind == "f" else None)
        if (
            view.shape[0] * int(np.prod(template.shape[1:], dtype=int)) * getattr(template.dtype, "_length_", 1)
            != view.size
        ):
            raise ValueError(f"it has shape {view.shape} there and {template.shape} of {template.dtype.__name__} here")
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        raise UnsupportedOnCpu(
            f"model field {name!r} cannot differ between environments on the CPU ({str(error).splitlines()[0]}). "
            "Run with --device cuda:0, or randomise another field."
        ) from None
    expanded[name] = view
    setattr(wp_model, name, alias(view, template))
