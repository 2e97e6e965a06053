"""Definitions of two engines, from their probes: what must be the same whatever the physics."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surefoot.crosscheck.check import (
    LANDING,
    ONE_STEP,
    SETTLED,
    SINGLE,
    Check,
    Tolerance,
    align_quaternions,
    check_equal,
    check_values,
)
from surefoot.crosscheck.joints_and_feet import foot_checks, joint_checks, touch_checks
from surefoot.crosscheck.probe_file import Array, Probe
from surefoot.errors import CrosscheckError
from surefoot.mdp.fields import FIELDS, feels_contact

_GROUPS = ("actor", "critic")
_AIR_TIMES = ("field/foot_air_time", "field/foot_last_air_time")
_UNKNOWN_ACCELERATION = "of acceleration one of the simulators knows its mean over the last physics step"
_START_FIELDS = ("command", "base_pos_w", "base_quat_w", "base_lin_vel_w", "base_ang_vel_b", "joint_pos", "joint_vel")


def compare_definitions(a: Probe, b: Probe, changed: Sequence[tuple[str, Any, Any]] = ()) -> list[Check]:
    """Every check, in the order of the report.

    Args:
        a: First engine's answers.
        b: Second engine's.
        changed: Keys in which the two manifests differ, with both values.

    Raises:
        CrosscheckError: The two were not asked the same.
    """
    if a.header["num_envs"] != b.header["num_envs"] or a.arrays["flight/ended"].shape != b.arrays["flight/ended"].shape:
        raise CrosscheckError("The two probes have different numbers of environments or rounds. Probe both again.")
    checks = [check_equal("manifest", key, one, two) for key, one, two in changed]
    checks += _layout(a, b)
    # In another order every later number would differ, and say nothing new.
    if a.header["joints"] == b.header["joints"] and a.header["feet"] == b.header["feet"]:
        checks += [*_start(a, b), *_fields(a, b), *_observations(a, b), *_terms(a, b)]
        checks += [*joint_checks(a, b), *foot_checks(a, b), *touch_checks(a, b), *_on_the_ground(a, b)]
    return checks


def _layout(a: Probe, b: Probe) -> Iterator[Check]:
    """Names, order, sizes, weights, time steps."""
    one, two = a.header["definition"], b.header["definition"]
    yield check_equal("layout", "joints", a.header["joints"], b.header["joints"])
    yield check_equal("layout", "feet", a.header["feet"], b.header["feet"])
    for key in ("step_dt", "decimation", "episode_steps"):
        yield check_equal("layout", key, one[key], two[key])
    for group in sorted({*one["observations"], *two["observations"]}):
        found = one["observations"].get(group), two["observations"].get(group)
        yield check_equal("layout", f"observations.{group}", *found)
    for kind in ("rewards", "terminations"):
        first, second = dict(one[kind]), dict(two[kind])
        yield check_equal("layout", f"{kind}: names", list(first), list(second))
        for name in first:
            if name in second:
                what = "weight" if kind == "rewards" else "is a time-out"
                yield check_equal("layout", f"{kind}.{name}: {what}", first[name], second[name])


def _start(a: Probe, b: Probe) -> Iterator[Check]:
    """The same seeds give the same first episodes, and the simulators hold the same robot."""
    one, two = a.part("start"), b.part("start")
    for name in ("bucket", "mass", *_names(one, two, "factor/"), *_names(one, two, "joint/")):
        yield check_values("start", name, one[name], two[name])
    for name in _START_FIELDS:
        yield _field("start", name, one, two)
    for group in _GROUPS:
        for term, columns in _shared_columns(a, b, group):
            if term not in a.header["contact_terms"][group]:  # some simulators know no contact before the first step
                yield check_values("start", f"{group}.{term}", *_take(one[group], two[group], columns))


def _fields(a: Probe, b: Probe) -> Iterator[Check]:
    """RobotState on equal states in the air."""
    one, two = a.part("flight"), b.part("flight")
    for name in _names(one, two, "field/"):
        if name == "field/foot_vel_w" and not _both(a, b, "feet_follow_writes"):
            falls = a.part("fall"), b.part("fall")
            runs = np.logical_not(falls[0]["ended"] | falls[1]["ended"])
            velocities = falls[0]["foot_vel_w"], falls[1]["foot_vel_w"]
            yield check_values("fields", "foot_vel_w, after one control step", *velocities, ONE_STEP, runs)
            continue
        if name == "field/imu_lin_acc_b" and not _both(a, b, "falls_at_once"):
            yield Check("fields", "imu_lin_acc_b", "ambiguous", reason=_UNKNOWN_ACCELERATION)
            continue
        if name in _AIR_TIMES and not (a.header.get("present_contact", True) and b.header.get("present_contact", True)):
            # One control step, and a little for rounding.
            late = Tolerance(SINGLE.relative, 1.01 * a.header["definition"]["step_dt"], "contact a physics step old")
            yield check_values("fields", name.removeprefix("field/"), one[name], two[name], late, _airborne(a, b))
            continue
        # Close to the ground one solver may touch where the other does not.
        contact = feels_contact(FIELDS[name.removeprefix("field/")])
        where = _airborne(a, b) if contact else _running(one, two)
        yield _field("fields", name.removeprefix("field/"), one, two, where)


def _observations(a: Probe, b: Probe) -> Iterator[Check]:
    one, two = a.part("flight"), b.part("flight")
    for group in _GROUPS:
        for term, columns in _shared_columns(a, b, group):
            if reason := _stale(a, b, group, term):
                yield Check("observations", f"{group}.{term}", "ambiguous", reason=reason)
                continue
            contact = term in a.header["contact_terms"][group]
            where = _airborne(a, b) if contact else _running(one, two)
            yield check_values("observations", f"{group}.{term}", *_take(one[group], two[group], columns), where=where)


def _terms(a: Probe, b: Probe) -> Iterator[Check]:
    """Rewards and terminations on equal states in the air."""
    one, two = a.part("flight"), b.part("flight")
    for kind, values in (("rewards", "rewards"), ("terminations", "causes")):
        for name, first, second in _shared_terms(a, b, kind):
            contact = name in a.header["contact_terms"][kind]
            if (not contact or _feels(a, kind, name)) and (reason := _stale(a, b, kind, name)):
                yield Check(kind, name, "ambiguous", reason=reason)
                continue
            # Both are computed before the resets of a step, so an episode that ends counts too.
            where = _airborne(a, b) if contact else None
            yield check_values(kind, name, one[values][..., first], two[values][..., second], where=where)


def _on_the_ground(a: Probe, b: Probe) -> Iterator[Check]:
    """What reads contact, while it is certain: standing, and shoved so that the feet slide."""
    one, two = a.part("ground"), b.part("ground")
    stands = np.logical_not(np.concatenate((one["ended"], two["ended"])).any(axis=0))
    yield check_values("on the ground", "foot_in_contact", one["contact"], two["contact"], SETTLED, stands)
    # Their sum: how four feet share a load is the solver's choice.
    forces = one["force"][:, 2], two["force"][:, 2]
    yield check_values("on the ground", "foot_force_w, vertical sum", *forces, LANDING, stands)
    if "imu" in one and "imu" in two:
        yield check_values("on the ground", "imu_lin_acc_b", one["imu"], two["imu"], LANDING, stands)
    for group in _GROUPS:
        for term, columns in _shared_columns(a, b, group):
            if term in a.header["contact_terms"][group]:
                tolerance = LANDING if _feels(a, group, term) else SETTLED
                values = _take(one[group], two[group], columns)
                yield check_values("on the ground", f"{group}.{term}", *values, tolerance, stands)
    slides = np.logical_and(stands, np.logical_not(one["slide_ended"] | two["slide_ended"]))
    # What flight could not show gets a second look here.
    unseen = _zero_in_the_air(a, b)
    for name, first, second in _shared_terms(a, b, "rewards"):
        if name in unseen:
            ends = [probe["rewards"][-1] for probe in (one, two)]
            yield check_values("on the ground", name, ends[0][:, first], ends[1][:, second], SETTLED, stands)
        if name in a.header["contact_terms"]["rewards"] and (reason := _stale(a, b, "rewards", name)):
            yield Check("on the ground", f"{name}, sliding", "ambiguous", reason=reason)
        elif name in a.header["contact_terms"]["rewards"]:
            rates = one["slide_rewards"][:, first], two["slide_rewards"][:, second]
            yield check_values("on the ground", f"{name}, sliding", *rates, SETTLED, slides)


def _zero_in_the_air(a: Probe, b: Probe) -> set[str]:
    """Rewards that the flight says nothing about."""
    one, two = a.arrays["flight/rewards"], b.arrays["flight/rewards"]
    return {
        name
        for name, first, second in _shared_terms(a, b, "rewards")
        if not one[..., first].any() | two[..., second].any()
    }


def _field(
    part: str, name: str, one: dict[str, Array], two: dict[str, Array], where: NDArray[np.bool_] | None = None
) -> Check:
    first, second = one[f"field/{name}"], two[f"field/{name}"]
    if name == "base_quat_w" and first.shape == second.shape:
        second = align_quaternions(first, second)
    return check_values(part, name, first, second, where=where)


def _both(a: Probe, b: Probe, ability: str) -> bool:
    """Whether both engines know of a written state what others know only after a physics step."""
    return bool(a.arrays[f"fall/{ability}"]) and bool(b.arrays[f"fall/{ability}"])


def _feels(a: Probe, kind: str, term: str) -> bool:
    return term in a.header["acceleration_terms"][kind]


def _stale(a: Probe, b: Probe, kind: str, term: str) -> str:
    """Why a term says nothing of a written state on one of the engines; empty where it does."""
    if term in a.header["foot_velocity_terms"][kind] and not _both(a, b, "feet_follow_writes"):
        return "reads foot velocity, which one of the simulators knows only after a physics step"
    return _UNKNOWN_ACCELERATION if _feels(a, kind, term) and not _both(a, b, "falls_at_once") else ""


def _running(one: dict[str, Array], two: dict[str, Array]) -> NDArray[np.bool_]:
    """Entries whose episode did not end in that step: what was written is still there. Shape (K, N)."""
    return ~(one["ended"] | two["ended"])


def _airborne(a: Probe, b: Probe) -> NDArray[np.bool_]:
    """Of these, those that hover without touching. Shape (K, N)."""
    one, two = a.part("flight"), b.part("flight")
    clear = (one["field/foot_height"] > 0).all(axis=-1) & (two["field/foot_height"] > 0).all(axis=-1)
    return _running(one, two) & clear


def _names(one: dict[str, Array], two: dict[str, Array], prefix: str) -> list[str]:
    return [name for name in one if name.startswith(prefix) and name in two]


def _shared_terms(a: Probe, b: Probe, kind: str) -> list[tuple[str, int, int]]:
    """Terms of both, with their columns."""
    names = [[name for name, _ in probe.header["definition"][kind]] for probe in (a, b)]
    return [(name, index, names[1].index(name)) for index, name in enumerate(names[0]) if name in names[1]]


def _shared_columns(a: Probe, b: Probe, group: str) -> list[tuple[str, tuple[slice, slice]]]:
    """Observation terms of both, of the same size, with their columns."""
    places = [_columns(probe.header["definition"]["observations"].get(group, [])) for probe in (a, b)]
    return [
        (term, (columns, places[1][term]))
        for term, columns in places[0].items()
        if term in places[1] and columns.stop - columns.start == places[1][term].stop - places[1][term].start
    ]


def _columns(terms: Sequence[Sequence[object]]) -> dict[str, slice]:
    found: dict[str, slice] = {}
    start = 0
    for name, size in terms:
        stop = start + int(str(size))
        found[str(name)] = slice(start, stop)
        start = stop
    return found


def _take(one: Array, two: Array, columns: tuple[slice, slice]) -> tuple[Array, Array]:
    return one[..., columns[0]], two[..., columns[1]]


def never_exercised(checks: Sequence[Check]) -> list[str]:
    """Terms and fields that were zero on both engines wherever they were looked at."""
    exercised: dict[str, bool] = {}
    for check in checks:
        if check.part in ("fields", "observations", "rewards", "terminations", "on the ground"):
            # `foot_slip_l2, sliding` was a look at foot_slip_l2.
            name = check.name.split(",")[0]
            exercised[name] = exercised.get(name, False) or check.status != "not exercised"
    return [name for name, seen in exercised.items() if not seen]
