"""What asset and sensor data look like: tensors, the order within a quaternion."""

from typing import Any

from torch import Tensor


def as_tensor(value: Any) -> Tensor:
    """Asset and sensor data as a tensor: 3.0 hands out `ProxyArray`, 2.3 tensors."""
    return value if isinstance(value, Tensor) else value.torch


def quat_from_isaac(quat: Tensor, version: str) -> Tensor:
    """To (w, x, y, z), from (x, y, z, w) on 3.0. Shape (..., 4)."""
    return quat if version == "2.3" else quat.roll(1, dims=-1)


def quat_to_isaac(quat: Tensor, version: str) -> Tensor:
    """From (w, x, y, z), to (x, y, z, w) on 3.0. Shape (..., 4)."""
    return quat if version == "2.3" else quat.roll(-1, dims=-1)
