"""The crosscheck on the real engine `mujoco`: it equals itself bit for bit, and defects planted in it are found."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np
import pytest
import torch

from cases import manifest, small_env
from surefoot.crosscheck.definitions import compare_definitions, never_exercised
from surefoot.crosscheck.probe_engine import probe_engine
from surefoot.crosscheck.probe_file import Probe
from surefoot.crosscheck.probe_plan import make_plan
from surefoot.engines.mujoco import make_env
from surefoot.engines.mujoco.env import MujocoEnv
from surefoot.engines.mujoco.robot_state import MujocoRobotState
from surefoot.engines.step import PhysicalState

NUM = 12


def probe(*overrides: str, plant: Callable[[MujocoEnv], None] | None = None) -> Probe:
    env = small_env(NUM, *overrides)
    if plant is not None:
        plant(env)
    try:
        return probe_engine(env, make_plan(manifest(), NUM), "mujoco")
    finally:
        env.close()


@cache
def healthy() -> Probe:
    return probe()


def differing(other: Probe) -> set[str]:
    return {
        f"{check.part}/{check.name}" for check in compare_definitions(healthy(), other) if check.status == "differs"
    }


def resting(env: MujocoEnv, joint_offset: float = 0.0) -> PhysicalState:
    num, default = env.num_envs, env.robot_state.read("default_joint_pos")
    return PhysicalState(
        pos_w=torch.tensor([0.3, -0.2, 1.0]) + env.robot_state.episode_origins(),
        quat_w=torch.tensor([1.0, 0.0, 0.0, 0.0]).expand(num, 4),
        lin_vel_w=torch.tensor([0.5, 0.0, 0.0]).expand(num, 3),
        ang_vel_b=torch.zeros(num, 3),
        joint_pos=(default + joint_offset).expand(num, -1),
        joint_vel=torch.ones(num, 12),
    )


def test_a_step_to_a_state_is_a_step_without_physics() -> None:
    """35 N m/rad times 0.5 rad per action 0.2, minus 0.1 rad, minus 0.5 N m s/rad times 1 rad/s: -0.5 N m."""
    env = small_env(4)
    env.episode_length_buf.zero_()
    before = env.sim.data.time[:].clone()
    result = env.step_to(torch.full((4, 12), 0.2), resting(env, joint_offset=0.1))
    read = env.robot_state.read
    expected_pos = env.scene.env_origins + torch.tensor([0.3, -0.2, 1.0])
    assert torch.allclose(read("base_pos_w"), expected_pos, atol=1e-6)
    assert torch.allclose(read("joint_torque"), torch.full((4, 12), -0.5), atol=1e-5)
    assert torch.allclose(read("joint_acc"), torch.full((4, 12), 1.0 / 0.02), atol=1e-3)  # from rest in one step
    assert torch.allclose(read("action"), torch.full((4, 12), 0.2))
    assert env.episode_length_buf.tolist() == [1] * 4
    assert torch.equal(env.sim.data.time[:], before)
    assert not (result.terminated | result.truncated | result.faults.any(dim=1)).any()
    actor = result.observations["actor"]
    assert actor.shape[1] == sum(size for _, size in env.definition()["observations"]["actor"])
    env.step(torch.zeros(4, 12))
    assert (env.sim.data.time[:] > before).all()  # physics is back
    env.close()


def test_the_definition_is_what_the_managers_hold() -> None:
    env = small_env(2, "task.rewards.torques.weight=-0.5", "task.observations.actor.terms.joint_vel.history=2")
    found = env.definition()
    assert dict(found["rewards"])["torques"] == pytest.approx(-0.5)
    assert dict(found["observations"]["actor"])["joint_vel"] == 24
    assert found["terminations"][0] == ["time_out", True]
    assert (found["step_dt"], found["decimation"]) == (pytest.approx(0.02), 2)
    joints = env.manifest.robot.joints
    properties = env.joint_properties()
    assert properties["lower"][1].tolist() == pytest.approx([joint.limits[0] for joint in joints])
    assert properties["upper"][1].tolist() == pytest.approx([joint.limits[1] for joint in joints])
    assert properties["armature"][1].tolist() == pytest.approx([joint.armature for joint in joints])
    env.close()


def test_an_engine_is_equal_to_itself_bit_for_bit_and_every_term_was_seen() -> None:
    again = probe()
    assert all(np.array_equal(value, again.arrays[name]) for name, value in healthy().arrays.items())
    checks = compare_definitions(healthy(), again)
    assert {check.status for check in checks} == {"equal", "not exercised"}
    unseen = set(never_exercised(checks))
    terms = {name for kind in ("rewards", "terminations") for name, _ in healthy().header["definition"][kind]}
    assert not unseen & terms


@pytest.mark.parametrize(
    ("override", "found"),
    [
        ("task.rewards.torques.weight=-0.0003", {"layout/rewards.torques: weight", "rewards/torques"}),
        (
            "task.observations.actor.terms.joint_vel.scale=0.05",
            {"start/actor.joint_vel", "observations/actor.joint_vel"},
        ),
        ("task.observations.critic.terms.base_height.clip=[0,1]", {"observations/critic.base_height"}),
        (
            "task.rewards.foot_slip.weight=-0.2",
            {"layout/rewards.foot_slip: weight", "on the ground/foot_slip, sliding"},
        ),
        ("task.terminations.tilted.params.limit_angle=1.3", {"terminations/tilted"}),
        ("task.terminations.out_of_bounds.params.max_distance=300.0", {"terminations/out_of_bounds"}),
    ],
)
def test_a_defect_in_one_manifest_is_found_in_what_the_engine_does(override: str, found: set[str]) -> None:
    assert found <= differing(probe(override)) <= found | _because_an_episode_went_on()


def _because_an_episode_went_on() -> set[str]:
    """Draws go by episodes: where one robot is not reset, its later commands and observations are others."""
    parts = ("start/", "layout/", "joints/", "feet/")
    return {
        f"{check.part}/{check.name}"
        for check in compare_definitions(healthy(), healthy())
        if not f"{check.part}/".startswith(parts)
    }


def test_swapped_joints_are_found_although_they_are_read_where_they_were_written() -> None:
    def swap(env: MujocoEnv) -> None:
        state = env.robot_state
        for ids in (state.q_ids, state.v_ids):
            ids[[0, 3]] = ids[[3, 0]].clone()  # hips of the front legs

    found = differing(probe(plant=swap))
    assert {"joints/FR_hip_joint: feet", "joints/FL_hip_joint: feet", "fields/foot_pos_w"} <= found
    assert {"joints/FR_hip_joint: turns the base", "joints/FL_hip_joint: turns the base"} <= found
    assert "joints/FR_hip_joint: position" not in found
    assert not {name for name in found if name.startswith("joints/R") and name.endswith(": feet")}


@contextmanager
def patched(cls: type, name: str, value: object) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cls, name, value)
        yield


def test_a_wrong_order_of_quaternions_is_found() -> None:
    real = MujocoRobotState.raw_base_quat_w
    healthy()  # before the defect
    with patched(MujocoRobotState, "raw_base_quat_w", lambda state: real(state).roll(-1, dims=1)):
        found = differing(probe())
    assert {"fields/base_quat_w", "fields/projected_gravity_b", "observations/actor.projected_gravity"} <= found


def test_swapped_contact_sensors_are_found() -> None:
    def swap(env: MujocoEnv) -> None:
        order = torch.tensor([1, 0, 2, 3])
        real = env.robot_state.raw_foot_in_contact
        env.robot_state.raw_foot_in_contact = lambda: real()[:, order]  # type: ignore[method-assign]

    found = differing(probe(plant=swap))
    assert {"feet/FR: contact", "feet/FL: contact"} <= found
    assert "feet/RR: contact" not in found


def test_a_motor_with_other_gains_is_found_where_it_is() -> None:
    joints = list(manifest().robot.joints)
    joints[4] = joints[4].model_copy(update={"stiffness": 40.0})
    robot = manifest().robot.model_copy(update={"joints": tuple(joints)})
    changed = manifest().model_copy(update={"robot": robot})
    env = make_env(changed, device="cpu", num_envs=NUM)
    found = differing(probe_engine(env, make_plan(manifest(), NUM), "mujoco"))
    env.close()
    assert {"joints/FL_thigh_joint: stiffness", "joints/FL_thigh_joint: torque of action 1"} <= found
    assert not {name for name in found if name.endswith((": stiffness", ": damping")) and "FL_thigh" not in name}
    assert "fields/joint_torque" in found
