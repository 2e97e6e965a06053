"""The comparison on made-up answers: equal ones are equal, and each planted defect is found where it is."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from made_up_probe import made_up_probe
from surefoot.crosscheck.check import Tolerance, check_values
from surefoot.crosscheck.definitions import compare_definitions, never_exercised
from surefoot.crosscheck.probe_file import Probe
from surefoot.errors import CrosscheckError


def differing(a: Probe, b: Probe) -> set[str]:
    return {f"{check.part}/{check.name}" for check in compare_definitions(a, b) if check.status == "differs"}


def scaled(name: str, factor: float, columns: slice = slice(None)) -> Callable[[Probe], None]:
    def plant(probe: Probe) -> None:
        probe.arrays[name][..., columns] = probe.arrays[name][..., columns] * factor

    return plant


def swapped_joints(probe: Probe) -> None:
    """Written and read in each other's place, so that only the feet tell."""
    probe.arrays["joints/feet"] = probe.arrays["joints/feet"][::-1]


def assigned(name: str, index: Any, value: Any) -> Callable[[Probe], None]:
    def plant(probe: Probe) -> None:
        probe.arrays[name][index] = value

    return plant


def defined(path: tuple[str, ...], value: Any) -> Callable[[Probe], None]:
    def plant(probe: Probe) -> None:
        place: Any = probe.header["definition"]
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    return plant


def rolled_quaternion(probe: Probe) -> None:
    probe.arrays["flight/field/base_quat_w"] = np.roll(probe.arrays["flight/field/base_quat_w"], 1, axis=-1)


def swapped_sensors(probe: Probe) -> None:
    probe.arrays["feet/contact"] = probe.arrays["feet/contact"][:, ::-1]


def test_equal_answers_are_equal() -> None:
    checks = compare_definitions(made_up_probe(), made_up_probe())
    assert {check.status for check in checks} == {"equal", "not exercised"}
    assert never_exercised(checks) == []
    assert len({(check.part, check.name) for check in checks}) == len(checks)


@pytest.mark.parametrize(
    ("plant", "found"),
    [
        (swapped_joints, {"joints/left_hip: feet", "joints/right_hip: feet"}),
        (rolled_quaternion, {"fields/base_quat_w"}),
        (scaled("flight/actor", 0.05, slice(3, 5)), {"observations/actor.joint_vel"}),
        (scaled("flight/critic", 1.01, slice(0, 2)), {"observations/critic.joint_vel"}),
        (scaled("flight/rewards", 1.01, slice(1, 2)), {"rewards/torques"}),
        (scaled("ground/slide_rewards", 2.0, slice(2, 3)), {"on the ground/foot_slip, sliding"}),
        (assigned("flight/causes", (1, 3, 0), True), {"terminations/time_out"}),
        (assigned("flight/field/joint_vel", (1, 3, 0), np.nan), {"fields/joint_vel"}),
        (assigned("belly/causes", (slice(None), 1), [1, 1, 1, 1, 1, 0]), {"terminations/base_contact, on its back"}),
        (swapped_sensors, {"feet/left: contact", "feet/right: contact"}),
        (scaled("joints/torque_of_position", 35 / 20), {"joints/left_hip: stiffness", "joints/right_hip: stiffness"}),
        (assigned("joints/torque_of_action", (1, 1), 4.0), {"joints/right_hip: torque of action 1"}),
        (assigned("joints/moved_by_action", (0, 0), -0.05), {"joints/left_hip: moves"}),
        (scaled("joints/reaction", -1.0), {"joints/left_hip: turns the base", "joints/right_hip: turns the base"}),
        (scaled("start/mass", 1.001), {"start/mass"}),
        (scaled("start/factor/friction", 1.001), {"start/factor/friction"}),
        (scaled("ground/force", 1.3), {"on the ground/foot_force_w, vertical sum"}),
        (defined(("rewards",), [["upright", -3.0], ["torques", -1.0], ["foot_slip", -0.1]]),
         {"layout/rewards.torques: weight"}),
        (defined(("decimation",), 4), {"layout/decimation"}),
        (defined(("terminations",), [["time_out", False], ["base_contact", False]]),
         {"layout/terminations.time_out: is a time-out"}),
        (defined(("observations", "actor"), [["joint_vel", 2], ["gravity", 3]]),
         {"layout/observations.actor", "start/actor.gravity", "start/actor.joint_vel", "observations/actor.gravity",
          "observations/actor.joint_vel"}),
    ],
)  # fmt: skip
def test_a_planted_defect_is_found_where_it_is(plant: Callable[[Probe], None], found: set[str]) -> None:
    broken = made_up_probe()
    plant(broken)
    assert differing(made_up_probe(), broken) == found
    assert differing(broken, made_up_probe()) == found


def test_another_order_of_joints_is_said_and_nothing_else_is_compared() -> None:
    other = made_up_probe()
    other.header["joints"] = other.header["joints"][::-1]
    assert differing(made_up_probe(), other) == {"layout/joints"}


def test_keys_in_which_the_manifests_differ_are_definitions() -> None:
    changed = [("task.rewards.torques.weight", -0.01, -1.0)]
    checks = compare_definitions(made_up_probe(), made_up_probe(), changed)
    assert [(check.part, check.name) for check in checks if check.status == "differs"] == [("manifest", changed[0][0])]


def test_a_quaternion_and_its_negative_are_one_rotation() -> None:
    other = made_up_probe()
    other.arrays["flight/field/base_quat_w"][1] *= -1
    assert differing(made_up_probe(), other) == set()


def test_what_ended_is_compared_up_to_its_end_only() -> None:
    """The robot that ended was reset: its fields are those of another episode, its causes are not."""
    other = made_up_probe()
    other.arrays["flight/field/joint_vel"][0, 0] += 1.0
    assert differing(made_up_probe(), other) == set()
    other.arrays["flight/field/joint_vel"][0, 1] += 1.0
    assert differing(made_up_probe(), other) == {"fields/joint_vel"}


def test_foot_velocity_of_the_last_physics_step_is_compared_after_one() -> None:
    """Where a simulator does not move its feet with a write, what reads them is ambiguous, and a step tells."""
    stale = made_up_probe()
    stale.arrays["fall/feet_follow_writes"] = np.array(False)
    stale.arrays["flight/field/foot_vel_w"][:] = 0.0
    stale.arrays["ground/slide_rewards"][:, 2] = 0.0
    assert differing(made_up_probe(), stale) == set()
    checks = compare_definitions(made_up_probe(), stale)
    assert [check.name for check in checks if check.status == "ambiguous"] == ["foot_slip, sliding"]
    stale.arrays["fall/foot_vel_w"][0] *= 1.2
    assert differing(made_up_probe(), stale) == {"fields/foot_vel_w, after one control step"}
    fresh = made_up_probe()
    fresh.arrays["flight/field/foot_vel_w"][:] = 0.0
    assert differing(made_up_probe(), fresh) == {"fields/foot_vel_w"}


def test_the_acceleration_of_the_last_physics_step_is_not_compared_with_the_present_one() -> None:
    late = made_up_probe()
    late.arrays["flight/field/imu_lin_acc_b"][0] += 1.0
    assert differing(made_up_probe(), late) == {"fields/imu_lin_acc_b"}
    late.arrays["fall/falls_at_once"] = np.array(False)
    assert differing(made_up_probe(), late) == set()
    ambiguous = [check.name for check in compare_definitions(made_up_probe(), late) if check.status == "ambiguous"]
    assert ambiguous == ["imu_lin_acc_b"]


def test_feet_that_are_level_are_ambiguous() -> None:
    probes = made_up_probe(), made_up_probe()
    for probe in probes:
        probe.arrays["feet/height"][0] = [1.0, 1.004]
        probe.arrays["feet/contact"][0] = True
    status = {check.name: check.status for check in compare_definitions(*probes) if check.part == "feet"}
    assert status == {"left: contact": "ambiguous", "right: contact": "equal"}


def test_feet_that_both_engines_take_for_each_other_are_found() -> None:
    probes = made_up_probe(), made_up_probe()
    for probe in probes:
        swapped_sensors(probe)
    assert differing(*probes) == {"feet/left: contact", "feet/right: contact"}


def test_other_numbers_of_robots_cannot_be_compared() -> None:
    other = made_up_probe()
    other.header["num_envs"] = 7
    with pytest.raises(CrosscheckError, match="different numbers of environments"):
        compare_definitions(made_up_probe(), other)


@pytest.mark.parametrize(("b", "status"), [(10.9, "equal"), (11.3, "differs"), (10.0, "equal")])
def test_the_tolerance_is_relative_to_the_largest_value_plus_absolute(b: float, status: str) -> None:
    """Of 10 and 11.3: 5 % of 11.3 plus 0.5 are 1.065 < 1.3; of 10 and 10.9: 1.045 > 0.9."""
    check = check_values("p", "n", np.array([10.0]), np.array([b]), Tolerance(0.05, 0.5, "made up"))
    assert check.status == status


def test_zero_on_both_sides_says_nothing() -> None:
    assert check_values("p", "n", np.zeros(3), np.zeros(3)).status == "not exercised"
    assert check_values("p", "n", np.zeros(3), np.array([0, 0, 1e-3])).status == "differs"
    assert check_values("p", "n", np.ones(3), np.ones(3), where=np.zeros(3, dtype=bool)).status == "not exercised"


def test_an_infinity_on_both_sides_is_a_value_and_a_nan_is_not() -> None:
    infinite = np.array([np.inf, 1.0])
    assert check_values("p", "n", infinite, infinite).status == "equal"
    assert check_values("p", "n", infinite, np.array([2.0, 1.0])).status == "differs"
    assert check_values("p", "n", infinite, -infinite).status == "differs"
    assert check_values("p", "n", infinite[:1], infinite[:1]).status == "not exercised"
    assert check_values("p", "n", np.array([np.nan, 1.0]), np.array([np.nan, 1.0])).status == "differs"
