"""Where a robot definition and a configuration of `isaaclab_assets` disagree. The engine uses the definition's numbers.

Needs no simulator: a configuration is read by the names of its attributes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from surefoot.manifest.robot import Joint, Robot

_ATTRIBUTES = {
    "stiffness": ("stiffness",),
    "damping": ("damping",),
    "effort_limit": ("joint_effort_limit", "effort_limit_sim", "actuator_effort_limit", "effort_limit"),
    "velocity_limit": ("joint_velocity_limit", "velocity_limit_sim", "actuator_velocity_limit", "velocity_limit"),
    "saturation_effort": ("saturation_effort",),
    "armature": ("armature",),
    "friction": ("friction",),
}
"""Where an actuator configuration of Isaac Lab has a quantity of `robot.joints`; the first that is set counts."""

UNITS = {
    "default_pos": "rad", "stiffness": "N m/rad", "damping": "N m s/rad", "effort_limit": "N m",
    "velocity_limit": "rad/s", "saturation_effort": "N m", "armature": "kg m^2", "friction": "N m",
}  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """One quantity that differs in the same way for some joints."""

    quantity: str
    joints: tuple[str, ...]
    """Names, canonical order; without the side where both sides are meant."""
    ours: float
    theirs: float | None
    """None where the configuration leaves it to the USD or to a network, or has no such joint."""


def differences(robot: Robot, cfg: Any) -> list[Difference]:
    """Every disagreement, by quantity.

    Args:
        robot: The definition.
        cfg: Isaac Lab's `ArticulationCfg` of the machine.
    """
    found: dict[tuple[str, float, float | None], list[str]] = {}
    for joint in robot.joints:
        theirs = {"default_pos": _named(cfg.init_state.joint_pos, joint.name) or 0.0} | _motor(cfg, joint.name)
        if robot.motors == "implicit_pd":
            del theirs["saturation_effort"]
        for quantity, value in theirs.items():
            ours = joint.stall_torque if quantity == "saturation_effort" else float(getattr(joint, quantity))
            if value is None or abs(value - ours) > 1e-3 * max(abs(ours), 1e-3):
                found.setdefault((quantity, ours, value), []).append(joint.name)
    return [
        Difference(quantity, _without_sides(robot, names), ours, theirs)
        for (quantity, ours, theirs), names in sorted(found.items(), key=lambda item: list(UNITS).index(item[0][0]))
    ]


def table(robot: Robot, cfg: Any) -> str:
    """The disagreements as rows of a Markdown table, and how many numbers agree."""
    found = differences(robot, cfg)
    rows = ["| quantity | joints | here | isaaclab_assets |", "| --- | --- | --- | --- |"]
    for entry in found:
        theirs = "not said" if entry.theirs is None else f"{entry.theirs:g}"
        unit = f"{entry.quantity}, {UNITS[entry.quantity]}"
        rows.append(f"| {unit} | {', '.join(entry.joints)} | {entry.ours:g} | {theirs} |")
    return "\n".join(rows)


def _motor(cfg: Any, joint: str) -> dict[str, float | None]:
    for motor in cfg.actuators.values():
        if any(re.fullmatch(pattern, joint) for pattern in motor.joint_names_expr):
            return {
                quantity: next((value for name in names if (value := _value(motor, name, joint)) is not None), None)
                for quantity, names in _ATTRIBUTES.items()
            }
    return dict.fromkeys(_ATTRIBUTES)


def _value(motor: Any, attribute: str, joint: str) -> float | None:
    value = getattr(motor, attribute, None)
    if isinstance(value, Mapping):
        return _named(value, joint)
    return None if value is None else float(value)


def _named(values: Mapping[str, float], joint: str) -> float | None:
    """Isaac Lab's rule: keys are regular expressions for whole names."""
    return next((float(value) for pattern, value in values.items() if re.fullmatch(pattern, joint)), None)


def _without_sides(robot: Robot, names: list[str]) -> tuple[str, ...]:
    """`hip_roll_joint` for the two of it; a name in full where only one side differs."""
    joints: dict[str, Joint] = {joint.name: joint for joint in robot.joints}
    out: list[str] = []
    for name in names:
        both = joints[name].mirror in names and joints[name].mirror != name
        out.append(re.sub(r"^(left|right|[FR][RL]|[LR][FH])_", "", name) if both else name)
    return tuple(dict.fromkeys(out))
