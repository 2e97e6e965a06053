"""Which joint, foot and termination is which, shown by moving one at a time."""

from collections.abc import Iterator

import numpy as np

from surefoot.crosscheck.check import MOVED, ONE_STEP, REACTION, Check, Tolerance, check_equal, check_values
from surefoot.crosscheck.probe_file import Array, Probe
from surefoot.crosscheck.probe_parts import JOINT_OFFSET, JOINT_SPEED

_CLEAR = 0.01
"""m by which the lowest foot must be lower than the next one."""


def joint_checks(a: Probe, b: Probe) -> Iterator[Check]:
    """For each joint: where it is, which feet it carries, and what its motor does."""
    one, two = a.part("joints"), b.part("joints")
    moves, reacts = _of_two_solvers(a, b, ONE_STEP), _of_two_solvers(a, b, REACTION)
    for index, joint in enumerate(a.header["joints"]):
        for name in ("position", "velocity"):
            yield check_values("joints", f"{joint}: {name}", one[name][index], two[name][index])
        yield check_values("joints", f"{joint}: feet", one["feet"][index], two["feet"][index], MOVED)
        for name, (first, second) in _motor(one, two, index).items():
            yield check_values("joints", f"{joint}: {name}", first, second)
        yield _moves(joint, index, one["moved_by_action"], two["moved_by_action"], moves)
        yield check_values("joints", f"{joint}: turns the base", one["reaction"][index], two["reaction"][index], reacts)


def _of_two_solvers(a: Probe, b: Probe, tolerance: Tolerance) -> Tolerance:
    """Wider where one engine alone integrates the motors' stiffness implicitly, and a physics step is long.

    Of a motor with stiffness k on an inertia I the two accelerations differ by k dt^2 / I of themselves: of a Go1 by
    0.21 at 10 ms, 0.13 at 5 ms and less than 0.05 at 1 ms, which is how to look closer (docs/crosscheck.md).
    """
    if a.header.get("implicit_drives", False) == b.header.get("implicit_drives", False):
        return tolerance
    step = max(probe.header["definition"]["step_dt"] / probe.header["definition"]["decimation"] for probe in (a, b))
    return Tolerance(
        tolerance.relative + 0.25 * step / 0.01,
        tolerance.absolute,
        "one control step of motion; one engine takes the motors' stiffness implicitly",
    )


def _motor(one: dict[str, Array], two: dict[str, Array], joint: int) -> dict[str, tuple[Array, Array]]:
    """Stiffness, damping, torque of action 1 and largest torque, as measured on the joint that moves."""

    def diagonal(answers: dict[str, Array], name: str, scale: float) -> Array:
        return np.atleast_1d(answers[name][joint, joint] * scale)

    return {
        name: (diagonal(one, key, scale), diagonal(two, key, scale))
        for name, key, scale in (
            # Negative: the motor pulls back from where the joint was put.
            ("stiffness", "torque_of_position", -1.0 / JOINT_OFFSET),
            ("damping", "torque_of_velocity", -1.0 / JOINT_SPEED),
            ("torque of action 1", "torque_of_action", 1.0),
            ("torque limit", "torque_limit", 1.0),
        )
    }


def _moves(joint: str, index: int, one: Array, two: Array, tolerance: Tolerance) -> Check:
    """Action 1 of one joint, in the air, for one control step: that joint moves, forwards, on both engines."""
    name = f"{joint}: moves"
    for which, moved in (("first", one), ("second", two)):
        strongest = int(np.abs(moved[index]).argmax())
        if strongest != index or moved[index, index] <= 0:
            reason = (
                f"on the {which} engine action {index} moves joint {strongest} by {moved[index, strongest]:.3g} rad"
            )
            return Check("joints", name, "differs", reason=reason)
    return check_values("joints", name, one[index], two[index], tolerance)


def foot_checks(a: Probe, b: Probe) -> Iterator[Check]:
    """The foot that is lowered is the one that is felt."""
    one, two = a.part("feet"), b.part("feet")
    for index, foot in enumerate(a.header["feet"]):
        name, patterns = f"{foot}: contact", (one["contact"][index].tolist(), two["contact"][index].tolist())
        gaps = [
            # One foot alone has no next one.
            float(np.diff(np.sort(probe["height"][index]))[0]) if len(probe["height"]) > 1 else 1.0
            for probe in (one, two)
        ]
        lowered = [other == foot for other in a.header["feet"]]
        if patterns[0] != patterns[1]:
            yield check_equal("feet", name, *patterns)
        elif patterns[0] == lowered:
            yield Check("feet", name, "equal")
        else:
            reason = f"both feel {patterns[0]}; the lowered foot is {min(gaps):.3f} m below the next one"
            yield Check("feet", name, "ambiguous" if min(gaps) < _CLEAR else "differs", reason=reason)


def touch_checks(a: Probe, b: Probe) -> Iterator[Check]:
    """Terminations that read contact: on its back, the robot touches the ground below the same height."""
    heights = a.arrays["belly/height"]
    # Robots hang evenly spaced, so a height is known to one step at best.
    step = float(heights[1] - heights[0])
    names = [[name for name, _ in probe.header["definition"]["terminations"]] for probe in (a, b)]
    for name in a.header["contact_terms"]["terminations"]:
        if name not in names[0] or name not in names[1]:
            continue
        highest: list[float] = []
        for probe, known in ((a, names[0]), (b, names[1])):
            touching = probe.arrays["belly/causes"][:, known.index(name)]
            highest.append(float(heights[touching].max()) if touching.any() else 0.0)
        if max(highest) == 0.0:
            yield Check("terminations", f"{name}, on its back", "not exercised", reason="no robot touched")
            continue
        difference = abs(highest[0] - highest[1])
        status = "equal" if difference <= 1.5 * step and min(highest) > 0.0 else "differs"
        reason = "height below which it touches, m; steps between the robots"
        yield Check("terminations", f"{name}, on its back", status, difference, max(highest), 1.5 * step, reason)
