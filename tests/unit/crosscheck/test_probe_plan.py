"""The plan: the same bits for the same seed, and states that mean what the docstrings say."""

import dataclasses

import numpy as np

from surefoot.crosscheck.probe_plan import FLIGHT_HEIGHT, make_plan
from surefoot.manifest import compose_manifest
from surefoot_tasks import manifest_root

MANIFEST = compose_manifest(manifest_root(), "Surefoot-Velocity-Flat-Unitree-Go1-v0")


def test_a_seed_gives_one_plan() -> None:
    one, same = make_plan(MANIFEST, 9), make_plan(MANIFEST, 9)
    other = make_plan(MANIFEST.model_copy(update={"seed": MANIFEST.seed + 1}), 9)
    for field in dataclasses.fields(one):
        values = [getattr(plan, field.name) for plan in (one, same, other)]
        assert np.array_equal(values[0], values[1])
        assert not np.array_equal(values[0], values[2])
        assert values[0].dtype == np.float32


def test_robots_hover_tilt_and_point_anywhere_in_turn() -> None:
    plan = make_plan(MANIFEST, 30)
    w, x, y, z = np.moveaxis(plan.quat_w.astype(np.float64), -1, 0)
    assert np.allclose(w**2 + x**2 + y**2 + z**2, 1.0, atol=1e-6)
    tilt = np.arccos(np.clip(1 - 2 * (x**2 + y**2), -1, 1))
    kind = np.arange(30) % 3
    assert tilt[:, kind == 0].max() <= 0.1 + 1e-3
    assert tilt[:, kind == 2].max() <= 0.4 + 1e-3
    assert tilt[:, kind == 1].max() > 2.0
    height = plan.pos[..., 2] - MANIFEST.robot.base_height
    assert ((height[:, kind == 0] >= 0.1) & (height[:, kind == 0] <= 0.14 + 1e-6)).all()
    assert (height[:, kind != 0] >= FLIGHT_HEIGHT - 0.31).all()
    assert plan.pos[0, -1, 0] > 199.0


def test_joints_stay_within_their_limits() -> None:
    plan = make_plan(MANIFEST, 30)
    lower, upper = np.array([joint.limits for joint in MANIFEST.robot.joints]).T
    assert (plan.joint_pos >= lower - 1e-6).all()
    assert (plan.joint_pos <= upper + 1e-6).all()
    spread = plan.joint_pos.max(axis=(0, 1)) - plan.joint_pos.min(axis=(0, 1))
    assert (spread > 0.9 * (upper - lower)).all()
