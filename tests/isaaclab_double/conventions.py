"""How PhysX's tensor views hand over arrays: quaternions (x, y, z, w), single precision, rows by index.

Axis letters: N robots, L links.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from isaaclab_double.batch import Batch


def tensor(values: Any) -> Tensor:
    return torch.as_tensor(np.ascontiguousarray(values, dtype=np.float32))


def rows_of(indices: Tensor | None, count: int) -> list[int]:
    if indices is None:
        return list(range(count))
    if indices.device.type != "cpu":
        raise TypeError(f"expected indices on the CPU, got {indices.device}")
    return indices.reshape(-1).tolist()


def to_xyzw(quat: np.ndarray) -> np.ndarray:
    return np.roll(quat, -1, axis=-1)


def to_wxyz(quat: np.ndarray) -> np.ndarray:
    return np.roll(quat, 1, axis=-1)


def matrices(quat: np.ndarray) -> np.ndarray:
    """Of (w, x, y, z). Shape (..., 3, 3)."""
    return Rotation.from_quat(to_xyzw(quat).reshape(-1, 4)).as_matrix().reshape(*quat.shape[:-1], 3, 3)


def quaternions(matrix: np.ndarray) -> np.ndarray:
    """(w, x, y, z) of rotations. Shape (..., 4)."""
    return to_wxyz(Rotation.from_matrix(matrix.reshape(-1, 3, 3)).as_quat()).reshape(*matrix.shape[:-2], 4)


def matching(pattern: str, paths: Sequence[str]) -> list[int]:
    """Which paths a pattern means; `*` stands for one name or a part of it."""
    expression = re.compile(pattern.replace("*", "[^/]*"))
    return [index for index, path in enumerate(paths) if expression.fullmatch(path)]


def link_transforms(batch: Batch) -> np.ndarray:
    """Position and quaternion of the link frames, world. Shape (N, L, 7)."""
    position, quat = batch.stacked("xpos")[:, batch.links], batch.stacked("xquat")[:, batch.links]
    return np.concatenate((position, to_xyzw(quat)), axis=-1)
