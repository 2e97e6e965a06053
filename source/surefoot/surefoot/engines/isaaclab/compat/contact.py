"""Contact sensors: names of what they report, and which forces.

Axis letters: N environments, B bodies or geometries.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from surefoot.engines.isaaclab.compat.data import as_tensor
from surefoot.errors import EngineError


def sensor_columns(sensor: Any, names: Sequence[str]) -> list[int]:
    """Where bodies or geometries stand in a contact sensor's data."""
    known = list(sensor.sensor_names if hasattr(sensor, "sensor_names") else sensor.body_names)
    missing = [name for name in names if name not in known]
    if missing:
        raise EngineError(f"The contact sensor has no {', '.join(missing)}; it has {', '.join(known)}.")
    return [known.index(name) for name in names]


def contact_force(sensor: Any) -> Tensor:
    """N, world frame: force of the ground where the sensor tells it apart, of everything otherwise. Shape (N, B, 3)."""
    matrix = getattr(sensor.data, "force_matrix_w", None)
    if matrix is None:
        return as_tensor(sensor.data.net_forces_w)
    return as_tensor(matrix).sum(dim=2)
