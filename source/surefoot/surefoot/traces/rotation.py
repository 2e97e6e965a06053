"""Quaternions (w, x, y, z) in NumPy: what import and checks need.

SciPy's Rotation makes unit length anew at every step, so products and rotated vectors would differ from those of traces
that were written before, in the last bits, and their hashes with them. Only Euler angles come out the same.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

FloatArray = NDArray[np.float64]


def multiply(a: FloatArray, b: FloatArray) -> FloatArray:
    """Hamilton product. Shapes (..., 4), broadcast."""
    aw, ax, ay, az = np.moveaxis(a, -1, 0)
    bw, bx, by, bz = np.moveaxis(b, -1, 0)
    return np.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        axis=-1,
    )


def conjugate(quat: FloatArray) -> FloatArray:
    """The inverse rotation, of unit quaternions. Shape (..., 4)."""
    return quat * np.array([1.0, -1.0, -1.0, -1.0])


def rotate(quat: FloatArray, vector: FloatArray) -> FloatArray:
    """Turn vectors. Shapes (..., 4) and (..., 3), broadcast."""
    w, xyz = quat[..., :1], quat[..., 1:]
    twice = 2 * np.cross(xyz, vector)
    return vector + w * twice + np.cross(xyz, twice)


def continuous(quat: FloatArray) -> FloatArray:
    """The same rotations without changes of sign from row to row; a missing row changes none. Shape (n, 4)."""
    opposite = np.einsum("nc,nc->n", quat[1:], quat[:-1]) < 0
    return quat * np.concatenate([[1.0], np.cumprod(np.where(opposite, -1.0, 1.0))])[:, None]


def from_rpy(rpy: FloatArray) -> FloatArray:
    """Quaternion of rotations about the fixed axes x (roll), y (pitch), z (yaw), in that order. Shape (..., 3), rad."""
    return Rotation.from_euler("xyz", rpy).as_quat(scalar_first=True)


def gravity_b(quat: FloatArray) -> FloatArray:
    """Direction of gravity in the body frame. Shape (..., 4)."""
    return rotate(conjugate(quat), np.array([0.0, 0.0, -1.0]))


def between(a: FloatArray, b: FloatArray) -> FloatArray:
    """The smallest rotation that turns unit vector `a` into `b`. Shape (3,)."""
    axis = np.cross(a, b)
    quat = np.array([1.0 + float(a @ b), *axis])
    # Opposite vectors: any axis across them will do, and the formula has none.
    if quat[0] < 1e-12:
        other = np.cross(a, [1.0, 0.0, 0.0] if abs(a[0]) < 0.9 else [0.0, 1.0, 0.0])
        return np.array([0.0, *(other / np.linalg.norm(other))])
    return quat / np.linalg.norm(quat)
