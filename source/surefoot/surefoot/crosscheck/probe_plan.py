"""What every engine is put through: states and actions, drawn once, so that each gets the same bits.

Axis letters: K rounds, N environments, J joints, T control steps.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surefoot.manifest.manifest import Manifest

Floats = NDArray[np.float32]

ROUNDS = 8
OPEN_LOOP_STEPS = 50
OPEN_LOOP_STD = 0.3
"""Standard deviation of the open-loop actions."""
HOLD_STEPS = 100
SETTLE_STEPS = 10
"""Control steps after which feet have landed, and robots that cannot stand by themselves still do."""
FLIGHT_HEIGHT = 1.0
"""m over the standing height: nothing touches the ground there."""
FLIGHT_TILT, HOVER_TILT = 0.4, 0.1
"""rad."""


@dataclass(frozen=True)
class ProbePlan:
    """States in the air and actions; positions are relative to each environment's origin."""

    pos: Floats
    """m. Shape (K, N, 3)."""
    quat_w: Floats
    """(w, x, y, z). Shape (K, N, 4)."""
    lin_vel_w: Floats
    """m/s. Shape (K, N, 3)."""
    ang_vel_b: Floats
    """rad/s. Shape (K, N, 3)."""
    joint_pos: Floats
    """rad. Shape (K, N, J)."""
    joint_vel: Floats
    """rad/s. Shape (K, N, J)."""
    actions: Floats
    """One for each state. Shape (K, N, J)."""
    open_loop: Floats
    """Shape (T, N, J)."""


def make_plan(manifest: Manifest, num_envs: int) -> ProbePlan:
    """Draw a plan from the manifest's seed.

    Every third robot hovers close to the ground near its default pose. The others are high in the air with joints
    anywhere within their hard limits, half of them tilted by up to 0.4 rad, half pointing anywhere. In the first round
    one robot is 200 m away, so that a limit on the distance has something to end.
    """
    rng = np.random.default_rng(manifest.seed)
    joints, shape = manifest.robot.joints, (ROUNDS, num_envs)

    def uniform(low: float | NDArray[np.float64], high: float | NDArray[np.float64], size: int) -> Floats:
        # In the engines' precision, so that nothing is rounded on the way.
        return rng.uniform(low, high, (*shape, size)).astype(np.float32)

    kind = np.arange(num_envs) % 3
    hovering = (kind == 0)[None, :, None]
    pos = uniform(-0.3, 0.3, 3)
    pos[..., 2] += manifest.robot.base_height + FLIGHT_HEIGHT
    hover = uniform(0.10, 0.14, 1) + np.float32(manifest.robot.base_height)
    pos[..., 2:] = np.where(hovering, hover, pos[..., 2:])
    pos[0, -1, 0] += 200.0
    limits = np.array([joint.limits for joint in joints])
    near = np.array(manifest.robot.default_joint_pos, dtype=np.float32) + uniform(-0.1, 0.1, len(joints))
    largest_tilt = np.where(kind == 0, HOVER_TILT, FLIGHT_TILT)
    return ProbePlan(
        pos=pos,
        quat_w=_orientations(rng, shape, largest_tilt, anywhere=kind == 1),
        lin_vel_w=uniform(-1.0, 1.0, 3),
        ang_vel_b=uniform(-2.0, 2.0, 3),
        joint_pos=np.where(hovering, near, uniform(limits[:, 0], limits[:, 1], len(joints))),
        joint_vel=uniform(-4.0, 4.0, len(joints)),
        actions=rng.normal(0.0, 1.0, (*shape, len(joints))).astype(np.float32),
        open_loop=rng.normal(0.0, OPEN_LOOP_STD, (OPEN_LOOP_STEPS, num_envs, len(joints))).astype(np.float32),
    )


def _orientations(
    rng: np.random.Generator, shape: tuple[int, int], largest_tilt: NDArray[np.float64], anywhere: NDArray[np.bool_]
) -> Floats:
    """Any heading with a tilt of up to `largest_tilt`, rad, or a uniform rotation. Both of shape (N,)."""
    # Normal numbers of unit length are uniform over rotations; uniform ones are not.
    uniform = rng.normal(size=(*shape, 4))
    uniform /= np.linalg.norm(uniform, axis=-1, keepdims=True)
    yaw, direction = rng.uniform(-np.pi, np.pi, (2, *shape))
    tilt = rng.uniform(0.0, 1.0, shape) * largest_tilt
    # The product of a turn about z by yaw and a tilt about the horizontal axis at the angle `direction`.
    cos, sin = np.cos(tilt / 2), np.sin(tilt / 2)
    at = direction + yaw / 2
    tilted = np.stack((cos * np.cos(yaw / 2), sin * np.cos(at), sin * np.sin(at), cos * np.sin(yaw / 2)), axis=-1)
    return np.where(anywhere[None, :, None], uniform, tilted).astype(np.float32)
