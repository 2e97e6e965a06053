"""The vocabulary of randomisation factors: name, unit, neutral value and what is allowed."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class FactorKind:
    """One quantity that may differ between environments or episodes."""

    name: str
    unit: str
    """`-` where there is none."""
    neutral: float | None
    """Value that changes nothing; None: what the robot definition says."""
    minimum: float
    meaning: str
    above_minimum: bool = False
    """Whether the minimum itself is refused."""
    whole: bool = False
    """Whole numbers only."""

    def problem(self, value: float) -> str:
        """What is wrong with a value; empty where nothing is."""
        if value < self.minimum or (self.above_minimum and value == self.minimum):
            return f"expected values {'>' if self.above_minimum else '>='} {self.minimum:g}, got {value:g}"
        if self.whole and value != round(value):
            return f"expected whole numbers of {self.unit}, got {value:g}"
        return ""


_ANY = -math.inf
_KINDS = (
    FactorKind("friction", "-", None, 0.0, "sliding friction of the feet", above_minimum=True),
    FactorKind("payload_mass", "kg", 0.0, _ANY, "mass added to the base, with the base's shape"),
    FactorKind("payload_x", "m", None, _ANY, "where the payload's centre of mass is: base frame, forward"),
    FactorKind("payload_y", "m", None, _ANY, "base frame, to the left"),
    FactorKind("payload_z", "m", None, _ANY, "base frame, up"),
    FactorKind("com_shift_x", "m", 0.0, _ANY, "shift of the base's centre of mass, payload included: forward"),
    FactorKind("com_shift_y", "m", 0.0, _ANY, "to the left"),
    FactorKind("com_shift_z", "m", 0.0, _ANY, "up"),
    FactorKind("link_mass", "-", 1.0, 0.0, "factor on mass and inertia of every body but the base", True),
    FactorKind("motor_strength", "-", 1.0, 0.0, "factor on the motors' torque, limit included"),
    FactorKind("stiffness", "-", 1.0, 0.0, "factor on the proportional gains"),
    FactorKind("damping", "-", 1.0, 0.0, "factor on the derivative gains"),
    FactorKind("joint_friction", "N m", None, 0.0, "dry friction of every joint"),
    FactorKind("armature", "-", 1.0, 0.0, "factor on the reflected rotor inertias", True),
    FactorKind("control_delay", "physics steps", 0.0, 0.0, "delay between command and motor", whole=True),
    FactorKind("observation_delay", "control steps", 0.0, 0.0, "delay of the actor's sensors", whole=True),
    FactorKind("noise_level", "-", 1.0, 0.0, "factor on the noise of observations"),
    FactorKind("push_strength", "-", 1.0, 0.0, "factor on the size of kicks"),
    FactorKind("sensor_bias", "-", 0.0, 0.0, "offset of observations for an episode, in amplitudes of their noise"),
)

FACTORS: dict[str, FactorKind] = {kind.name: kind for kind in _KINDS}
"""By name. New ones go to the end: the order numbers the random draws."""
