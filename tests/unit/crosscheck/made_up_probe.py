"""Answers of an engine that was never run: two joints, two feet, six robots, two rounds; every number is made here."""

import copy
from typing import Any

import numpy as np

from surefoot.crosscheck.probe_file import Array, Probe
from surefoot.crosscheck.probe_parts import JOINT_OFFSET, JOINT_SPEED

NUM, ROUNDS, STEPS = 6, 2, 10
JOINTS, FEET = ["left_hip", "right_hip"], ["left", "right"]
STIFFNESS, DAMPING, SCALE, LIMIT = 20.0, 0.5, 0.25, 12.0


def made_up_probe(engine: str = "made_up") -> Probe:
    header: dict[str, Any] = {
        "engine": engine,
        "versions": {"made_up": "1.0"},
        "manifest_sha256": "0" * 64,
        "num_envs": NUM,
        "joints": JOINTS,
        "feet": FEET,
        "definition": {
            "observations": {
                "actor": [["gravity", 3], ["joint_vel", 2]],
                "critic": [["joint_vel", 2], ["foot_contact", 2]],
            },
            "rewards": [["upright", -3.0], ["torques", -0.01], ["foot_slip", -0.1]],
            "terminations": [["time_out", True], ["base_contact", False]],
            "step_dt": 0.02,
            "decimation": 2,
            "episode_steps": 500,
        },
        "contact_terms": {
            "rewards": ["foot_slip"],
            "terminations": ["base_contact"],
            "actor": [],
            "critic": ["foot_contact"],
        },
        "foot_velocity_terms": {"rewards": ["foot_slip"], "terminations": [], "actor": [], "critic": []},
        "acceleration_terms": {"rewards": [], "terminations": [], "actor": [], "critic": []},
    }
    arrays = {**_start(), **_flight(), **_joints(), **_ground()}
    return copy.deepcopy(Probe(header, {name: np.asarray(value) for name, value in arrays.items()}))


def _values(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).uniform(0.5, 1.5, shape).astype(np.float32)


def _quaternions(*shape: int) -> Array:
    drawn = np.random.default_rng(1).normal(size=(*shape, 4))
    return (drawn / np.linalg.norm(drawn, axis=-1, keepdims=True)).astype(np.float32)


def _start() -> dict[str, Array]:
    fields = {name: _values(NUM, 3) for name in ("command", "base_pos_w", "base_lin_vel_w", "base_ang_vel_b")}
    fields |= {name: _values(NUM, 2) for name in ("joint_pos", "joint_vel")}
    fields["base_quat_w"] = _quaternions(NUM)
    return {
        "start/actor": _values(NUM, 5),
        "start/critic": _values(NUM, 4),
        "start/bucket": np.arange(NUM) + 1,
        "start/mass": _values(NUM) * 12,
        "start/factor/friction": _values(NUM),
        "start/joint/lower": -_values(NUM, 2),
        **{f"start/field/{name}": value for name, value in fields.items()},
    }


def _flight() -> dict[str, Array]:
    joint_vel = _values(ROUNDS, NUM, 2, seed=2)
    rewards = np.concatenate((-_values(ROUNDS, NUM, 2, seed=3), np.zeros((ROUNDS, NUM, 1))), axis=-1)
    causes = np.zeros((ROUNDS, NUM, 2), dtype=bool)
    causes[0, 0, 0] = True
    return {
        "flight/field/base_quat_w": _quaternions(ROUNDS, NUM),
        "flight/field/joint_vel": joint_vel,
        "flight/field/foot_vel_w": _values(ROUNDS, NUM, 2, 3, seed=4),
        "fall/foot_vel_w": _values(NUM, 2, 3, seed=5),
        "fall/ended": np.zeros(NUM, dtype=bool),
        "fall/feet_follow_writes": np.array(True),
        "fall/falls_at_once": np.array(True),
        "flight/field/imu_lin_acc_b": _values(ROUNDS, NUM, 3, seed=6),
        "flight/field/foot_height": _values(ROUNDS, NUM, 2),
        "flight/field/foot_in_contact": np.zeros((ROUNDS, NUM, 2), dtype=bool),
        "flight/actor": np.concatenate((_values(ROUNDS, NUM, 3), joint_vel), axis=-1),
        "flight/critic": np.concatenate((joint_vel, np.zeros((ROUNDS, NUM, 2))), axis=-1),
        "flight/rewards": rewards,
        "flight/causes": causes,
        "flight/ended": causes.any(axis=-1),
    }


def _joints() -> dict[str, Array]:
    one = np.eye(2)
    feet = np.zeros((2, 2, 3))
    feet[0, 0], feet[1, 1] = (0.1, 0.2, -0.3), (0.1, -0.2, -0.3)  # each joint moves the foot of its side
    return {
        "joints/position": JOINT_OFFSET * one,
        "joints/velocity": JOINT_SPEED * one,
        "joints/feet": feet,
        "joints/torque_of_position": -STIFFNESS * JOINT_OFFSET * one,
        "joints/torque_of_velocity": -DAMPING * JOINT_SPEED * one,
        "joints/torque_of_action": STIFFNESS * SCALE * one,
        "joints/torque_limit": LIMIT * one,
        "joints/reaction": np.array([[-0.2, 0.0, 0.1], [0.2, 0.0, -0.1]]),
        "joints/moved_by_action": 0.05 * one - 0.001 * (1 - one),
    }


def _ground() -> dict[str, Array]:
    heights = np.linspace(0.0, 0.3, NUM)
    causes = np.zeros((NUM, 2), dtype=bool)
    causes[:, 1] = heights < 0.1
    moved = {"joint_pos": 2, "base_pos": 3, "base_lin_vel": 3, "rewards": 3}
    found: dict[str, Array] = {}
    for part in ("hold", "open_loop"):
        found |= {f"{part}/{name}": _values(STEPS, NUM, size) for name, size in moved.items()}
        found[f"{part}/ended"] = np.zeros((STEPS, NUM), dtype=bool)
    return found | {
        "ground/rewards": _values(STEPS, NUM, 3),
        "ground/ended": np.zeros((STEPS, NUM), dtype=bool),
        "feet/contact": np.eye(2, dtype=bool),
        "feet/height": np.array([[0.0, 0.05], [0.05, 0.0]]) + 1.0,
        "belly/height": heights,
        "belly/causes": causes,
        "ground/contact": np.ones((NUM, 2), dtype=bool),
        "ground/force": _values(NUM, 3) * 120,
        "ground/actor": _values(NUM, 5),
        "ground/critic": np.ones((NUM, 4)),
        "ground/slide_rewards": -_values(NUM, 3),
        "ground/slide_ended": np.zeros(NUM, dtype=bool),
    }
